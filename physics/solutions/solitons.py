"""Solitons of the Korteweg-de Vries, Kadomtsev-Petviashvili and two-dimensional KdV equations, by Hirota's method.

R. Hirota, Exact Solution of the Korteweg-de Vries Equation for Multiple Collisions of Solitons
(doi:10.1103/PhysRevLett.27.1192). With theta_i = k_i x + l_i y + w_i t + delta_i and P the polynomial of the bilinear
form, F = sum over subsets S of the solitons of exp(sum_(i in S) theta_i + sum_(i<j in S) A_ij), where P(k, l, w) = 0
gives w and exp A_ij = -P(difference) / P(sum). The solution is a first or second derivative of log F by x; with the
weights exp(...) / F of the subsets these are mean and variance of the subsets' sum of k, which never overflow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError

Wave = tuple[float, float, float]


@dataclass(frozen=True)
class Solitons:
    """A solution u(points) with columns (x, t) or (x, y, t).

    Args:
        waves: (k, l, w) of each soliton; l = 0 in one dimension.
        phases: delta, one each.
        couplings: A_ij in the order (0, 1), (0, 2), (1, 2), ...
        scale: what multiplies the derivative of log F. derivative: 1 or 2, by x.
        dim: columns of the points.
    """

    waves: tuple[Wave, ...]
    phases: tuple[float, ...]
    couplings: tuple[float, ...]
    scale: float
    derivative: int
    dim: int

    def __call__(self, points: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """u. Raises DomainError for points of another dimension."""
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise DomainError(f"points of shape {tuple(points.shape)}; these solitons live in (n, {self.dim})")
        vectors, constants = self._subsets()
        exponents = self._columns(points) @ points.new_tensor(vectors).T + points.new_tensor(constants)
        weights = torch.softmax(exponents, dim=1)
        k = points.new_tensor([v[0] for v in vectors])
        mean = weights @ k
        found = mean if self.derivative == 1 else (weights * (k - mean[:, None]).square()).sum(dim=1)
        return self.scale * found[:, None]

    def _columns(self, points: Tensor) -> Tensor:
        if self.dim == 3:
            return points
        return torch.stack([points[:, 0], torch.zeros_like(points[:, 0]), points[:, 1]], dim=1)

    def _subsets(self) -> tuple[list[Wave], list[float]]:
        pairs = dict(zip(itertools.combinations(range(len(self.waves)), 2), self.couplings, strict=True))
        vectors: list[Wave] = []
        constants: list[float] = []
        for size in range(len(self.waves) + 1):
            for subset in itertools.combinations(range(len(self.waves)), size):
                k, l, w = (math.fsum(self.waves[i][axis] for i in subset) for axis in range(3))
                vectors.append((k, l, w))
                couplings = [pairs[pair] for pair in itertools.combinations(subset, 2)]
                constants.append(math.fsum([*(self.phases[i] for i in subset), *couplings]))
        return vectors, constants


def kdv(k: Sequence[float], centres: Sequence[float], *, alpha: float | int = 6, beta: float | int = 1) -> Solitons:
    """u_t + alpha u u_x + beta u_xxx = 0: u = (12 beta / alpha) (log F)_xx, any number of solitons.

    One with wave number k is 3 beta k^2 / alpha high and moves at beta k^2; `centres` are where each stood at t = 0 if
    it were alone. arXiv:2412.00088 takes alpha = 1, beta = 0.0025.
    """
    waves = [(float(q), 0.0, -beta * float(q) ** 3) for q in k]
    return _solitons(waves, centres, lambda q, _, w: q * w + beta * q**4, scale=12 * beta / alpha, derivative=2, dim=2)


def kadomtsev_petviashvili(waves: Sequence[tuple[float, float]], centres: Sequence[float]) -> Solitons:
    """(u_t + 6 u u_x + u_xxx)_x + 3 u_yy = 0 (KP-II): u = 2 (log F)_xx; `waves` are (k, l) of each line soliton."""
    if any(k == 0 for k, _ in waves):
        raise DomainError(f"waves (k, l) = {list(waves)}; k is the width of a soliton, give numbers other than 0")
    full = [(k, l, -(k**4 + 3 * l**2) / k) for k, l in waves]
    return _solitons(full, centres, lambda k, l, w: k * w + k**4 + 3 * l**2, scale=2.0, derivative=2, dim=3)


def kdv_2d(waves: Sequence[tuple[float, float]], centres: Sequence[float]) -> Solitons:
    """u_ty + u_xxxy + 3 (u_xy u_x + u_y u_xx) - u_xx + 2 u_yy = 0: u = 2 (log F)_x, kinks; at most two.

    The equation of arXiv:2412.00088; `waves` are (k, l), l not 0. Three solitons would ask for more than its bilinear
    form, l w + k^3 l - k^2 + 2 l^2 = 0, grants, so DomainError is raised for them.
    """
    if len(waves) > 2:
        raise DomainError(f"{len(waves)} solitons of the 2-D KdV equation; exact ones are known here for one or two")
    if any(l == 0 for _, l in waves):
        raise DomainError(f"waves (k, l) = {list(waves)}; the bilinear form has no wave with l = 0, give other numbers")
    full = [(k, l, (k**2 - 2 * l**2) / l - k**3) for k, l in waves]
    return _solitons(full, centres, lambda k, l, w: l * w + k**3 * l - k**2 + 2 * l**2, scale=2.0, derivative=1, dim=3)


def _solitons(
    waves: Sequence[Wave],
    centres: Sequence[float],
    polynomial: Callable[[float, float, float], float],
    *,
    scale: float,
    derivative: int,
    dim: int,
) -> Solitons:
    """Couplings from the polynomial of the bilinear form."""
    if len(waves) != len(centres) or not waves:
        raise DomainError(f"{len(waves)} solitons and {len(centres)} centres; give one centre for each soliton")
    couplings = []
    for p, q in itertools.combinations(waves, 2):
        above = -polynomial(*(a - b for a, b in zip(p, q, strict=True)))
        below = polynomial(*(a + b for a, b in zip(p, q, strict=True)))
        if below == 0 or above / below <= 0:
            raise DomainError(
                f"solitons {p} and {q} have no regular common solution; make their k differ more, or l / k more"
            )
        couplings.append(math.log(above / below))
    phases = tuple(-wave[0] * float(centre) for wave, centre in zip(waves, centres, strict=True))
    return Solitons(tuple(waves), phases, tuple(couplings), float(scale), derivative, dim)
