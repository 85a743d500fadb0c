"""What is drawn for each sample: random fields and numbers, the same whatever the grid, the batch or the process.

Samples are drawn in groups of `GROUP`, each from its own seed; so sample 100 of a seed starts from the same function on
any grid that resolves it, in a set of any size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.generators.jobs import derived_seed
from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.random_field import gaussian_random_field

GROUP = 64  # samples drawn together


@dataclass(frozen=True)
class Range:
    """Numbers drawn for each sample: uniformly from `low` to `high`, in their logarithm where `log`."""

    low: float | int
    high: float | int
    log: bool = False

    def __post_init__(self) -> None:
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.low > self.high or (self.log and self.low <= 0):
            raise DomainError(
                f"the range from {self.low} to {self.high}; the first number must not exceed the second"
                f"{', and both be positive' if self.log else ''}"
            )

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """`count` numbers."""
        if self.log:
            return np.exp(random.uniform(math.log(self.low), math.log(self.high), count))
        return random.uniform(self.low, self.high, count)


@dataclass(frozen=True)
class GaussianField:
    """Random initial states sigma (-Laplace + tau^2)^(-alpha/2) applied to white noise, see `gaussian_random_field`.

    Args:
        alpha: decay of the spectrum. tau: inverse correlation length. sigma: scale; None for tau^(alpha - d/2).
        mean: of every field.
    """

    alpha: float | int = 2.5
    tau: float | int = 7.0
    sigma: float | int | None = None
    mean: float | int = 0.0

    def __call__(self, grid: Grid, samples: int, generator: torch.Generator) -> Tensor:
        """(samples, *space)."""
        return gaussian_random_field(
            grid, samples, alpha=self.alpha, tau=self.tau, sigma=self.sigma, mean=self.mean, generator=generator
        )


Number = float | int | tuple[float | int, float | int] | Range
"""One number for all samples, or (low, high) or a Range to draw each sample's from."""
Times = Sequence[float | int] | np.ndarray
"""Of the frames, rising."""


def as_range(name: str, given: Any) -> float | Range:
    """A number or a range from what a user gives. Raises DomainError."""
    if isinstance(given, Range):
        return given
    if isinstance(given, tuple | list) and len(given) == 2:
        return Range(float(given[0]), float(given[1]))
    if isinstance(given, Mapping):
        return Range(**given)
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DomainError(f"{name}={given!r}; give a number, a pair (low, high), or Range(low, high, log=True)")
    return number


def positive(name: str, given: Number) -> Number:
    """What was given, where it cannot be negative. Raises DomainError: diffusion run backwards has no solution."""
    found = as_range(name, given)
    if (found.low if isinstance(found, Range) else found) < 0:
        raise DomainError(f"{name}={given!r} is negative, which no solution follows for long; give 0 or more")
    return given


def plain_number(number: float | Range) -> Any:
    """As JSON."""
    return {"low": number.low, "high": number.high, "log": number.log} if isinstance(number, Range) else number


def draw_numbers(wanted: Mapping[str, float | Range], seed: int, rows: range) -> dict[str, np.ndarray]:
    """Each sample's parameters, (rows,) by name."""
    return {name: _numbers(name, given, seed, rows) for name, given in wanted.items()}


def generator_of(name: str, seed: int, group: int) -> torch.Generator:
    """The random numbers of one group of samples for one purpose."""
    return torch.Generator().manual_seed(derived_seed(seed, f"{name} {group}") >> 1)


def groups_of(rows: range) -> list[tuple[int, slice]]:
    """Groups that the rows lie in, and which of each group's samples they are."""
    found = []
    for group in range(rows.start // GROUP, (rows.stop - 1) // GROUP + 1):
        first = group * GROUP
        found.append((group, slice(max(rows.start - first, 0), min(rows.stop - first, GROUP))))
    return found


def _numbers(name: str, given: float | Range, seed: int, rows: range) -> np.ndarray:
    if not isinstance(given, Range):
        return np.full(len(rows), float(given))
    parts = []
    for group, part in groups_of(rows):
        random = np.random.default_rng(derived_seed(seed, f"parameter {name} {group}"))
        parts.append(given.draw(random, GROUP)[part])
    return np.concatenate(parts)
