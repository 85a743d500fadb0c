"""Scripts of DeepXDE users, each with the residual by dde.grad (theirs) and by surrogates.derivatives (ours).

Poisson on an interval and on an L, Burgers with its shock, at the sizes of DeepXDE's documentation; Poisson in a
cube of ten dimensions, script g (sine-Gordon in a ball of a hundred), order four: Kuramoto-Sivashinsky and a plate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import Exact, biharmonic, laplacian, partials
from surrogates.physics.solutions.on_ball import sine_gordon
from surrogates.physics.solutions.two_body import two_body

dde = deepxde()


@dataclass
class Script:
    """What a user writes: `theirs(x, y)` or `ours(u, x)`, the problem that takes either, the network's sizes."""

    theirs: Callable[..., Any]
    ours: Callable[..., Any]
    problem: Callable[[Any], Any]
    sizes: list[int]
    transform: Callable[..., Any] | None = None


def hessian(y: Any, x: Any, i: int, j: int) -> Any:
    return dde.grad.hessian(y, x, i=i, j=j)


def zero(geometry: Any) -> Any:
    return dde.icbc.DirichletBC(geometry, lambda x: 0, lambda x, on: on)


def poisson_interval() -> Script:
    """-u'' = pi^2 sin(pi x) on [-1, 1]."""
    line = dde.geometry.Interval(-1, 1)
    return Script(
        lambda x, y: -hessian(y, x, 0, 0) - math.pi**2 * torch.sin(math.pi * x),
        lambda u, x: -laplacian(u, x) - math.pi**2 * torch.sin(math.pi * x),
        lambda pde: dde.data.PDE(line, pde, zero(line), num_domain=16, num_boundary=2),
        [1, 50, 50, 50, 1],
    )


def poisson_l_shape() -> Script:
    """-Lap u = 1 on an L."""
    corner = dde.geometry.CSGDifference(*(dde.geometry.Rectangle([low, low], [1, 1]) for low in (-1, 0)))
    return Script(
        lambda x, y: -hessian(y, x, 0, 0) - hessian(y, x, 1, 1) - 1,
        lambda u, x: -laplacian(u, x) - 1,
        lambda pde: dde.data.PDE(corner, pde, zero(corner), num_domain=1200, num_boundary=120),
        [2, 50, 50, 50, 50, 1],
    )


def poisson_cube() -> Script:
    """-Lap u = d pi^2 prod sin(pi x_i) in the unit cube of ten dimensions."""
    d = 10
    cube = dde.geometry.Hypercube([0.0] * d, [1.0] * d)

    def source(x: torch.Tensor) -> torch.Tensor:
        return d * math.pi**2 * torch.sin(math.pi * x).prod(1, keepdim=True)

    return Script(
        lambda x, y: -sum(hessian(y, x, i, i) for i in range(d)) - source(x),
        lambda u, x: -laplacian(u, x) - source(x),
        lambda pde: dde.data.PDE(cube, pde, zero(cube), num_domain=500, num_boundary=100, train_distribution="pseudo"),
        [d, 64, 64, 64, 1],
    )


def burgers() -> Script:
    """u_t + u u_x = (0.01 / pi) u_xx on [-1, 1] x [0, 1], u(x, 0) = -sin(pi x)."""
    strip = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 0.99))
    start = dde.icbc.IC(strip, lambda x: -np.sin(np.pi * x[:, :1]), lambda _, on: on)
    nu = 0.01 / math.pi

    def theirs(x: Any, y: Any) -> Any:
        slope, rate = dde.grad.jacobian(y, x, i=0, j=0), dde.grad.jacobian(y, x, i=0, j=1)
        return rate + y * slope - nu * hessian(y, x, 0, 0)

    def ours(u: Any, x: Any) -> Any:
        slope, rate, bend = partials(u, x, [(0,), (1,), (0, 0)])
        return rate + u(x) * slope - nu * bend

    def problem(pde: Any) -> Any:
        sizes = {"num_domain": 2540, "num_boundary": 80, "num_initial": 160}
        return dde.data.TimePDE(strip, pde, [zero(strip), start], **sizes)

    return Script(theirs, ours, problem, [2, 20, 20, 20, 1])


