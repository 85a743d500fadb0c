"""Matrices of all degrees for the rotations that take the polar axis to given directions, by two turns about that axis.

In e3nn's convention the polar axis is y and component l + m of degree l goes like cos(m phi) or sin(|m| phi), with
phi = atan2(x, z). Turns about y are therefore sparse, X(a), and a turn about x is J X(b) J with a constant J: the
direction with polar angle b and azimuth a is R_y(a) R_x(b) e_y, its matrix X(a) J X(b) J.

Paper: Reducing SO(3) Convolutions to SO(2) for Efficient Equivariant GNNs (arXiv:2302.03655), section 3 and appendix.
"""

from __future__ import annotations

from functools import cache

import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.quadrature import sphere_points

_HALF_TURN = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]], dtype=torch.float64)  # about x + y: swaps x and y


def exact_harmonics(l_max: int, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points components"]:
    """Harmonics of unit vectors to rounding, for tables; models use `SphericalHarmonics`."""
    return o3.spherical_harmonics(list(range(l_max + 1)), points, normalize=False, normalization="component")


@cache
def swap_matrices(l_max: int) -> tuple[Tensor, ...]:
    """J of each degree, float64: the half turn about x + y, which swaps the axes x and y."""
    points, weights = sphere_points(2 * l_max)
    before, after = exact_harmonics(l_max, points), exact_harmonics(l_max, points @ _HALF_TURN.T)
    whole = after.T @ (weights[:, None] * before)
    return tuple(whole[l * l : (l + 1) ** 2, l * l : (l + 1) ** 2] for l in range(l_max + 1))


@cache
def polar_generator(l: int) -> Tensor:
    """d/da X(a) at a = 0, float64: (X(a) Y)_-m = cos(m a) Y_-m + sin(m a) Y_m."""
    generator = torch.zeros(2 * l + 1, 2 * l + 1, dtype=torch.float64)
    for m in range(1, l + 1):
        generator[l - m, l + m], generator[l + m, l - m] = m, -m
    return generator


@cache
def generators(l: int) -> Tensor:
    """dD(R_a(t))/dt at t = 0 for turns about x, y, z, (3, 2l + 1, 2l + 1), float64."""
    about_y = polar_generator(l)
    about_x = swap_matrices(l)[l] @ about_y @ swap_matrices(l)[l]
    return torch.stack([about_x, about_y, about_x @ about_y - about_y @ about_x])


@cache
def tilt_table(l: int, columns: int) -> Tensor:
    """J X(b) J as coefficients of 1, cos b .. cos lb, sin b .. sin lb; (2l + 1, 2l + 1, 2 columns + 1), float64.

    X(b) has cos(m b) on its diagonal and +-sin(m b) across it. Only the columns |m| <= `columns` are there.
    """
    swap = swap_matrices(l)[l]
    kept = swap[:, l - columns : l + columns + 1]
    terms = [torch.outer(swap[:, l], kept[l])]
    for m in range(1, l + 1):
        terms.append(torch.outer(swap[:, l - m], kept[l - m]) + torch.outer(swap[:, l + m], kept[l + m]))
    for m in range(1, l + 1):
        terms.append(torch.outer(swap[:, l - m], kept[l + m]) - torch.outer(swap[:, l + m], kept[l - m]))
    return torch.stack(terms)
