"""Operators between fields with one fault each, the faults that real codes have: every law must catch its own.

Each wraps an honest operator on the unit periodic box, adds something small to its answer, and says in `breaks` which
laws that must break; it obeys all others. What they add is made of derivatives of the answer, so that it keeps the mean
and acts locally. `Diffusion` is an honest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError

SMALL = 1e-4
Symbol = Callable[[list[Tensor]], Tensor]


class Diffusion(nn.Module):
    """The exact solution of u_t = nu Laplacian u after `time` on the unit periodic box, for every channel.

    With `masked` a further input channel is the mask, and what stands outside it is taken as zero.
    """

    def __init__(self, *, spread: float = 1e-3, channels: int = 1, masked: bool = False) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.n_parameters = channels + masked, channels, 0
        self.arguments = {"spread": spread, "channels": channels, "masked": masked}
        self.spread, self.masked = spread, masked

    def forward(self, values: Float[Tensor, "batch in_channels *space"], parameters: Any = None) -> Tensor:
        if values.shape[1] != self.in_channels:
            raise DomainError(f"{values.shape[1]} channels were given; this one takes {self.in_channels}")
        fields = values[:, :-1] * values[:, -1:] if self.masked else values
        return multiplied(fields, lambda k: torch.exp(-self.spread * _square(k)).to(torch.complex128))


class _Wrapper(nn.Module):
    def __init__(self, operator: nn.Module) -> None:
        super().__init__()
        self.operator = operator
        self.in_channels, self.out_channels, self.n_parameters = (
            getattr(operator, name) for name in ("in_channels", "out_channels", "n_parameters")
        )
        self.arguments = {"operator": operator}


class SeesPosition(_Wrapper):
    """Diffuses more in the middle of the box."""

    breaks = frozenset({"translation"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        middle, found = _middle(answer), torch.zeros_like(answer)
        for axis in range(answer.ndim - 2):
            found = found + derivative(middle * derivative(answer, axis), axis)
        return answer + SMALL * found


class PreferredAxis(_Wrapper):
    """Diffuses more along the first axis."""

    breaks = frozenset({"rotation"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + SMALL * multiplied(answer, lambda k: -k[0].square() + 0j)


class Handed(_Wrapper):
    """Tells left from right: adds d_x d_y (d_x^2 - d_y^2) of the answer, which turns with space but has no mirror."""

    breaks = frozenset({"reflection"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + SMALL**2 * multiplied(answer, lambda k: k[0] * k[1] * (k[0] ** 2 - k[1] ** 2) + 0j)


class Leaky(_Wrapper):
    """Loses one part in a thousand."""

    breaks = frozenset({"conservation"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters) * 0.999
        return answer


class GridUnits(_Wrapper):
    """Smooths by neighbouring points, however far apart they are."""

    breaks = frozenset({"resolution"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        found = answer
        for axis in range(2, answer.ndim):
            found = found + 0.2 * (answer.roll(1, axis) + answer.roll(-1, axis) - 2 * answer)
        return found


class BatchStatistics(_Wrapper):
    """Lets samples see the mean of their batch, as a batch norm left in training mode does."""

    breaks = frozenset({"batch = one by one"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + SMALL * laplacian(answer.mean(0, keepdim=True))


class Squares(_Wrapper):
    """Is a little nonlinear; of scalars, since the square of a component is none."""

    breaks = frozenset({"linearity"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + SMALL * laplacian(answer.square())


class FarReaching(_Wrapper):
    """Feels what happens half a box away, at once."""

    breaks = frozenset({"causality"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        half = [n // 2 for n in answer.shape[2:]]
        return answer + 0.1 * (answer.roll(half, list(range(2, answer.ndim))) - answer)


class LooksOutside(_Wrapper):
    """Reads its input where the mask says that there is nothing."""

    breaks = frozenset({"mask"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        if values.shape[1] == answer.shape[1]:
            return answer
        everywhere = torch.cat([values[:, :-1], torch.ones_like(values[:, -1:])], dim=1)
        return answer + 0.1 * (self.operator(everywhere, parameters) - answer)


class Forgetful(_Wrapper):
    """Keeps a number that decides the answer out of its state: set `extra` to something."""

    breaks = frozenset({"saved = loaded"})

    def __init__(self, operator: nn.Module) -> None:
        super().__init__(operator)
        self.extra = 0.0

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + self.extra * laplacian(answer)


class Remembers(_Wrapper):
    """Answers otherwise when it has just been asked the same, as a recurrent state that nobody resets."""

    breaks = frozenset({"determinism"})

    def __init__(self, operator: nn.Module) -> None:
        super().__init__(operator)
        self.last: Tensor | None = None

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        same = self.last is not None and self.last.shape == values.shape and torch.equal(self.last, values)
        self.last = None if same else values.clone()
        return answer + SMALL * laplacian(answer) if same else answer


class WrongRate(_Wrapper):
    """Diffuses too fast by a tenth of a spread of 1e-3: a field like any other, and no solution."""

    breaks = frozenset({"PDE residual"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return multiplied(answer, lambda k: torch.exp(-SMALL * _square(k)).to(torch.complex128))


class ForgetsComponents(_Wrapper):
    """Couples the components of a vector as if they were two unrelated numbers; for vectors in two dimensions."""

    breaks = frozenset({"rotation", "reflection"})

    def forward(self, values: Tensor, parameters: Any = None) -> Tensor:
        answer: Tensor = self.operator(values, parameters)
        return answer + SMALL * laplacian(answer.flip(1))


SABOTEURS: tuple[Any, ...] = (
    SeesPosition,
    PreferredAxis,
    Handed,
    Leaky,
    GridUnits,
    BatchStatistics,
    Squares,
    FarReaching,
    LooksOutside,
    Forgetful,
    Remembers,
    WrongRate,
    ForgetsComponents,
)


def derivative(values: Tensor, axis: int) -> Tensor:
    """Along an axis of the unit periodic box."""
    return multiplied(values, lambda k: 1j * k[axis])


def laplacian(values: Tensor) -> Tensor:
    """Of fields on the unit periodic box."""
    return multiplied(values, lambda k: -_square(k) + 0j)


def multiplied(values: Tensor, symbol: Symbol) -> Tensor:
    """Fields with their Fourier coefficients times symbol([k_1, ...]), k in radians; Nyquist's frequency is dropped."""
    space = values.shape[2:]
    k, keep = wavenumbers(space, values)
    axes = list(range(2, values.ndim))
    spectrum = torch.fft.fftn(values, dim=axes) * symbol(k) * keep
    return torch.fft.ifftn(spectrum, dim=axes).real.to(values.dtype)


def wavenumbers(space: Sequence[int], like: Tensor) -> tuple[list[Tensor], Tensor]:
    """2 pi times the frequencies along each axis, broadcast against each other, and which are below Nyquist's."""
    axes = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64, device=like.device) for n in space]
    grids = torch.meshgrid(*axes, indexing="ij")
    keep = torch.stack([g.abs() < n / 2 for g, n in zip(grids, space, strict=True)]).all(0)
    return [2 * math.pi * g for g in grids], keep


def _square(k: list[Tensor]) -> Tensor:
    return torch.stack(k).square().sum(0)


def _middle(values: Tensor) -> Tensor:
    """A wave along each axis, highest in the middle of the array, multiplied."""
    found = values.new_ones(values.shape[2:])
    for axis, n in enumerate(values.shape[2:]):
        x = (torch.arange(n, dtype=values.dtype, device=values.device) - (n - 1) / 2) / n
        shape = [1] * (values.ndim - 2)
        shape[axis] = n
        found = found * (1 + torch.cos(2 * math.pi * x)).view(shape)
    return found
