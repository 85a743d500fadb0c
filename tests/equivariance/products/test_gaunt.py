"""Products of functions on the sphere: Fourier series = grid = Clebsch-Gordan with Gaunt numbers."""

import math

import pytest
import torch
from e3nn import o3

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products import SO2, ClebschGordan, Gaunt, SphericalGrid
from surrogates.equivariance.products.gaunt_weights import gaunt_to_clebsch_gordan
from surrogates.equivariance.products.so2_weights import so2_weights
from surrogates.equivariance.products.sphere_functions import gaunt_ratio
from surrogates.equivariance.sphere_grid import SphereGrid
from surrogates.equivariance.torus_fourier import TorusFourier


@pytest.mark.parametrize("l_max", [1, 3, 8])
def test_fourier_grid_and_clebsch_gordan_agree(l_max, kit):
    inputs, _, outputs = kit.natural(l_max)
    gaunt, grid, full = (P(inputs, l_max, outputs[::-1][::3]) for P in (Gaunt, SphericalGrid, ClebschGordan))
    x, y, w = kit.arguments(gaunt)
    expected = kit.merged(full, full(x, y, gaunt_to_clebsch_gordan(gaunt, full, w)))
    for product in (gaunt, grid):
        for irrep, rows in kit.merged(product, product(x, y, w)).items():
            assert rows.abs().max() > 0.1
            torch.testing.assert_close(rows, expected[irrep], rtol=0, atol=1e-10)


def test_they_agree_for_pseudotensors_and_in_frames_of_edges(kit):
    """Aligned with the edge, the same map is an SO(2) product: the use that the paper makes of eSCN."""
    irreps = ChannelIrreps(kit.both, 2)
    gaunt, grid, full, aligned = (P(irreps, 3, kit.both) for P in (Gaunt, SphericalGrid, ClebschGordan, SO2))
    x, y, w = kit.arguments(gaunt)
    weights = gaunt_to_clebsch_gordan(gaunt, full, w)
    expected = kit.merged(full, full(x, y, weights))
    for product, given in ((gaunt, w), (grid, w), (aligned, so2_weights(aligned, full, weights))):
        for irrep, rows in kit.merged(product, product(x, y, given)).items():
            torch.testing.assert_close(rows, expected[irrep], rtol=0, atol=1e-10)


def test_gaunt_numbers_are_those_of_the_3j_symbols():
    for l1, l2, l3 in ((0, 0, 0), (1, 1, 0), (1, 1, 2), (2, 3, 3), (4, 2, 4), (5, 6, 7)):
        if (l1 + l2 + l3) % 2 == 0:
            middle = abs(float(o3.wigner_3j(l1, l2, l3, dtype=torch.float64)[l1, l2, l3]))  # |3j(0 0 0)|
            expected = math.sqrt((2 * l1 + 1) * (2 * l2 + 1)) * middle
            assert abs(gaunt_ratio(l1, l2, l3)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("transform", [TorusFourier(2), SphereGrid(3)], ids=["fourier", "grid"])
def test_antisymmetric_paths_are_zero(transform):
    """1 x 1 -> 1 is a cross product, and no product of functions: v w is v . w and a symmetric traceless part."""
    assert gaunt_ratio(1, 1, 1) == gaunt_ratio(2, 2, 1) == gaunt_ratio(1, 2, 2) == 0.0
    v, w = torch.randn(2, 9, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    product = transform.values(v, (1,)) * transform.values(w, (1,))
    assert transform.coefficients(product, (1,)).abs().max() < 1e-14
    dot = transform.coefficients(product, (0,))
    torch.testing.assert_close(dot, (v * w).sum(dim=1, keepdim=True), rtol=0, atol=1e-13)
    outputs = Gaunt(ChannelIrreps(((1, -1),), 1), 1, ((0, 1), (1, 1), (2, 1))).outputs
    assert outputs == (((0, 1), 1), ((2, 1), 1))  # 1e is left out: the full product has it
    assert ((1, 1), 1) in ClebschGordan(ChannelIrreps(((1, -1),), 1), 1, ((0, 1), (1, 1), (2, 1))).outputs


def test_many_factors_without_leaving_fourier_space(kit):
    """nu-fold powers: one transform a factor, products there, one transform back; against products two by two."""
    l, degrees = 2, (0, 1, 2)
    factors = torch.randn(4, 5, 9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for nu in (2, 3, 4):
        torus, grid = TorusFourier(nu * l), SphereGrid(nu * l + l)
        found = []
        for transform in (torus, grid):
            product = transform.values(factors[0], degrees)
            for factor in factors[1:nu]:
                product = product * transform.values(factor, degrees)
            found.append(transform.coefficients(product, degrees))
        chained, have = factors[0], degrees
        for n, factor in enumerate(factors[1:nu], start=2):
            wanted = degrees if n == nu else tuple(range(n * l + 1))
            chained = _multiplied(chained, have, factor, degrees, wanted)
            have = wanted
        for result in found:
            torch.testing.assert_close(result, chained, rtol=0, atol=1e-10)


def _multiplied(a, degrees_a, b, degrees_b, wanted):
    """Product of functions through every Clebsch-Gordan path with its Gaunt number."""
    from surrogates.equivariance.couplings import wigner_3j

    found = []
    for l3 in wanted:
        total = torch.zeros(len(a), 2 * l3 + 1, a.shape[2], dtype=a.dtype)
        for l1 in degrees_a:
            for l2 in degrees_b:
                if number := gaunt_ratio(l1, l2, l3):
                    w3j = torch.from_numpy(wigner_3j(l1, l2, l3)) * math.sqrt(2 * l3 + 1) * number
                    left, right = (f[:, l * l : (l + 1) ** 2] for f, l in ((a, l1), (b, l2)))
                    total = total + torch.einsum("eic,ejc,ijk->ekc", left, right, w3j)
        found.append(total)
    return torch.cat(found, dim=1)


@pytest.mark.parametrize("degree", [0, 1, 4, 9])
def test_the_grid_is_exact_to_its_degree_and_no_further(degree):
    low = degree // 2
    degrees = tuple(range(low + 1))
    x = torch.randn(3, (low + 1) ** 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grid = SphereGrid(degree)
    values = grid.values(x, degrees)
    torch.testing.assert_close(grid.coefficients(values, degrees), x, rtol=0, atol=1e-13)
    above = degree + 1  # the average of its own harmonic of m = above is aliased
    alias = torch.zeros(1, 2 * above + 1, 1, dtype=torch.float64)
    alias[0, -1] = 1.0
    assert grid.values(alias, (above,)).mean().abs() > 1e-3 or grid.rings > 1
    assert grid.coefficients(grid.values(alias, (above,)), (0,)).abs().max() > 1e-3


def test_a_fourier_series_has_the_frequencies_of_its_degree_and_order():
    series = TorusFourier(4).series(torch.eye(25, dtype=torch.float64)[:, :, None], (0, 1, 2, 3, 4))[..., 0]
    u = torch.arange(-4, 5)
    for l in range(5):
        for m in range(-l, l + 1):
            found = series[l * l + l + m]
            assert found[abs(m)].abs().max() > 1e-3
            assert found[torch.arange(5) != abs(m)].abs().max() < 1e-15
            assert found[:, u.abs() > l].abs().sum() < 1e-14
