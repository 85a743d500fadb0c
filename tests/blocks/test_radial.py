"""Bases and cutoffs: exactly zero beyond r_max, no NaN in any derivative, smooth at r_max."""

import math

import pytest
import torch

from surrogates.blocks.radial import bessel, cosine_cutoff, exp_normal, exp_normal_parameters, polynomial_cutoff

R_MAX = 5.0
CUTOFFS = {
    "cosine": (lambda r: cosine_cutoff(r, R_MAX), 1),
    "polynomial 5": (lambda r: polynomial_cutoff(r, R_MAX, 5), 2),
    "polynomial 6": (lambda r: polynomial_cutoff(r, R_MAX, 6), 2),
}


def derivative(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


@pytest.mark.parametrize("name", CUTOFFS)
def test_zero_with_all_derivatives_beyond_r_max(name):
    cutoff, _ = CUTOFFS[name]
    r = torch.tensor([5.0, 5.0 + 1e-9, 5.7, 80.0], dtype=torch.float64, requires_grad=True)
    value = cutoff(r)
    first = derivative(value, r)
    second = derivative(first, r)
    assert torch.equal(torch.cat([value, first, second]), torch.zeros(12, dtype=torch.float64))


@pytest.mark.parametrize("name", CUTOFFS)
def test_one_at_zero_and_smooth_at_r_max(name):
    cutoff, order = CUTOFFS[name]
    r = torch.tensor([1e-9, R_MAX - 1e-6], dtype=torch.float64, requires_grad=True)
    value = cutoff(r)
    torch.testing.assert_close(value[0].item(), 1.0, rtol=0, atol=1e-8)
    for _ in range(order + 1):
        assert value[1].abs() < 1e-4
        value = derivative(value, r)


def test_bessel_functions_are_orthonormal():
    r = torch.linspace(0, R_MAX, 4001, dtype=torch.float64)[1:]
    basis = bessel(r, R_MAX, 6) * r[:, None]  # the measure is r^2 dr; the integrand vanishes at both ends
    overlap = basis.T @ basis * (R_MAX / 4000)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)


def test_exp_normal_peaks_at_its_means():
    means, betas = exp_normal_parameters(R_MAX, 16, alpha=5 / R_MAX)
    r = -torch.log(means) * R_MAX / 5
    basis = exp_normal(r, means, betas, 5 / R_MAX)
    torch.testing.assert_close(basis.diagonal(), torch.ones(16, dtype=torch.float64))
    assert math.isclose(means[0].item(), math.exp(-5), rel_tol=1e-12)


def test_float32_agrees_with_float64():
    r = torch.linspace(0.5, 6.0, 300, dtype=torch.float64)
    for cutoff, _ in CUTOFFS.values():
        torch.testing.assert_close(cutoff(r.float()).double(), cutoff(r), rtol=0, atol=2e-6)
    torch.testing.assert_close(bessel(r.float(), R_MAX, 8).double(), bessel(r, R_MAX, 8), rtol=0, atol=1e-5)
