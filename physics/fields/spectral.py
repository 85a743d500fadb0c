"""The Fourier modes that a periodic grid keeps, their derivatives, and the way to point values and back.

Products are formed on the points and are free of aliasing: for a nonlinear term of order p on n points the modes
|k| with (p + 1) |k| < n are kept, which is the 2/3 rule of quadratic terms (S. A. Orszag, On the Elimination of
Aliasing in Finite-Difference Schemes by Filtering High-Wavenumber Components, doi:10.1175/1520-0469(1971)028).
Only kept modes are stored and transformed: a 2-D quadratic problem carries 45 % of the full half spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid

T = TypeVar("T")


class Spectral:
    """Kept modes of real fields: u(x) = sum_k u_k exp(i k.x), k = 2 pi m / L, |m_j| <= limits_j.

    A spectrum has shape (..., *modes): along every axis but the last the modes 0, 1..K, -K..-1, along the last
    0..K, since a real field has u_-k = conj(u_k). u_0 is the mean, whatever the resolution.

    Args:
        grid: periodic along every axis.
        order: of the nonlinear term as a polynomial in the fields; 1 keeps every mode but Nyquist's.
        padded: keep every mode below Nyquist and form products on a finer grid instead; dearer, and the right
            choice for given values (a residual) rather than for a solution in the making.
        dtype, device: of point values.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        order: int = 2,
        padded: bool = False,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> None:
        if not all(grid.periodic):
            raise DomainError(
                f"a grid with periodic = {grid.periodic}; Fourier modes need every axis periodic, so use a solver "
                "with walls for this one"
            )
        if not dtype.is_floating_point:
            raise DomainError(f"values of {dtype}; give real floating-point numbers, float64 unless you mean otherwise")
        if order < 1:
            raise DomainError(f"a nonlinear term of order {order}; it must be at least 1")
        self.grid, self.order, self.dtype, self.device = grid, order, dtype, device
        if padded:
            self.limits = tuple((n - 1) // 2 for n in grid.shape)
            self.shape = tuple(_smooth((order + 1) * k + 1) for k in self.limits)
        else:
            self.limits = tuple((n - 1) // (order + 1) for n in grid.shape)
            self.shape = grid.shape
        if min(self.limits) < 1:
            raise DomainError(
                f"a grid of shape {grid.shape} for a nonlinear term of order {order}; a side needs at least "
                f"{order + 2} points"
            )
        self.modes = (*(2 * k + 1 for k in self.limits[:-1]), self.limits[-1] + 1)
        self.wavenumbers = tuple(self._wavenumber(axis) for axis in range(grid.dim))
        self.laplacian = torch.zeros(self.modes, dtype=dtype, device=device)
        for k in self.wavenumbers:
            self.laplacian -= k**2
        self._buffers: dict[tuple[int, ...], Tensor] = {}
        self._symbols: dict[object, Any] = {}

    @property
    def dim(self) -> int:
        """Number of axes of the grid."""
        return self.grid.dim

    @property
    def k_max(self) -> tuple[float, ...]:
        """Largest kept wavenumber along each axis, 2 pi K / L."""
        return tuple(2 * math.pi * k / length for k, length in zip(self.limits, self.grid.lengths, strict=True))

    def _wavenumber(self, axis: int) -> Tensor:
        limit = self.limits[axis]
        m = torch.arange(limit + 1, dtype=self.dtype, device=self.device)
        if axis < self.grid.dim - 1:
            m = torch.cat([m, torch.arange(-limit, 0, dtype=self.dtype, device=self.device)])
        shape = [1] * self.grid.dim
        shape[axis] = -1
        return (2 * math.pi / self.grid.lengths[axis] * m).reshape(shape)

    def once(self, symbol: Callable[[Spectral], T]) -> T:
        """symbol(self), formed on the first call only; name the function, as a fresh lambda is a fresh symbol."""
        if symbol not in self._symbols:
            self._symbols[symbol] = symbol(self)
        return self._symbols[symbol]

    def d(self, axis: int, times: int = 1) -> Tensor:
        """Symbol of the derivative along an axis, (i k)^times: real for an even number, else complex."""
        key = (axis, times)
        if key not in self._symbols:
            k = self.wavenumbers[axis] ** times * (-1) ** (times // 2)
            self._symbols[key] = k if times % 2 == 0 else 1j * k
        return self._symbols[key]

    @property
    def gradient(self) -> Tensor:
        """Symbols of the derivatives along every axis, (dim, *modes)."""
        return self.once(_gradient)

    @property
    def inverse_laplacian(self) -> Tensor:
        """-1/k^2, and 0 for the mean: the solution of Lap(psi) = f with zero mean."""
        return self.once(_inverse_laplacian)

    def values(self, spectrum: Tensor, shape: Sequence[int] | None = None) -> Tensor:
        """Point values (..., *shape) of spectra (..., *modes), on the product grid unless a shape is given."""
        shape = self.shape if shape is None else tuple(shape)
        for axis in range(self.dim - 1):
            spectrum = torch.fft.ifft(self._padded(spectrum, axis, shape[axis]), dim=axis - self.dim, norm="forward")
        return torch.fft.irfft(spectrum, n=shape[-1], dim=-1, norm="forward")

    def spectrum(self, values: Tensor) -> Tensor:
        """Kept modes (..., *modes) of point values (..., *any finer shape)."""
        out = torch.fft.rfft(values, dim=-1, norm="forward")[..., : self.limits[-1] + 1]
        for axis in range(self.dim - 1):
            at, limit = axis - self.dim, self.limits[axis]
            out = torch.fft.fft(out, dim=at, norm="forward")
            out = torch.cat([out.narrow(at, 0, limit + 1), out.narrow(at, out.shape[at] - limit, limit)], dim=at)
        return out.contiguous()

    def _padded(self, spectrum: Tensor, axis: int, size: int) -> Tensor:
        """Zeros between the positive and the negative modes of one axis, up to `size`."""
        at, limit = axis - self.dim, self.limits[axis]
        shape = list(spectrum.shape)
        shape[at] = size
        key = (axis, *shape)
        tracked = torch.is_grad_enabled() and spectrum.requires_grad
        out = None if tracked else self._buffers.get(key)
        if out is None or out.dtype != spectrum.dtype:
            out = spectrum.new_zeros(shape)
            if not tracked:
                self._buffers = {**self._buffers, key: out} if len(self._buffers) < 8 else {key: out}
        out.narrow(at, 0, limit + 1).copy_(spectrum.narrow(at, 0, limit + 1))
        out.narrow(at, size - limit, limit).copy_(spectrum.narrow(at, limit + 1, limit))
        return out


def _gradient(k: Spectral) -> Tensor:
    return torch.stack([k.d(axis).expand(k.modes) for axis in range(k.dim)])


def _inverse_laplacian(k: Spectral) -> Tensor:
    nothing = k.laplacian == 0
    return torch.where(nothing, 0.0, 1.0 / torch.where(nothing, 1.0, k.laplacian))


def _smooth(n: int) -> int:
    """The least number >= n with no prime factor above 5, which transforms fast."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1
