"""Batches: what an adapter makes and a surrogate reads."""

from surrogates.datasets.batch.atoms import AtomsBatch, AtomsLabels, LabelledAtoms, join
from surrogates.datasets.batch.circuit import CircuitBatch
from surrogates.datasets.batch.csr import Csr
from surrogates.datasets.batch.grid import GridBatch
from surrogates.datasets.batch.mesh import MeshBatch, MeshGraph

__all__ = [
    "AtomsBatch",
    "AtomsLabels",
    "CircuitBatch",
    "Csr",
    "GridBatch",
    "LabelledAtoms",
    "MeshBatch",
    "MeshGraph",
    "join",
]
