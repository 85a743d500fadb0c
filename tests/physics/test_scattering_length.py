"""Scattering lengths against a square well's closed form, a finer solution, and the Born kernels as derivatives."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

from surrogates.physics.solutions.scattering_length import born_terms, scattering_length


@pytest.mark.parametrize("depth", [0.3, 1.0, 2.0])
def test_square_well_and_barrier(depth):
    k = math.sqrt(depth)
    wells = torch.tensor([[-depth], [depth]], dtype=torch.float64).expand(2, 5)
    expected = torch.tensor([[1 - math.tan(k) / k], [1 - math.tanh(k) / k]], dtype=torch.float64)
    torch.testing.assert_close(scattering_length(wells), expected, rtol=1e-12, atol=1e-12)


def test_shells_against_the_radial_equation():
    torch.manual_seed(0)
    shells = torch.randn(1, 4, dtype=torch.float64)
    state = [0.0, 1.0]
    for i, w in enumerate(shells[0].tolist()):
        state = solve_ivp(lambda _, y, w=w: [y[1], w * y[0]], (i / 4, (i + 1) / 4), state, rtol=1e-12, atol=1e-13).y[
            :, -1
        ]
    assert scattering_length(shells).item() == pytest.approx(1 - state[0] / state[1], rel=1e-9)


def test_born_kernels_are_the_first_two_derivatives_at_zero():
    def a(potential):
        return scattering_length(potential[None])[0, 0]

    zero, (first, second) = torch.zeros(6, dtype=torch.float64), born_terms(6)
    torch.testing.assert_close(torch.autograd.functional.jacobian(a, zero), first, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(torch.autograd.functional.hessian(a, zero) / 2, second, rtol=1e-13, atol=1e-15)
    assert first.sum().item() == pytest.approx(1 / 3)  # int r^2 dr
    assert second.sum().item() == pytest.approx(-2 / 15)  # - int int r s min(r, s)
