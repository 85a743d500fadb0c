"""Lap u + f(u) = g on the unit ball with u = 0 on its sphere, with an exact solution: what problems/ make names of.

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088), its inseparable solutions and its sampling.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import laplacian
from surrogates.derivatives.stde import How
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.ball import uniform_radius
from surrogates.physics.solutions.on_ball import OnBall, Reaction
from surrogates.physics.solutions.three_body import three_body
from surrogates.physics.solutions.two_body import two_body
from surrogates.pinns.problem import Problem

_SOLUTIONS = {"two_body": two_body, "three_body": three_body}


def elliptic_ball(reaction: Reaction, *, dim: int, solution: str, seed: int, hard: bool, how: How | None) -> Problem:
    """The equation with this f, whose g belongs to a drawn solution.

    Args:
        dim: d. solution: "two_body" or "three_body". seed: of its coefficients.
        hard: whether the network vanishes on the sphere by itself (surrogates.pinns.hard_boundary.OnBall); else that is
            a condition "dirichlet".
        how: the Laplacian is taken; None plans it.
    Points are of uniform direction and uniform |x|. Raises DomainError for an unknown solution or too few dimensions.
    """
    if solution not in _SOLUTIONS:
        raise DomainError(f"solution={solution!r} is unknown; choose one of {', '.join(_SOLUTIONS)}")
    exact: OnBall = _SOLUTIONS[solution](dim, seed)

    def residual(u: Any, x: Tensor) -> Tensor:
        found = u(x)
        return laplacian(u, x, how=how) + reaction(found) - exact.source(x.detach(), reaction)

    def sample(n: int, generator: torch.Generator) -> Tensor:
        return uniform_radius(n, dim, generator=generator, dtype=torch.float32)

    def sphere() -> Any:
        return deepxde().geometry.Hypersphere([0.0] * dim, 1.0)

    def edge(geometry: Any) -> list[Any]:
        return [deepxde().icbc.DirichletBC(geometry, lambda x: 0.0, lambda x, on: on)]

    if hard:
        return Problem(dim, residual, exact=exact, sample=sample)
    return Problem(dim, residual, geometry=sphere, conditions=edge, exact=exact, sample=sample)
