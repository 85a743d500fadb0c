"""Functions on the sphere: from coefficients of harmonics to values on a grid and back, exact to a stated degree.

Paper: The Price of Freedom: Exploring Expressivity and Runtime Tradeoffs in Equivariant Tensor Products
(arXiv:2506.13523), section 4: a product of functions is a product of their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.orders import by_order, meridian_profiles, permuted, repeated, signed_orders
from surrogates.equivariance.quadrature import azimuths, gauss_legendre
from surrogates.equivariance.wigner_zjz import exact_harmonics
from surrogates.kernels.constant import Constant


class SphereGrid(nn.Module):
    """Gauss-Legendre rings around y times uniform azimuths; averages over the grid are exact up to `degree`.

    f = sum of x_lm Y_lm. The coefficients of f are exact where its degree plus theirs is at most `degree`, and aliased
    beyond. Both ways go order by order, O(l^3) a function.

    Args:
        degree: highest degree of a polynomial whose average is exact.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.rings, self.n_azimuths = len(gauss_legendre(degree)[0]), len(azimuths(degree))
        self.points = self.rings * self.n_azimuths

    def values(
        self, x: Float[Tensor, "edges components channels"], degrees: tuple[int, ...]
    ) -> Float[Tensor, "edges points channels"]:
        """sum of x_lm Y_lm at the points, with components of `degrees` one after another."""
        n, c = len(x), x.shape[2]
        tables = _tables(self.degree, degrees)
        rows = permuted(x, tables.order.to(x.device)).split(tables.sizes, dim=1)
        rings = [repeated(table.like(x), row) for table, row in zip(tables.up, rows, strict=True)]
        profiles = torch.cat(rings, dim=1).view(n, len(rings), self.rings * c)
        return repeated(tables.waves.like(x), profiles).view(n, self.points, c)

    def coefficients(
        self, f: Float[Tensor, "edges points channels"], degrees: tuple[int, ...]
    ) -> Float[Tensor, "edges components channels"]:
        """Averages of f Y_lm over the sphere, components of `degrees` one after another."""
        n, c = len(f), f.shape[2]
        tables = _tables(self.degree, degrees)
        profiles = repeated(tables.averages.like(f), f.view(n, self.n_azimuths, self.rings * c))
        rings = profiles.view(n, len(tables.down), self.rings, c).unbind(1)
        rows = [repeated(table.like(f), ring) for table, ring in zip(tables.down, rings, strict=True)]
        return permuted(torch.cat(rows, dim=1), tables.place.to(f.device))

    def values_by_degree(
        self, y: Float[Tensor, "edges harmonics"], l_max: int
    ) -> Float[Tensor, "edges points degrees"]:
        """The values of each degree 0..l_max by itself, of one function an edge."""
        tables = _pointwise(self.degree, l_max)
        by_degree = y.split([2 * l + 1 for l in range(l_max + 1)], dim=1)
        return torch.stack([part @ table.like(y) for part, table in zip(by_degree, tables, strict=True)], dim=2)


@dataclass(frozen=True)
class _Tables:
    """Profiles along a meridian for each signed order, and waves along the azimuth, for one list of degrees."""

    order: Tensor
    place: Tensor
    sizes: list[int]
    up: list[Constant]
    down: list[Constant]
    waves: Constant
    averages: Constant


@cache
def _tables(degree: int, degrees: tuple[int, ...]) -> _Tables:
    y, weights = gauss_legendre(degree)
    phi, signed = azimuths(degree), signed_orders(max(degrees))
    order = by_order(degrees)[0]
    profiles = [meridian_profiles(degrees, abs(m), torch.acos(y)) for m in signed]
    waves = torch.stack([torch.cos(m * phi) if m >= 0 else torch.sin(-m * phi) for m in signed], dim=1)
    return _Tables(
        order=order,
        place=torch.argsort(order),
        sizes=[profile.shape[1] for profile in profiles],
        up=[Constant(profile) for profile in profiles],
        down=[Constant((weights[:, None] * profile).T.contiguous()) for profile in profiles],
        waves=Constant(waves),
        averages=Constant(waves.T.contiguous() / len(phi)),
    )


@cache
def _pointwise(degree: int, l_max: int) -> list[Constant]:
    y, phi = gauss_legendre(degree)[0], azimuths(degree)
    rho = torch.sqrt(1 - y**2)
    x, z = torch.outer(torch.sin(phi), rho), torch.outer(torch.cos(phi), rho)
    points = torch.stack([x, y.expand_as(x), z], dim=-1).reshape(-1, 3)  # azimuths outside, rings inside
    table = exact_harmonics(l_max, points).T
    return [Constant(table[l * l : (l + 1) ** 2].contiguous()) for l in range(l_max + 1)]
