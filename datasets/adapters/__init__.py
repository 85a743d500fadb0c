"""Foreign objects and files to samples and batches, and back; what comes in is checked here."""

from surrogates.datasets.adapters.ase import from_ase, sample_of, to_ase

__all__ = ["from_ase", "sample_of", "to_ase"]
