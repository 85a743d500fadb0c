"""The viscosity of Burgers' equation from noisy observations of a flow that steepens.

Paper: Physics-informed neural networks (doi:10.1016/j.jcp.2018.10.045), section 4.1.1. There nu = 0.01 / pi with 2000
observations and the coefficient of the convection unknown too; here the viscosity alone, and any number of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import partials
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.burgers_front import burgers_front
from surrogates.pinns.inverse import Positive
from surrogates.pinns.named import named
from surrogates.pinns.problem import Problem


@named
def burgers_inverse(
    *,
    nu: float | int = 0.02,
    guess: float | int = 0.1,
    observations: int = 200,
    noise: float | int = 0.01,
    until: float | int = 1.0,
    seed: int = 0,
) -> Problem:
    """u_t + u u_x = nu u_xx on [-1, 1], u(x, 0) = -sin(pi x), u(-1, t) = u(1, t) = 0, with nu unknown.

    Neither start nor edges are told, only u at `observations` random points, with normal errors of size `noise`
    (u is about 1). Observations and `exact` are the Fourier solution at the true nu.

    Args:
        nu: the true viscosity. guess: where learning begins; nu is learned relative to it.
        observations, noise, seed: how many, standard deviation of their errors, and which. until: last time.
    Raises DomainError for numbers that are not positive (noise may be 0).
    """
    if not (nu > 0 and guess > 0 and observations > 0 and until > 0 and noise >= 0):
        raise DomainError(
            f"nu={nu}, guess={guess}, observations={observations}, until={until}, noise={noise}; give positive numbers"
        )

    def exact(points: Tensor) -> Tensor:
        modes = 512 if nu >= 0.02 else 2048  # the front is about 4 nu wide
        return burgers_front(points, c=0.0, nu=nu, amplitude=-1.0, period=2.0, until=until, modes=modes)

    def residual(u: Any, x: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        value, u_x, u_t, u_xx = partials(u, x, [(), (0,), (1,), (0, 0)])
        return u_t + value * u_x - parameters["nu"] * u_xx

    def measured(geometry: Any) -> Mapping[str, Any]:
        draws = np.random.default_rng(seed)
        points = draws.uniform([-1.0, 0.0], [1.0, float(until)], size=(observations, 2))
        values = exact(torch.from_numpy(points)).numpy() + noise * draws.standard_normal((observations, 1))
        return {"observations": deepxde().icbc.PointSetBC(points, values)}

    def geometry() -> Any:
        dde = deepxde()
        return dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, until))

    parameters = {"nu": Positive(guess)}
    return Problem(2, residual, geometry=geometry, conditions=measured, exact=exact, parameters=parameters)
