"""Linear differential operators and the directions that make them, all of them or a draw.

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088), sections on sparse and dense estimates.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.derivatives.directions import SparseDirections
from surrogates.derivatives.scheme import Scheme
from surrogates.derivatives.stde import Dense, Sparse, distinct, distinct_pairs, draw, law_of
from surrogates.physics.errors import DomainError

MOST = 1 << 24
"""Directions that an exact operator may have."""


@runtime_checkable
class Differential(Protocol):
    """An operator L of order `order`: L u(x) = sum over v of w_v D_order(v)."""

    @property
    def order(self) -> int: ...

    def count(self, x: Tensor) -> int:
        """Directions of `exact`."""
        ...

    def exact(self, x: Tensor) -> Scheme: ...

    def sparse(self, x: Tensor, how: Sparse) -> Scheme: ...

    def dense(self, x: Tensor, how: Dense) -> Scheme:
        """Raises DomainError where no such estimate is without bias."""
        ...

    def drawn(self, samples: int) -> int:
        """Directions of a sparse estimate."""
        ...


@dataclass(frozen=True, eq=False)
class Diagonal:
    """sum over i of c_i d_i^order u.

    Args:
        coefficients: c, a number, (d,) or (batch, d), indexed by coordinate of x whatever `axes` are.
        axes: the coordinates i; None for all.
    """

    order: int = 2
    coefficients: Tensor | float | int = 1.0
    axes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        _check_axes(self.axes)
        if not isinstance(self.coefficients, Tensor | float | int):
            object.__setattr__(self, "coefficients", torch.as_tensor(self.coefficients))

    def count(self, x: Tensor) -> int:
        return 1 if self.order == 1 else _size(self.axes, x)

    def partials(self, x: Tensor) -> list[tuple[int, ...]]:
        """The axes of each term."""
        return [(axis,) * self.order for axis in numbered_axes(self.axes, x)]

    def exact(self, x: Tensor) -> Scheme:
        if self.order == 1:
            return self._gradient(x)
        axes = named_axes(self.axes, x)
        return Scheme(_units(axes, x), self._weights(axes, x), self.order)

    def sparse(self, x: Tensor, how: Sparse) -> Scheme:
        if self.order == 1:
            return self._gradient(x)
        axes = named_axes(self.axes, x)
        some = axes[distinct(how, len(axes)).to(axes.device)]
        weights = self._weights(some, x) * (len(axes) / len(some))
        return Scheme(_units(some, x), weights, self.order, len(some), len(axes))

    def dense(self, x: Tensor, how: Dense) -> Scheme:
        if self.order == 1:
            return self._gradient(x)
        law = law_of(how)
        if self.order == 3 and not law.third:
            raise DomainError(
                f'the law "{how.law}" has no third moment, so it estimates no third derivative; use '
                'Dense(law="mammen") or Sparse(samples=...)'
            )
        if self.order > 3:
            raise DomainError(
                f"no random vector estimates sum_i d_i^{self.order} without bias: independent entries bring in "
                "partials of several coordinates; use Sparse(samples=...)"
            )
        v = draw(how, how.samples, None if self.axes is None else named_axes(self.axes, x), x)
        if not isinstance(self.coefficients, Tensor):
            scale = torch.full((how.samples,), self.coefficients / how.samples, dtype=x.dtype, device=x.device)
            return Scheme(v, scale, self.order, how.samples)
        # E[D_2(v, c v)] and E[D_3(v, v, c v)], polarised; the scale of c is split off, which changes no value
        c = _coefficients(self.coefficients, x)
        size = c.detach().abs().mean().clamp_min(torch.finfo(x.dtype).tiny)
        v = v.unsqueeze(1) if c.ndim == 2 else v
        w = v * (c / size)
        forms = [(v + w, 1 / 4), (v - w, -1 / 4)] if self.order == 2 else [(v + w, 1 / 6), (v - w, -1 / 6), (w, -1 / 3)]
        directions = torch.stack([direction for direction, _ in forms], 1).flatten(0, 1)
        weights = v.new_tensor([weight for _, weight in forms]).repeat(how.samples) * (size / how.samples)
        return Scheme(directions, weights, self.order, how.samples)

    def drawn(self, samples: int) -> int:
        return 1 if self.order == 1 else samples

    def _gradient(self, x: Tensor) -> Scheme:
        """Order 1 is one derivative along c."""
        c = _coefficients(self.coefficients, x)
        if self.axes is not None:
            axes = named_axes(self.axes, x)
            c = torch.zeros_like(c).index_copy(-1, axes, c[..., axes])
        return Scheme(c.unsqueeze(0), x.new_ones(1), 1)

    def _weights(self, axes: Tensor, x: Tensor) -> Tensor:
        """(V,) or (V, batch)."""
        if not isinstance(self.coefficients, Tensor) or self.coefficients.ndim == 0:
            return x.new_ones(len(axes)) * self.coefficients
        c = _coefficients(self.coefficients, x)[..., axes]
        return c.T if c.ndim == 2 else c


@dataclass(frozen=True, eq=False)
class Biharmonic:
    """sum over i, j of d_i^2 d_j^2 u, by (1/6) sum over i < j of D_4(e_i + e_j) + D_4(e_i - e_j) and units."""

    axes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        _check_axes(self.axes)

    @property
    def order(self) -> int:
        return 4

    def count(self, x: Tensor) -> int:
        return _size(self.axes, x) ** 2

    def exact(self, x: Tensor) -> Scheme:
        axes = named_axes(self.axes, x)
        size = len(axes)
        if size**2 > MOST:
            raise DomainError(
                f"the exact biharmonic of {size} coordinates needs {size**2} directions, and {MOST} are allowed; use "
                'Dense(law="sphere") or Sparse()'
            )
        pairs = axes[torch.triu_indices(size, size, 1, device=axes.device).T]
        scheme = _pairs_and_units(pairs, axes, x)
        weights = [x.new_full((2 * len(pairs),), 1 / 6), x.new_full((size,), (4 - size) / 3)]
        return Scheme(scheme, torch.cat(weights), 4)

    def sparse(self, x: Tensor, how: Sparse) -> Scheme:
        """Pairs i < j: d(d-1) u_iijj + (d/2) (u_iiii + u_jjjj) has the operator as its mean over all of them."""
        axes = named_axes(self.axes, x)
        size = len(axes)
        if size == 1:
            return self.exact(x)
        pairs = axes[distinct_pairs(how, size).to(axes.device)]
        count, of = len(pairs), size * (size - 1) // 2
        both, unit = size * (size - 1) / 12, size / 2 - size * (size - 1) / 6
        directions = _pairs_and_units(pairs, pairs.T.flatten(), x)
        order = (
            torch.arange(4 * count, device=x.device).view(4, count).T.flatten()
        )  # a sample's four next to each other
        directions = SparseDirections(directions.indices[order], directions.values[order])
        weights = x.new_tensor([both, both, unit, unit]).repeat(count) / count
        return Scheme(directions, weights, 4, count, of)

    def dense(self, x: Tensor, how: Dense) -> Scheme:
        """E[D_4(v)] = 3 f Lap^2 u + excess sum_i d_i^4 u; the second term is drawn from unit vectors and taken off."""
        law, size = law_of(how), _size(self.axes, x)
        axes = None if self.axes is None else named_axes(self.axes, x)
        v, scale = draw(how, how.samples, axes, x), 1 / (3 * law.fourth(size))
        weights = x.new_full((len(v),), scale / len(v))
        if not law.excess:
            return Scheme(v, weights, 4, len(v))
        where = torch.randint(size, (how.samples,), generator=how.generator, device=x.device)
        units = torch.nn.functional.one_hot(where if axes is None else axes[where], x.shape[-1]).to(x)
        both = torch.stack([v, units], 1).flatten(0, 1)
        taken = torch.stack([weights, -law.excess * size * weights], 1).flatten()
        return Scheme(both, taken, 4, len(v))

    def drawn(self, samples: int) -> int:
        return 4 * samples


@dataclass(frozen=True, eq=False)
class SecondOrder:
    """trace(S S^T Hess u), S the factor, (d, r) or (batch, d, r): a diffusion with volatility S is half of it."""

    factor: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.factor, Tensor):
            raise DomainError(f"factor is a {type(self.factor).__name__}; give a tensor (d, r) or (batch, d, r)")

    @property
    def order(self) -> int:
        return 2

    def count(self, x: Tensor) -> int:
        return self.factor.shape[-1]

    def exact(self, x: Tensor) -> Scheme:
        columns = self._columns(x)
        return Scheme(columns, x.new_ones(len(columns)), 2)

    def sparse(self, x: Tensor, how: Sparse) -> Scheme:
        columns = self._columns(x)
        some = distinct(how, len(columns)).to(x.device)
        weights = x.new_full((len(some),), len(columns) / len(some))
        return Scheme(columns[some], weights, 2, len(some), len(columns))

    def dense(self, x: Tensor, how: Dense) -> Scheme:
        columns = self._columns(x)
        law_of(how)
        v = draw(how, how.samples, None, columns.new_zeros(1, len(columns)))
        directions = torch.tensordot(v, columns, dims=1)
        return Scheme(directions, x.new_full((how.samples,), 1 / how.samples), 2, how.samples)

    def drawn(self, samples: int) -> int:
        return samples

    def _columns(self, x: Tensor) -> Float[Tensor, "r ... d"]:
        factor = self.factor.to(x)
        if factor.ndim not in (2, 3) or factor.shape[-2] != x.shape[-1] or factor.shape[:-2] not in ((), x.shape[:1]):
            raise DomainError(
                f"a factor of shape {tuple(factor.shape)} was given for x of {tuple(x.shape)}; give "
                f"({x.shape[-1]}, r) or ({x.shape[0]}, {x.shape[-1]}, r)"
            )
        return factor.movedim(-1, 0)


def _size(axes: Sequence[int] | None, x: Tensor) -> int:
    return x.shape[-1] if axes is None else len(axes)


def _check_axes(axes: Any) -> None:
    try:
        _ = axes is None or [operator.index(axis) for axis in axes]
    except TypeError:
        raise DomainError(f"axes are {axes!r}; give a sequence of whole numbers, or None for all") from None


def named_axes(axes: Sequence[int] | None, x: Tensor) -> Tensor:
    """Coordinates by number, all when None. Raises DomainError for one that x lacks, or twice the same."""
    if axes is None:
        return torch.arange(x.shape[-1], device=x.device)
    return torch.tensor(numbered_axes(axes, x), device=x.device)


def numbered_axes(axes: Sequence[int] | None, x: Tensor) -> list[int]:
    """The same as whole numbers from 0."""
    d = x.shape[-1]
    if axes is None:
        return list(range(d))
    named = [axis + d if axis < 0 else axis for axis in axes]
    if not named or len(set(named)) != len(named) or not all(0 <= axis < d for axis in named):
        raise DomainError(f"axes {list(axes)} were given for x with {d} coordinates; name some of them, each once")
    return named


def _units(axes: Tensor, x: Tensor) -> SparseDirections:
    return SparseDirections(axes.unsqueeze(1), x.new_ones(len(axes), 1))


def _pairs_and_units(pairs: Tensor, units: Tensor, x: Tensor) -> SparseDirections:
    """e_i + e_j of all pairs, then e_i - e_j, then unit vectors."""
    if x.shape[-1] == 1:
        return _units(units, x)
    plus, unit = x.new_ones(len(pairs), 2), x.new_ones(len(units), 2)
    other = torch.where(units == 0, 1, 0)
    indices = torch.cat([pairs, pairs, torch.stack([units, other], 1)])
    values = torch.cat([plus, plus * plus.new_tensor([1, -1]), unit * unit.new_tensor([1, 0])])
    return SparseDirections(indices, values)


def _coefficients(c: Tensor | float | int, x: Tensor) -> Tensor:
    """(d,) or (batch, d)."""
    c = torch.as_tensor(c, dtype=x.dtype, device=x.device)
    if c.ndim == 0:
        return c.expand(x.shape[-1])
    if c.shape not in ((x.shape[-1],), tuple(x.shape)):
        raise DomainError(
            f"coefficients of shape {tuple(c.shape)} were given for x of {tuple(x.shape)}; give a number, "
            f"({x.shape[-1]},) or {tuple(x.shape)}"
        )
    return c
