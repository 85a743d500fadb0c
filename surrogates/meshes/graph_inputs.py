"""What a network on mesh edges is given: checked once, with words for what does not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import MeshGraph
from surrogates.physics.errors import DomainError


def check_radius(radius: Any) -> float | None:
    """A world radius as float, or None. Raises DomainError for what is neither None nor a finite length."""
    number = isinstance(radius, int | float | np.integer | np.floating) and not isinstance(radius, bool)
    if radius is None or (number and 0 <= radius < math.inf):
        return None if radius is None else float(radius)
    raise DomainError(
        f"world_radius={radius!r}; give None for meshes that stay where they are, 0 for meshes that move and never "
        "touch, or the distance, in the units of the points, below which nodes see each other"
    )


def places(graph: MeshGraph) -> list[Float[Tensor, "nodes dim"]]:
    """Where nodes are at rest and, if the mesh moves, now."""
    return [graph.points] if graph.moved is None else [graph.points, graph.moved]


def check_graph(values: Float[Tensor, "nodes channels"], graph: MeshGraph, model: Any, *names: str) -> None:
    """Raises DomainError where channels, coordinates, movement or the patterns `names` do not fit the model."""
    name, points = type(model).__name__, tuple(graph.points.shape)
    if tuple(values.shape) != (points[0], model.in_channels) or points[1] != model.dim:
        raise DomainError(
            f"{name} got values of shape {tuple(values.shape)} at points of shape {points}; it reads (nodes, "
            f"{model.in_channels} channels) at (nodes, {model.dim} coordinates): make it with dim and in_channels of "
            "your data, or select other fields"
        )
    if (graph.moved is not None) != (model.world_radius is not None):
        given, wanted = ("moves", "stays") if graph.moved is not None else ("stays", "moves")
        raise DomainError(
            f"{name} got a mesh that {given} and was made for one that {wanted}; world_radius is None for meshes that "
            "stay, 0 or a distance for meshes that move"
        )
    missing = [n for n in names if n not in graph.patterns]
    if missing:
        raise DomainError(
            f"{name} needs the pattern {missing[0]!r} and the graph has {', '.join(graph.patterns)}; add what its "
            "`patterns` and `moving_patterns` give for each mesh"
        )
