"""Poisson's equation on the unit ball in many dimensions, Lap u = g.

Paper: Stochastic Taylor Derivative Estimator (arXiv:2412.00088), with its two- and three-body solutions.
"""

from __future__ import annotations

from typing import Literal

from surrogates.derivatives.stde import How
from surrogates.physics.solutions import on_ball
from surrogates.pinns.elliptic_ball import elliptic_ball
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem


@named
def poisson(
    *,
    dim: int = 100,
    solution: Literal["two_body", "three_body"] = "two_body",
    seed: int = 0,
    hard: bool = True,
    how: How | None = None,
) -> Problem:
    """Lap u = g in the unit ball, u = 0 on its sphere, with a drawn exact solution.

    Args:
        dim: of the ball. solution: of which form. seed: of its coefficients.
        hard: whether the network brings the boundary values (OnBall); else they are a condition "dirichlet".
        how: the Laplacian is taken, Exact(), Sparse(...) or Dense(...); None plans it.
    """
    return elliptic_ball(on_ball.poisson, dim=dim, solution=solution, seed=seed, hard=hard, how=how)
