"""Poisson's equation on the unit square with a product of sines as solution."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import laplacian
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem


@named
def poisson_square(*, waves: int = 1, hard: bool = False) -> Problem:
    """-Lap u = 2 (pi k)^2 sin(pi k x) sin(pi k y), u = 0 on the edge of [0, 1]^2; u = sin(pi k x) sin(pi k y).

    Args:
        waves: k. hard: whether the network brings the boundary values itself (OnBox), so that there is no condition.
    """
    wave = math.pi * waves

    def exact(x: Tensor) -> Tensor:
        return torch.sin(wave * x[:, :1]) * torch.sin(wave * x[:, 1:])

    def residual(u: Any, x: Tensor) -> Tensor:
        return laplacian(u, x) / wave**2 + 2 * exact(x)

    def edge(geometry: Any) -> list[Any]:
        return [deepxde().icbc.DirichletBC(geometry, lambda x: 0.0, lambda x, on: on)]

    return Problem(
        2,
        residual,
        geometry=lambda: deepxde().geometry.Rectangle([0.0, 0.0], [1.0, 1.0]),
        conditions=() if hard else edge,
        exact=exact,
    )
