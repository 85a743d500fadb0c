"""Sums of many mixed partials, all of them or a draw, by univariate jets.

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088), whose mixed partials come from jets of order up to 14;
here each is polarised into jets of its own order (`surrogates.derivatives.polarisation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from surrogates.derivatives.directions import SparseDirections
from surrogates.derivatives.polarisation import HIGHEST, Direction, Polarisation, polarise
from surrogates.derivatives.scheme import Scheme
from surrogates.derivatives.stde import Dense, Sparse, distinct
from surrogates.physics.errors import DomainError

SHARED = 300
"""Partials up to which directions are shared among them."""


@dataclass(frozen=True, eq=False)
class PartialSum:
    """sum over n of c_n d^(axes_n) u for partials of one order, such as d_i^2 d_j for many i.

    Args:
        partials: axes of each, (0, 0, 1) is u_001. coefficients: a number or (partials,).
    """

    partials: Sequence[Sequence[int]]
    coefficients: Tensor | float | int = 1.0

    def __post_init__(self) -> None:
        orders = {len(axes) for axes in self.partials}
        if len(orders) != 1 or not orders <= set(range(1, HIGHEST + 1)):
            raise DomainError(
                f"partials of orders {sorted(orders)} were given; sum those of one order, 1 to {HIGHEST}, at a time"
            )

    @property
    def order(self) -> int:
        return len(self.partials[0])

    def count(self, x: Tensor) -> int:
        return sum(len(one.directions) for one in self._all())

    def exact(self, x: Tensor) -> Scheme:
        c, directions, weights, done = self._coefficients(x), list[Direction](), [], 0
        for one in self._all():
            some = c[done : done + len(one.wanted)]
            directions += one.directions
            weights.append(_matrix(one.coefficients, len(one.directions), x).T @ some)
            done += len(one.wanted)
        return Scheme(packed(directions, x), torch.cat(weights), self.order)

    def sparse(self, x: Tensor, how: Sparse) -> Scheme:
        """Some of the partials, each with directions of its own."""
        some = distinct(how, len(self.partials)).tolist()
        scale, c = len(self.partials) / len(some), self._coefficients(x)
        alone = [_alone(self.partials[n]) for n in some]
        most = max(len(one.directions) for one in alone)
        directions, weights = list[Direction](), []
        for n, one in zip(some, alone, strict=True):
            missing = most - len(one.directions)  # groups of one size, the rest at weight zero
            directions += [*one.directions, *[one.directions[0]] * missing]
            weights.append(_matrix(one.coefficients, most, x)[0] * c[n] * scale)
        return Scheme(packed(directions, x), torch.cat(weights), self.order, len(some), len(self.partials))

    def dense(self, x: Tensor, how: Dense) -> Scheme:
        raise DomainError("a list of partials has no dense estimate; use Sparse(samples=...)")

    def drawn(self, samples: int) -> int:
        return samples * len(_alone(max(self.partials, key=lambda axes: len(set(axes)))).directions)

    def _all(self) -> list[Polarisation]:
        """Together, where looking for shared directions is worth the while."""
        return [polarise(self.partials)] if len(self.partials) <= SHARED else [_alone(axes) for axes in self.partials]

    def _coefficients(self, x: Tensor) -> Tensor:
        c = torch.as_tensor(self.coefficients, dtype=x.dtype, device=x.device)
        if c.shape not in ((), (len(self.partials),)):
            raise DomainError(
                f"coefficients of shape {tuple(c.shape)} for {len(self.partials)} partials; give one each"
            )
        return c.expand(len(self.partials))


def packed(directions: Sequence[Sequence[tuple[int, int]]], x: Tensor) -> SparseDirections:
    """(axis, value) pairs as tensors; a shorter direction is filled up with zeros at other axes."""
    width = min(max(len(v) for v in directions), x.shape[-1])
    highest = max(axis for v in directions for axis, _ in v)
    if highest >= x.shape[-1]:
        raise DomainError(f"axis {highest} was asked for and x has {x.shape[-1]} coordinates; count them from 0")
    indices, values = [], []
    for v in directions:
        used = {axis for axis, _ in v}
        spare = (axis for axis in range(x.shape[-1]) if axis not in used)
        fill = [(next(spare), 0) for _ in range(width - len(v))]
        indices.append([axis for axis, _ in (*v, *fill)])
        values.append([value for _, value in (*v, *fill)])
    return SparseDirections(
        torch.tensor(indices, device=x.device), torch.tensor(values, dtype=x.dtype, device=x.device)
    )


def _alone(axes: Sequence[int]) -> Polarisation:
    """One partial, by what is known for the same powers of axes 0, 1, ..."""
    own = sorted(set(axes))
    pattern = polarise([[own.index(axis) for axis in axes]])
    directions = tuple(tuple((own[i], value) for i, value in v) for v in pattern.directions)
    return replace(pattern, wanted=(tuple(axes),), directions=directions)


def _matrix(coefficients: Sequence[dict[int, Fraction]], width: int, x: Tensor) -> Tensor:
    rows = [[float(combination.get(j, 0)) for j in range(width)] for combination in coefficients]
    return torch.tensor(rows, dtype=x.dtype, device=x.device)
