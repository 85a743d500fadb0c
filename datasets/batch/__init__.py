"""Batches: what an adapter makes and a surrogate reads."""

from surrogates.datasets.batch.atoms import AtomsBatch, AtomsLabels, LabelledAtoms, join

__all__ = ["AtomsBatch", "AtomsLabels", "LabelledAtoms", "join"]
