"""What is known: structures and fields with their reference values, read, stored, split and batched."""

from surrogates.datasets.fields import Fields
from surrogates.datasets.hashes import overlap, require_disjoint
from surrogates.datasets.mesh_prediction import MeshPrediction
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.datasets.read import read_structures
from surrogates.datasets.read_fields import read_fields
from surrogates.datasets.read_meshes import read_meshes
from surrogates.datasets.sample import Sample
from surrogates.datasets.store import Structures
from surrogates.datasets.trajectory import Trajectory
from surrogates.datasets.writer import ShardWriter

__all__ = [
    "Fields",
    "MeshPrediction",
    "MeshSample",
    "Meshes",
    "Sample",
    "ShardWriter",
    "Structures",
    "Trajectory",
    "overlap",
    "read_fields",
    "read_meshes",
    "read_structures",
    "require_disjoint",
]
