"""The chooser: it measures, ranks, and never takes what is not good enough."""

import pytest
import torch

from surrogates.blocks.cheapest_product import KERNEL, cheapest
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid
from surrogates.physics.errors import DomainError

SPACES = ("8x0e + 8x1o + 8x2e", 2, "0e + 1o + 2e")
EAGER = [ClebschGordan(), SO2(), SO2(m_max=1), Gaunt(), SphericalGrid(), CPDecomposed(rank=20)]


def test_the_fastest_that_is_good_enough():
    choice = cheapest(*SPACES, among=EAGER, edges=64)
    times = [m.time for m in choice.measured]
    assert times == sorted(times)
    assert min(times) > 0
    good = [m for m in choice.measured if m.expressivity >= 11 and m.equivariance_error <= 1e-6]
    assert choice.best is good[0]
    assert {m.name for m in good} == {"ClebschGordan", "SO2", "SO2(m_max=1)"}
    assert choice.best.product in EAGER
    assert "<-" in str(choice)


def test_less_expressive_and_approximate_products_on_request_only():
    anything = cheapest(*SPACES, among=EAGER, edges=64, expressivity=1, max_error=1.0)
    assert anything.best is anything.measured[0]
    by_name = {m.name: m for m in anything.measured}
    assert by_name["Gaunt"].time > by_name["SphericalGrid"].time  # the paper's point: same map, smaller transforms
    assert by_name["CPDecomposed(rank=20)"].equivariance_error > 1e-3
    with pytest.raises(DomainError, match=r"reaches expressivity 11.*Gaunt has 7"):
        cheapest(*SPACES, among=[Gaunt(), CPDecomposed()], edges=64)


def test_products_that_do_not_take_the_irreps_are_left_out():
    choice = cheapest("4x0e", 0, "0e", edges=16)  # SO2 reads directions from degree 1
    assert "SO2" not in {m.name for m in choice.measured}
    with pytest.raises(DomainError, match="SO\\(2\\)"):
        cheapest("4x0e", 0, "0e", among=[SO2()], edges=16)
    with pytest.raises(DomainError, match="at least one edge"):
        cheapest("4x0e", 0, "0e", edges=0)


def test_the_fused_kernel_is_a_candidate_with_all_paths():
    choice = cheapest(
        "4x0e + 4x1o", 1, "0e + 1o", among=[None, ClebschGordan()], edges=64, like=torch.empty(0).double()
    )
    assert {m.name: m.expressivity for m in choice.measured} == {KERNEL: 4, "ClebschGordan": 4}
    assert next(m.product for m in choice.measured if m.name == KERNEL) is None
