"""Where trajectories lie (in memory, in files), and what those of one data set have in common."""

from surrogates.datasets.field_parts.layout import FieldLayout, FieldPart, joined_layout, relaid
from surrogates.datasets.field_parts.memory import InMemory

__all__ = ["FieldLayout", "FieldPart", "InMemory", "joined_layout", "relaid"]
