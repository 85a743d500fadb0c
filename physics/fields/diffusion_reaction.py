"""Diffusion with reactions on periodic boxes: Fisher-KPP, Gray-Scott and FitzHugh-Nagumo.

Each reaction is a function of point values (samples, components, *space) of its own, so that a solver with walls can
use it too. Parameters broadcast against the values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from surrogates.physics.fields.equation import Equation, Parameters
from surrogates.physics.fields.spectral import Spectral

Reaction = Callable[[Tensor, Parameters], Tensor]


def fisher_kpp(dim: int = 1) -> Equation:
    """u_t = diffusion Lap(u) + rate u (1 - u): a share u of a population that spreads and grows.

    R. A. Fisher, The Wave of Advance of Advantageous Genes (doi:10.1111/j.1469-1809.1937.tb02153.x).
    """
    return Equation(
        "fisher_kpp",
        dim=dim,
        fields=("u",),
        parameters=("diffusion", "rate"),
        linear=lambda k, p: p["diffusion"] * k.laplacian,
        nonlinear=_reacting(fisher_kpp_reaction),
    )


def fisher_kpp_reaction(values: Tensor, p: Parameters) -> Tensor:
    """rate u (1 - u)."""
    return p["rate"] * values * (1 - values)


def gray_scott(dim: int = 2) -> Equation:
    """a_t = diffusion_a Lap(a) - a b^2 + feed (1 - a), b_t = diffusion_b Lap(b) + a b^2 - (feed + kill) b.

    J. E. Pearson, Complex Patterns in a Simple System (doi:10.1126/science.261.5118.189).
    """
    return Equation(
        "gray_scott",
        dim=dim,
        fields=("a", "b"),
        parameters=("feed", "kill", "diffusion_a", "diffusion_b"),
        linear=lambda k, p: (p["diffusion_a"] * k.laplacian, p["diffusion_b"] * k.laplacian),
        nonlinear=_reacting(gray_scott_reaction),
        order=3,
    )


def gray_scott_reaction(values: Tensor, p: Parameters) -> Tensor:
    """(-a b^2 + feed (1 - a), a b^2 - (feed + kill) b)."""
    a, b = values[:, :1], values[:, 1:]
    converted = a * b * b
    return torch.cat([p["feed"] * (1 - a) - converted, converted - (p["feed"] + p["kill"]) * b], dim=1)


def fitzhugh_nagumo(dim: int = 2) -> Equation:
    """u_t = diffusion_u Lap(u) + u - u^3 - k - v, v_t = diffusion_v Lap(v) + u - v.

    The activator and inhibitor of PDEBench: An Extensive Benchmark for Scientific Machine Learning
    (arXiv:2210.07182), there with walls, k = 5e-3, diffusion_u = 1e-3, diffusion_v = 5e-3.
    """
    return Equation(
        "fitzhugh_nagumo",
        dim=dim,
        fields=("u", "v"),
        parameters=("k", "diffusion_u", "diffusion_v"),
        linear=lambda k, p: (p["diffusion_u"] * k.laplacian, p["diffusion_v"] * k.laplacian),
        nonlinear=_reacting(fitzhugh_nagumo_reaction),
        order=3,
    )


def fitzhugh_nagumo_reaction(values: Tensor, p: Parameters) -> Tensor:
    """(u - u^3 - k - v, u - v)."""
    u, v = values[:, :1], values[:, 1:]
    return torch.cat([u - u**3 - p["k"] - v, u - v], dim=1)


def _reacting(reaction: Reaction) -> Callable[[Spectral, Tensor, Parameters], Tensor]:
    return lambda k, u, p: k.spectrum(reaction(k.values(u), p))
