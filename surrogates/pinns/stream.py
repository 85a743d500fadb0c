"""Points of a problem as data sets for `fit`: fresh ones each step, or fixed ones.

A row is a whole number; its points are drawn where a batch is put together. The rows of a stream never come twice: each
epoch has its own, made of the training's seed and the epoch, so that a resumed training sees the same points.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.pinns.conditions import EdgePoints
from surrogates.pinns.drawing import mix

if TYPE_CHECKING:
    from surrogates.pinns.problem import Problem


@dataclass(frozen=True)
class CollocationBatch:
    """Points inside (batch, dim), and those of each condition by name; `seed` decides further draws of a step."""

    interior: Float[Tensor, "batch dim"]
    edges: dict[str, EdgePoints]
    seed: int = 0

    @property
    def rows(self) -> int:
        """Points inside."""
        return len(self.interior)

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> CollocationBatch:
        """The same elsewhere, or in another precision."""
        edges = {name: points.to(device, dtype) for name, points in self.edges.items()}
        return replace(self, interior=self.interior.to(device=device, dtype=dtype), edges=edges)


@dataclass(frozen=True)
class Row:
    """One row of a data set of points."""

    source: Any
    index: int


class PointStream:
    """Points drawn anew for each step, without end.

    Args:
        problem: whose points. points: rows of an epoch. edge: points on each condition a step. seed: of the draws,
            beside that of the training.
    """

    def __init__(self, problem: Problem, *, points: int = 10_000, edge: int = 100, seed: int = 0) -> None:
        if points < 1 or edge < 1:
            raise DomainError(f"points={points}, edge={edge}; give at least 1 of each")
        self.problem, self._points, self._edge, self.seed = problem, points, edge, seed

    def __len__(self) -> int:
        return self._points

    def __getitem__(self, index: int) -> Row:
        return Row(self, index)

    def __iter__(self) -> Iterator[Row]:
        return (self[i] for i in range(len(self)))

    @property
    def hash(self) -> str:
        """Which points these are: the same for every member of an ensemble."""
        return _hash("stream", self.problem, self._points, self._edge, self.seed)

    def in_memory(self, limit: int) -> PointStream:
        """Itself: there is nothing to read."""
        return self

    def order(self, generator: torch.Generator) -> list[int]:
        """The rows of an epoch: numbers that no other epoch has."""
        start = int(torch.randint(1 << 62, (1,), generator=generator))
        return list(range(start, start + self._points))

    def batch(self, rows: Sequence[int], device: torch.device | str = "cpu") -> CollocationBatch:
        """Points of a step: a function of the first row, their number and the seed."""
        seed = mix(self.seed, rows[0])
        edges = {name: c.points(self._edge, mix(seed, k)) for k, (name, c) in enumerate(self.problem.edges.items())}
        return CollocationBatch(self.problem.draw(len(rows), seed, device), edges, seed)


class PointSet:
    """Fixed points: row i is point i, and those of the conditions come with every batch.

    Args:
        problem: whose points. interior: the points inside (n, dim). edge, seed: number and seed of those on each
            condition.
    """

    def __init__(self, problem: Problem, interior: Float[Tensor, "n dim"], *, edge: int = 100, seed: int = 1) -> None:
        if interior.ndim != 2 or interior.shape[1] != problem.dim or not len(interior):
            raise DomainError(f"points of shape {tuple(interior.shape)}; give (n, {problem.dim}) with n at least 1")
        self.problem, self.interior, self._edge, self.seed = problem, interior, edge, seed
        self._edges: dict[str, EdgePoints] | None = None

    def __len__(self) -> int:
        return len(self.interior)

    def __getitem__(self, index: int) -> Row:
        return Row(self, index)

    def __iter__(self) -> Iterator[Row]:
        return (self[i] for i in range(len(self)))

    @property
    def edges(self) -> dict[str, EdgePoints]:
        """Points of each condition by name."""
        if self._edges is None:
            known = enumerate(self.problem.edges.items())
            self._edges = {name: c.points(self._edge, mix(self.seed, 1 + k)) for k, (name, c) in known}
        return self._edges

    @property
    def hash(self) -> str:
        """Which points these are."""
        return _hash("set", self.problem, len(self), self._edge, self.seed, float(self.interior.double().sum()))

    def in_memory(self, limit: int) -> PointSet:
        """Itself: it is in memory."""
        return self

    def batch(self, rows: Sequence[int], device: torch.device | str = "cpu") -> CollocationBatch:
        """These points, and all of the conditions."""
        return CollocationBatch(self.interior[torch.as_tensor(rows)].to(device), self.edges, mix(self.seed, rows[0]))


def _hash(kind: str, problem: Problem, *numbers: float | int) -> str:
    told = [kind, problem.dim, problem.names if problem.dim <= 100 else None, problem.spec and dict(problem.spec)]
    return hashlib.sha256(json.dumps([*told, *numbers], sort_keys=True).encode()).hexdigest()
