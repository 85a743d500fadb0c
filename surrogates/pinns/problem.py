"""A differential equation as something to train on: residual, where it holds, conditions, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.pinns.conditions import Condition, named_conditions
from surrogates.pinns.drawing import draw
from surrogates.pinns.inverse import from_plain
from surrogates.pinns.stream import PointSet, PointStream

_LETTERS = ("x", "y", "z")


@dataclass(frozen=True)
class Problem:
    """Find u with residual(u, x) = 0 inside a domain and `conditions` on its edges.

    Args:
        dim: coordinates of a point; a time is the last one.
        residual: (u, x) -> tensor (points,) or (points, k), or {name: tensor}, with u a callable of x (points, dim) to
            (points, outputs); the functions of surrogates.derivatives and torch.autograd both differentiate it. With
            `parameters` it is (u, x, parameters), a mapping of names to scalar tensors.
        geometry: a DeepXDE geometry, or a function without arguments that makes one, called on first use.
        conditions: DeepXDE conditions, a sequence or by name; or a function of the geometry that makes them.
        exact: x (points, dim) -> (points, outputs), the solution where it is known; errors are measured against it.
        sample: (n, generator) -> (n, dim) on the generator's device, in place of the geometry's uniform points.
        coordinates: names of the coordinates; "t" is the time. () for x, y, z (x1, x2, ... above three), with t last
            where the geometry has a time.
        parameters: unknown numbers of the equation, {name: start} or {name: Positive(start)}, learned with u.
        spec: {"name": ..., arguments} of a named problem, what a file holds of it; None for one made of own functions.
    Geometry, conditions and uniform points are DeepXDE's, made in double precision.
    Raises DomainError for something that is no function, no domain, or names that do not fit.
    """

    dim: int
    residual: Any
    geometry: Any = None
    conditions: Any = ()
    exact: Any = None
    sample: Any = None
    coordinates: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dim, int) or self.dim < 1:
            raise DomainError(f"dim={self.dim!r}; give the number of coordinates of a point, time included")
        for name in ("residual", "exact", "sample"):
            given = getattr(self, name)
            if not callable(given) and (given is not None or name == "residual"):
                raise DomainError(f"{name}={given!r} is no function; see Problem for what it takes and returns")
        if self.geometry is None and self.sample is None:
            raise DomainError("this problem has no domain; give a DeepXDE geometry, or sample=(n, generator) -> points")
        if self.geometry is None and (callable(self.conditions) or len(self.conditions)):
            raise DomainError("conditions need a geometry with edges; give one, or build them into the network")
        if len(self.coordinates) not in (0, self.dim):
            names = list(self.coordinates)
            raise DomainError(f"coordinates={names} are {len(names)} names for dim={self.dim}; give one for each")

    @cached_property
    def domain(self) -> Any:
        """The DeepXDE geometry, None where points come from `sample` alone."""
        from surrogates.pinns.drawing import in_double

        if not callable(self.geometry):
            found = self.geometry
        else:
            with in_double():
                found = self.geometry()
        if found is not None and getattr(found, "dim", None) != self.dim:
            raise DomainError(f"the geometry has dim={getattr(found, 'dim', None)}, the problem dim={self.dim}")
        return found

    @cached_property
    def edges(self) -> dict[str, Condition]:
        """The conditions by name."""
        from surrogates.pinns.drawing import in_double

        if not callable(self.conditions):
            return named_conditions(self.conditions)
        with in_double():
            return named_conditions(self.conditions(self.domain))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        if self.coordinates:
            return tuple(self.coordinates)
        timed = hasattr(self.domain, "timedomain")
        space = self.dim - timed
        return (*(_LETTERS[:space] if space <= 3 else (f"x{k + 1}" for k in range(space))), *("t",) * timed)

    @property
    def time(self) -> int | None:
        """Which coordinate is the time, None without one."""
        if self.coordinates:
            return self.names.index("t") if "t" in self.coordinates else None
        return self.dim - 1 if hasattr(self.domain, "timedomain") else None

    def draw(self, n: int, seed: int, device: torch.device | str = "cpu") -> Float[Tensor, "n dim"]:
        """n points of the domain, a function of n and the seed only. Raises DomainError where `sample` gives others."""
        if self.sample is None:
            return draw(self.domain, n, seed).to(device)
        found: Any = self.sample(n, torch.Generator(device).manual_seed(seed))
        if not isinstance(found, Tensor) or tuple(found.shape) != (n, self.dim):
            given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise DomainError(f"sample(n={n}, generator) gave {given}; it must give a tensor ({n}, {self.dim})")
        return found

    def stream(self, *, points: int = 10_000, edge: int = 100, seed: int = 0) -> PointStream:
        """Training points for `fit`, fresh ones each step: batch_size inside, and `edge` on each condition.

        `points` is how many make an epoch: the history has a row for each.
        """
        return PointStream(self, points=points, edge=edge, seed=seed)

    def points(self, n: int = 1000, *, edge: int = 100, seed: int = 1) -> PointSet:
        """Fixed points, n inside and `edge` on each condition: to validate and evaluate on, or to train on."""
        return PointSet(self, self.draw(n, seed), edge=edge, seed=seed)


def without_functions(
    *, dim: int, coordinates: Sequence[str] = (), unknowns: Mapping[str, Any] | None = None
) -> Problem:
    """What a file holds of a problem made of a user's own functions: enough to predict, not to train."""

    def missing(*_: Any) -> Any:
        raise DomainError(
            "the file of this network does not hold its equation, which was made of its user's own functions; give it "
            "again: task.with_problem(problem)"
        )

    names = coordinates if len(coordinates) == dim else ()
    return Problem(dim, missing, sample=missing, coordinates=names, parameters=from_plain(unknowns or {}))