def sine_gordon_ball() -> Script:
    """Script g: Lap u + sin u = g in the ball of a hundred dimensions, points drawn and the sphere built in."""
    d = 100
    ball, exact = dde.geometry.Hypersphere([0.0] * d, 1.0), two_body(d)

    def theirs(x: Any, y: Any) -> Any:
        return sum(hessian(y, x, i, i) for i in range(d)) + torch.sin(y) - exact.source(x, sine_gordon)

    def ours(u: Any, x: Any) -> Any:
        return laplacian(u, x, how=Exact()) + torch.sin(u(x)) - exact.source(x, sine_gordon)

    return Script(
        theirs,
        ours,
        lambda pde: dde.data.PDE(ball, pde, [], num_domain=100, train_distribution="pseudo"),
        [d, 128, 128, 128, 128, 1],
        transform=lambda x, y: (1 - x.square().sum(1, keepdim=True)) * y,
    )


def kuramoto_sivashinsky() -> Script:
    """u_t + u u_x + u_xx + u_xxxx = 0 on a period of 32, u(x, 0) = cos(x / 16)(1 + sin(x / 16))."""
    strip = dde.geometry.GeometryXTime(dde.geometry.Interval(0, 32 * math.pi), dde.geometry.TimeDomain(0, 1))
    wave = [lambda x: np.cos(x[:, :1] / 16) * (1 + np.sin(x[:, :1] / 16)), lambda _, on: on]
    ends = dde.icbc.PeriodicBC(strip, 0, lambda x, on: on)

    def theirs(x: Any, y: Any) -> Any:
        slope, rate = dde.grad.jacobian(y, x, i=0, j=0), dde.grad.jacobian(y, x, i=0, j=1)
        second = hessian(y, x, 0, 0)
        return rate + y * slope + second + hessian(second, x, 0, 0)

    def ours(u: Any, x: Any) -> Any:
        slope, rate, second, fourth = partials(u, x, [(0,), (1,), (0, 0), (0, 0, 0, 0)])
        return rate + u(x) * slope + second + fourth

    def problem(pde: Any) -> Any:
        sizes = {"num_domain": 1000, "num_boundary": 40, "num_initial": 100}
        return dde.data.TimePDE(strip, pde, [ends, dde.icbc.IC(strip, *wave)], **sizes)

    return Script(theirs, ours, problem, [2, 64, 64, 64, 1])


def plate() -> Script:
    """Lap Lap w = 4 pi^4 sin(pi x) sin(pi y), a simply supported square plate of stiffness 1."""
    square = dde.geometry.Rectangle([0, 0], [1, 1])

    def load(x: torch.Tensor) -> torch.Tensor:
        return 4 * math.pi**4 * torch.sin(math.pi * x).prod(1, keepdim=True)

    def theirs(x: Any, y: Any) -> Any:
        twice = hessian(y, x, 0, 0) + hessian(y, x, 1, 1)
        return hessian(twice, x, 0, 0) + hessian(twice, x, 1, 1) - load(x)

    return Script(
        theirs,
        lambda u, x: biharmonic(u, x) - load(x),
        lambda pde: dde.data.PDE(square, pde, zero(square), num_domain=500, num_boundary=80),
        [2, 64, 64, 64, 1],
    )


SCRIPTS = {
    "Poisson on an interval": poisson_interval,
    "Poisson on an L": poisson_l_shape,
    "Burgers": burgers,
    "Poisson, d = 10": poisson_cube,
    "sine-Gordon, d = 100": sine_gordon_ball,
    "Kuramoto-Sivashinsky": kuramoto_sivashinsky,
    "plate, order 4": plate,
}
