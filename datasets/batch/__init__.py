"""Batches: what an adapter makes and a surrogate reads."""

from surrogates.datasets.batch.atoms import AtomsBatch, AtomsLabels, LabelledAtoms, join
from surrogates.datasets.batch.grid import GridBatch

__all__ = ["AtomsBatch", "AtomsLabels", "GridBatch", "LabelledAtoms", "join"]
