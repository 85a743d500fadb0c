"""A partial differential equation on a periodic box, u_t = L u + N(u), as a user writes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.spectral import Spectral

Parameters = Mapping[str, Tensor]
Quantity = Callable[[Tensor, Grid], Tensor]


@dataclass(frozen=True)
class Equation:
    """u_t = L u + N(u) + forcing for one or more fields on a periodic box of 1 to 3 dimensions.

    L is diagonal in Fourier space and N is formed on the points, so that an equation is two short functions. The
    viscous Burgers equation, u_t = nu u_xx - (u^2 / 2)_x, is

        Equation(
            "burgers", dim=1, fields=("u",), parameters=("nu",),
            linear=lambda k, p: p["nu"] * k.laplacian,
            nonlinear=lambda k, u, p: -0.5 * k.d(0) * k.spectrum(k.values(u) ** 2),
        )

    where `k` is a `Spectral`: `k.d(axis)` and `k.laplacian` are derivatives, `k.values(spectrum)` goes to points and
    `k.spectrum(values)` back. `u` is (samples, components, *modes); `p[name]` broadcasts against it.

    Args:
        name: of the equation.
        dim: of space.
        fields: names, or name -> tensor rank (0 scalar, 1 vector, ...): a field of rank r has dim^r components, which
            lie behind one another along the components axis.
        linear: (k, p) -> symbol of L, broadcast to (samples, components, *modes), or a tuple with one symbol
            (samples or 1, 1, *modes) or (*modes) for each component. Complex where it holds odd derivatives.
        nonlinear: (k, u, p) -> spectrum of N(u), a new tensor; None for a linear equation, which is solved exactly.
        parameters: names of the numbers that a solve must give, one for all samples or one for each.
        order: of N as a polynomial in the fields, which sets the modes kept free of aliasing.
        conserved: name -> quantity (values (samples, components, *space), grid) -> (samples,) that the unforced
            equation keeps exactly.
        speed: (k, u, p) -> (samples, dim, *points), the speed at which N carries the fields, for the CFL limit.
    """

    name: str
    dim: int
    fields: Mapping[str, int] | Sequence[str]
    linear: Callable[[Spectral, Parameters], Tensor | tuple[Tensor, ...]]
    nonlinear: Callable[[Spectral, Tensor, Parameters], Tensor] | None = None
    parameters: tuple[str, ...] = ()
    order: int = 2
    conserved: Mapping[str, Quantity] = field(default_factory=dict)
    speed: Callable[[Spectral, Tensor, Parameters], Tensor] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 3:
            raise DomainError(f"{self.name} in {self.dim} dimensions; an equation has 1, 2 or 3")
        if isinstance(self.fields, str) or not self.fields:
            raise DomainError(f'{self.name} with fields {self.fields!r}; give their names, for example ("u",)')
        if isinstance(self.parameters, str):
            raise DomainError(f'{self.name} with parameters {self.parameters!r}; give a tuple, ("{self.parameters}",)')

    @property
    def ranks(self) -> dict[str, int]:
        """Tensor rank of each field."""
        return dict(self.fields) if isinstance(self.fields, Mapping) else dict.fromkeys(self.fields, 0)

    @property
    def components(self) -> int:
        """Number of scalar components of all fields together."""
        return sum(self.dim**rank for rank in self.ranks.values())

    def modes(self, grid: Grid, dtype: torch.dtype, device: torch.device, *, padded: bool = False) -> Spectral:
        """The Fourier modes in which this equation is solved on a grid; a linear one keeps all below Nyquist's."""
        if grid.dim != self.dim:
            raise DomainError(f"{self.name} has {self.dim} dimensions, the grid {grid.shape} has {grid.dim}")
        order = 1 if self.nonlinear is None else self.order
        return Spectral(grid, order=order, padded=padded, dtype=dtype, device=device)

    def symbol(self, k: Spectral, p: Parameters) -> Tensor:
        """L as (samples or 1, components or 1, *modes)."""
        symbol = self.linear(k, p)
        if isinstance(symbol, tuple):
            if len(symbol) != self.components:
                raise DomainError(
                    f"{self.name}: `linear` returns {len(symbol)} symbols for {self.components} components; "
                    "return one for each, or one tensor for all"
                )
            each = [self._shaped(part, k) for part in symbol]
            samples = max(part.shape[0] for part in each)
            symbol = torch.cat([part.expand(samples, 1, *k.modes) for part in each], dim=1)
        out = self._shaped(symbol, k)
        if not bool(torch.isfinite(torch.view_as_real(out) if out.is_complex() else out).all()):
            raise DomainError(f"{self.name}: `linear` is not finite at every mode; check the parameters")
        return out

    def _shaped(self, symbol: Tensor, k: Spectral) -> Tensor:
        symbol = torch.as_tensor(symbol, device=k.device)
        while symbol.dim() < self.dim + 2:
            symbol = symbol[None]
        return symbol.expand(*symbol.shape[:2], *k.modes)

    def right_hand_side(self, k: Spectral, p: Parameters) -> Callable[[Tensor], Tensor]:
        """u -> L u + N(u), spectra to spectra."""
        symbol = self.symbol(k, p)
        if self.nonlinear is None:
            return lambda u: symbol * u
        nonlinear = self.nonlinear
        return lambda u: symbol * u + nonlinear(k, u, p)

    def numbers(
        self, given: Mapping[str, float | int | Tensor] | None, samples: int, like: Tensor
    ) -> dict[str, Tensor]:
        """The parameters as tensors (samples or 1, 1, 1, ...) that broadcast against spectra and values.

        Raises:
            DomainError: a name missing or unknown, a wrong number of values, or one that is not finite.
        """
        given = dict(given or {})
        if set(given) != set(self.parameters):
            raise DomainError(
                f"{self.name} given the parameters {sorted(given)}; it needs exactly {sorted(self.parameters)}"
            )
        out = {}
        for name, value in given.items():
            number = torch.as_tensor(value, dtype=like.dtype, device=like.device)
            if number.dim() > 1 or (number.dim() == 1 and len(number) not in (1, samples)):
                raise DomainError(
                    f"{self.name}: parameter {name} of shape {tuple(number.shape)} for {samples} samples; "
                    "give one number, or one for each sample"
                )
            if not bool(torch.isfinite(number).all()):
                raise DomainError(f"{self.name}: parameter {name} is not finite; give a number for every sample")
            out[name] = number.reshape(-1, *[1] * (self.dim + 1))
        return out


def advective_limit(equation: Equation, k: Spectral, u: Tensor, p: Parameters) -> Tensor | None:
    """Largest dt (samples,) at which four stages carry every kept mode: 2 sqrt(2) / max over points of sum |c_j| k_j.

    2 sqrt(2) is where the fourth-order Runge-Kutta method leaves the imaginary axis. None without a `speed`.
    """
    if equation.speed is None:
        return None
    speed = equation.speed(k, u, p).abs()
    k_max = torch.as_tensor(k.k_max, dtype=speed.dtype, device=speed.device).reshape(1, -1, *[1] * k.dim)
    fastest = (speed * k_max).sum(1).flatten(1).amax(1)
    return 2 * math.sqrt(2) / fastest


def mean(component: int = 0) -> Quantity:
    """Mean over the box of one component."""
    return lambda values, grid: values[:, component].flatten(1).mean(1)


def mean_square(component: int = 0) -> Quantity:
    """Mean over the box of the square of one component."""
    return lambda values, grid: values[:, component].square().flatten(1).mean(1)
