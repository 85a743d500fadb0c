"""Spherical harmonics as polynomials against e3nn's, in value and gradient."""

import pytest
import torch
from e3nn import o3

from surrogates.equivariance.harmonics import SphericalHarmonics


@pytest.mark.parametrize("l_max", [0, 1, 2, 4])
def test_equals_e3nn(l_max):
    unit = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    ours, theirs = unit.clone().requires_grad_(), unit.clone().requires_grad_()
    value = SphericalHarmonics(l_max)(ours)
    expected = o3.spherical_harmonics(list(range(l_max + 1)), theirs, normalize=False, normalization="component")
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    weight = torch.randn(value.shape, generator=torch.Generator().manual_seed(1)).double()
    for x, y in ((ours, value), (theirs, expected)):
        (y * weight + 0 * x.sum()).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-11)


def test_float32_tables_are_rounded_from_the_exact_ones():
    unit = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    harmonics = SphericalHarmonics(3)
    torch.testing.assert_close(harmonics.double()(unit.double()).float(), harmonics.float()(unit), rtol=0, atol=1e-5)


@pytest.mark.parametrize("l_max", [1, 3])
def test_native_code_equals_its_twin_with_two_derivatives(l_max):
    harmonics = SphericalHarmonics(l_max)
    unit = torch.nn.functional.normalize(torch.randn(9, 3, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    unit.requires_grad_()
    found = []
    for function in (harmonics._native, harmonics._eager):
        value = function(unit)
        [first] = torch.autograd.grad(value.pow(3).sum(), unit, create_graph=True)
        found.append((value, first, torch.autograd.grad(first.pow(2).sum(), unit)[0]))
    for one, other in zip(*found, strict=True):
        assert other.abs().max() > 1
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-10)
