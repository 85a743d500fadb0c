"""The Price of Freedom: how many bilinear maps, and which degrees interact, measured and in closed form."""

import pytest

from surrogates.equivariance.irreps import ChannelIrreps, natural_irreps
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid, rebound
from surrogates.equivariance.products.expressivity import allowed, expressivity, interactions, matrix_couplings

TEMPLATES = [ClebschGordan(), SO2(), SO2(m_max=1), Gaunt(), SphericalGrid(), CPDecomposed(rank="full")]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("irreps", [natural_irreps(1), natural_irreps(2), "both"], ids=["1", "2", "both"])
def test_rank_of_the_jacobian_equals_the_closed_form(template, irreps, kit):
    irreps = kit.both if irreps == "both" else irreps
    product = rebound(template, ChannelIrreps(irreps, 1), max(l for l, _ in irreps), irreps).double()
    assert expressivity(product) == product.expressivity


@pytest.mark.parametrize("l_max", [2, 3])
def test_closed_forms(l_max, kit):
    """Paths for the full product; 3 (L + 1) - 2 for functions; (l1, l3, m) for SO(2); one for shared weights."""
    spaces, even = kit.natural(l_max, 1), allowed(l_max, l_max, l_max, even=True)
    assert ClebschGordan(*spaces).expressivity == len(even)
    assert Gaunt(*spaces).expressivity == SphericalGrid(*spaces).expressivity == 3 * l_max + 1
    degrees = range(l_max + 1)
    assert SO2(*spaces).expressivity == sum(min(a, b) + 1 for a in degrees for b in degrees)
    assert SO2(*spaces, m_max=1).expressivity == sum(min(a, b, 1) + 1 for a in degrees for b in degrees)
    assert CPDecomposed(*spaces).expressivity == 1


def test_which_degrees_interact(kit):
    natural, both = kit.natural(2, 1), (ChannelIrreps(kit.both, 1), 2, kit.both)
    even, every = allowed(2, 2, 2, even=True), allowed(2, 2, 2)
    assert interactions(ClebschGordan(*natural)) == even
    assert interactions(Gaunt(*natural)) == interactions(SphericalGrid(*natural)) == even
    assert interactions(SO2(*natural)) == allowed(2, 4, 2, even=True)  # harmonics beyond l_max come for free
    assert interactions(CPDecomposed(*natural, rank="full").double()) == even
    assert interactions(ClebschGordan(*both)) == every
    assert interactions(Gaunt(*both)) == interactions(SphericalGrid(*both)) == even  # no cross products, ever


def test_products_of_matrices_have_every_path_up_to_degree_two():
    """As in TensorNet: antisymmetric parts included, but with fixed numbers."""
    found = matrix_couplings()
    assert set(found) == allowed(2, 2, 2)
    assert min(abs(number) for number in found.values()) > 0.1
