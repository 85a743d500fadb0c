"""Reference solutions of moving fronts: the equation holds, two independent ways agree, shocks come when they must."""

import math

import pytest
import torch

from surrogates.derivatives import partials
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.burgers_front import burgers_front, cole_hopf_front
from surrogates.physics.solutions.convection import convection
from surrogates.physics.solutions.shock_time import shock_time

TAU = 2 * math.pi


def points(n, until=1.0, period=TAU):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 2, generator=generator, dtype=torch.float64) * torch.tensor([period, until])


def test_convection_solves_its_equation():
    numbers = dict(beta=30.0, nu=0.1, mean=2.0, cosines=[0.5], sines=[1.0, -0.3], period=3.0)
    at = points(50, period=3.0)
    _, ux, ut, uxx = partials(lambda p: convection(p, **numbers), at, [(), (0,), (1,), (0, 0)])
    assert (ut + 30 * ux - 0.1 * uxx).abs().max() < 1e-10
    start = at * torch.tensor([1.0, 0.0])
    angle = start[:, :1] * TAU / 3
    assert torch.allclose(
        convection(start, **numbers), 2 + 0.5 * angle.cos() + angle.sin() - 0.3 * (2 * angle).sin(), atol=1e-14
    )
    assert torch.allclose(convection(at, beta=30.0), torch.sin(at[:, :1] - 30 * at[:, 1:]), atol=1e-12)


@pytest.mark.parametrize(
    "numbers", [dict(c=70.0), dict(c=-3.0, nu=0.05, amplitude=2.0, period=1.0, modes=512, until=0.3)]
)
def test_the_spectral_front_is_that_of_cole_and_hopf(numbers):
    at = points(300, numbers.get("until", 1.0), numbers.get("period", TAU))
    found = burgers_front(at, **numbers)
    integral = cole_hopf_front(at, **{name: value for name, value in numbers.items() if name not in ("until", "modes")})
    assert (found - integral).abs().max() < 1e-6
    assert (found - numbers["c"]).abs().max() > 0.3


def test_the_front_solves_burgers_equation():
    nu, at = 0.02, points(40) * torch.tensor([1.0, 0.8]) + torch.tensor([0.0, 0.1])
    h = 1e-3  # fourth-order differences of the Cole-Hopf integral
    weights = {
        -2: (1 / 12, -1 / 12),
        -1: (-8 / 12, 16 / 12),
        0: (0, -30 / 12),
        1: (8 / 12, 16 / 12),
        2: (-1 / 12, -1 / 12),
    }

    def u(dx, dt):
        return cole_hopf_front(at + h * torch.tensor([dx, dt]), c=3.0, nu=nu)

    ux = sum(w[0] * u(k, 0) for k, w in weights.items()) / h
    ut = sum(w[0] * u(0, k) for k, w in weights.items()) / h
    uxx = sum(w[1] * u(k, 0) for k, w in weights.items()) / h**2
    assert (ut + u(0, 0) * ux - nu * uxx).abs().max() < 1e-4 * ut.abs().max()


def test_characteristics_meet_when_they_must():
    def wave(x):
        return 4 + 2 * torch.sin(3 * x)

    assert shock_time(lambda u, x, t: u, wave, period=TAU, until=0.2, steps=24, labels=128) == pytest.approx(
        1 / 6, rel=2e-3
    )
    assert shock_time(lambda u, x, t: u**2, torch.sin, period=TAU, until=1.1, steps=24, labels=128) == pytest.approx(
        1.0, rel=2e-3
    )
    assert shock_time(lambda u, x, t: u, wave, period=TAU, until=0.16, steps=24, labels=128) is None
    assert shock_time(lambda u, x, t: 50.0, wave, period=TAU, until=9.0, steps=24, labels=128) is None
    # u_t + u u_x = -u: u = u0 exp(-t), x = xi + u0 (1 - exp(-t)), so x_xi = 0 at -log(1 + 1 / min u0')
    damped = shock_time(lambda u, x, t: u, wave, period=TAU, until=0.3, steps=24, labels=128, reaction=lambda u: -u)
    assert damped == pytest.approx(-math.log(1 - 1 / 6), rel=2e-3)


def test_what_has_no_answer_is_refused():
    at = points(3)
    with pytest.raises(DomainError, match="modes"):
        burgers_front(at, c=0.0, nu=1e-4, modes=256)
    with pytest.raises(DomainError, match="times"):
        burgers_front(at + 1, c=0.0)
    with pytest.raises(DomainError, match="nu"):
        cole_hopf_front(at, c=0.0, nu=0.0)
    with pytest.raises(DomainError, match="nu"):
        convection(at, beta=1.0, nu=-1.0)
