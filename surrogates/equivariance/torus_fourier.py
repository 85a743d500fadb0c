"""Functions on the sphere as double Fourier series on a torus, where products are convolutions.

A harmonic Y_lm continues to all polar angles as a trigonometric polynomial of degree l, so a function of degree l has
the frequencies |u| <= l in theta and |v| <= l in phi; order m lives at v = m and -m only.

Paper: Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor Products (arXiv:2401.10216),
section 3.2 and appendix: change of basis, convolution by fast Fourier transforms, change back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.fft import next_fast_len
from torch import Tensor, nn

from surrogates.equivariance.orders import by_order, meridian_profiles, permuted, repeated, signed_orders
from surrogates.kernels.constant import Constant


class TorusFourier(nn.Module):
    """Convolution of Fourier series by padded fast transforms: series of products up to `degree` are exact.

    `values` are samples on the torus, the transform of the padded series; multiplying them convolves the series.

    Args:
        degree: highest degree of a product, the sum of the degrees of its factors.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree, self.size = degree, next_fast_len(2 * degree + 1, real=True)
        self.points = self.size**2

    def series(
        self, x: Float[Tensor, "edges components channels"], degrees: tuple[int, ...]
    ) -> Complex[Tensor, "edges phi theta channels"]:
        """Complex Fourier coefficients of sum x_lm Y_lm: v = 0..l along phi (the rest is conjugate), u = -l..l."""
        tables, n, c = _tables(self.degree, degrees), len(x), x.shape[2]
        rows = permuted(x, tables.order.to(x.device)).split(tables.sizes, dim=1)
        parts = [repeated(table.like(x), row) for table, row in zip(tables.up, rows, strict=True)]
        found = [(parts[0], torch.zeros_like(parts[0]))]
        for m in range(1, (len(parts) + 1) // 2):
            cosine, sine = parts[2 * m - 1], parts[2 * m]
            # (A cos + B sin)(m phi) has (A - iB)/2 at v = m; odd orders are i times a real series in theta
            found.append((sine, cosine) if m % 2 else (cosine, -sine))
        real, imaginary = (torch.stack(side, dim=1) for side in zip(*found, strict=True))
        return torch.complex(real, imaginary).view(n, len(found), tables.frequencies, c)

    def values(
        self, x: Float[Tensor, "edges components channels"], degrees: tuple[int, ...]
    ) -> Float[Tensor, "edges points channels"]:
        """Samples of sum x_lm Y_lm on the torus, by a fast transform of its padded series."""
        if len(x) == 0:  # which fast transforms refuse
            return x[:, :1].expand(-1, self.points, -1)
        series = self.series(x, degrees)
        l_max = series.shape[2] // 2
        gap = series.new_zeros(len(x), series.shape[1], self.size - series.shape[2], x.shape[2])
        padded = torch.cat([series[:, :, l_max:], gap, series[:, :, :l_max]], dim=2)
        samples = torch.fft.irfft2(padded, s=(self.size, self.size), dim=(2, 1), norm="forward")
        return samples.reshape(len(x), self.points, x.shape[2])

    def coefficients(
        self, f: Float[Tensor, "edges points channels"], degrees: tuple[int, ...]
    ) -> Float[Tensor, "edges components channels"]:
        """Averages of f Y_lm over the sphere, from the Fourier series of f."""
        tables, n, c = _tables(self.degree, degrees), len(f), f.shape[2]
        if n == 0:
            return f[:, :1].expand(-1, len(tables.order), -1)
        samples = f.reshape(n, self.size, self.size, c)
        series = torch.fft.rfft2(samples, dim=(2, 1), norm="forward")[:, :, : self.degree + 1]
        rows = []
        for table, m in zip(tables.down, signed_orders(max(degrees)), strict=True):
            part = series[:, abs(m)]
            side = (part.imag if m > 0 else part.real) if m % 2 else (part.real if m >= 0 else part.imag)
            rows.append(repeated(table.like(f), side.contiguous()))
        return permuted(torch.cat(rows, dim=1), tables.place.to(f.device))

    def values_by_degree(
        self, y: Float[Tensor, "edges harmonics"], l_max: int
    ) -> Float[Tensor, "edges points degrees"]:
        """The samples of each degree 0..l_max by itself, of one function an edge."""
        by_degree = y.split([2 * l + 1 for l in range(l_max + 1)], dim=1)
        return torch.cat([self.values(part[:, :, None], (l,)) for l, part in enumerate(by_degree)], dim=2)


@dataclass(frozen=True)
class _Tables:
    """Series of meridian profiles for each signed order, and integrals over half a period, for one list of degrees."""

    order: Tensor
    place: Tensor
    sizes: list[int]
    frequencies: int
    up: list[Constant]
    down: list[Constant]


@cache
def _tables(degree: int, degrees: tuple[int, ...]) -> _Tables:
    order, l_max, signed = by_order(degrees)[0], max(degrees), signed_orders(max(degrees))
    up = [_series(degrees, m, l_max) for m in signed]
    return _Tables(
        order=order,
        place=torch.argsort(order),
        sizes=[table.shape[1] for table in up],
        frequencies=2 * l_max + 1,
        up=[Constant(table) for table in up],
        down=[Constant(_integrals(degrees, m, degree)) for m in signed],
    )


def _series(degrees: tuple[int, ...], m: int, l_max: int) -> Tensor:
    """Coefficients (u = -l_max..l_max, degrees) of the profiles, divided by i for odd m, halved for m > 0."""
    n = 2 * l_max + 1
    theta = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    profiles = torch.fft.fftshift(
        torch.fft.fft(meridian_profiles(degrees, abs(m), theta), dim=0, norm="forward"), dim=0
    )
    real = profiles.imag if m % 2 else profiles.real
    return (real if m == 0 else real / 2).contiguous()


def _integrals(degrees: tuple[int, ...], m: int, degree: int) -> Tensor:
    """What the coefficient of a function at (u, v = |m|), u = 0..degree, adds to the averages of f Y_lm.

    A function on the sphere has F[-u, v] = (-1)^v F[u, v], so the terms of u and -u are one cosine or sine in theta.
    """
    nodes, weights = np.polynomial.legendre.leggauss(4 * (degree + max(degrees)) + 40)
    theta = torch.from_numpy((nodes + 1) * (math.pi / 2))
    measure = torch.from_numpy(weights * (math.pi / 2)) * torch.sin(theta) / 2
    angle = torch.outer(torch.arange(degree + 1, dtype=torch.float64), theta)
    waves = (torch.sin(angle) if m % 2 else torch.cos(angle)) * measure
    table = meridian_profiles(degrees, abs(m), theta).T @ waves.T
    table[:, 1:] *= 2
    # averages over phi of cos^2 and sin^2 are 1/2, the coefficient at v = m is half of (A - iB), for odd m times i
    return (-table if (m > 0 and m % 2) or (m < 0) else table).contiguous()
