"""Taylor tensors of a network are its nested derivatives, and those of the scattering length its Born kernels."""

import itertools

import pytest
import torch
from torch import nn

from surrogates.derivatives import taylor_tensor
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.scattering_length import born_terms, scattering_length


def test_tensors_of_a_network_are_nested_derivatives():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 12), nn.SiLU(), nn.Linear(12, 2)).double()
    x0, derivative, factorial = torch.randn(4, dtype=torch.float64), lambda x: net(x[None])[0], 1
    found = taylor_tensor(net, x0, 4)
    for k in range(5):
        factorial *= max(k, 1)
        torch.testing.assert_close(found[k], derivative(x0) / factorial, rtol=1e-10, atol=1e-10)
        derivative = torch.func.jacfwd(derivative)


def test_series_converges_to_the_network():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x0, h = torch.zeros(3, dtype=torch.float64), 0.05 * torch.randn(3, dtype=torch.float64)
    value, errors = 0.0, []
    for t in taylor_tensor(net, x0, 5):
        for _ in range(t.ndim - 1):
            t = t @ h
        value = value + t
        errors.append((value - net((x0 + h)[None])[0]).abs().item())
    assert all(b < 0.3 * a for a, b in itertools.pairwise(errors)), errors


def test_born_kernels_come_out_of_the_exact_scattering_length():
    zero, (first, second) = torch.zeros(5, dtype=torch.float64), born_terms(5)
    found = taylor_tensor(scattering_length, zero, 2)
    torch.testing.assert_close(found[1][0], first, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found[2][0], second, rtol=1e-12, atol=1e-14)


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="one point"):
        taylor_tensor(torch.tanh, torch.zeros(2, 3), 2)
    with pytest.raises(DomainError, match="90858768 directions"):
        taylor_tensor(torch.sin, torch.zeros(60), 6)
    with pytest.raises(DomainError, match="order 7"):
        taylor_tensor(torch.tanh, torch.zeros(3), 7)
