"""eSCN: the full product by other means, whatever the roll, with weights that map both ways."""

import pytest
import torch

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products import SO2, ClebschGordan
from surrogates.equivariance.products.so2_weights import clebsch_gordan_weights, so2_weights
from surrogates.physics.errors import DomainError


def assert_same(product, full, weights_full, weights, kit):
    x, y, _ = kit.arguments(full)
    expected, got = kit.merged(full, full(x, y, weights_full)), kit.merged(product, product(x, y, weights))
    assert set(expected) <= set(got)
    for irrep, rows in expected.items():
        assert rows.abs().max() > 0.1
        torch.testing.assert_close(got[irrep], rows, rtol=0, atol=1e-10)


@pytest.mark.parametrize("l_max", [1, 2, 3, 4, 5, 6])
def test_equals_the_full_product_with_mapped_weights(l_max, kit):
    full, product = ClebschGordan(*kit.natural(l_max)), SO2(*kit.natural(l_max))
    weights = kit.arguments(full)[2]
    assert_same(product, full, weights, so2_weights(product, full, weights), kit)


@pytest.mark.parametrize("l_max", [1, 2, 3])
def test_equals_it_for_both_parities(l_max, kit):
    irreps = ChannelIrreps(kit.both, 2)
    full, product = ClebschGordan(irreps, l_max, kit.both), SO2(irreps, l_max, kit.both)
    weights = kit.arguments(full)[2]
    assert_same(product, full, weights, so2_weights(product, full, weights), kit)


@pytest.mark.parametrize("l_max", [1, 3, 5])
def test_weights_map_back_when_all_harmonics_are_there(l_max, kit):
    inputs, _, outputs = kit.natural(l_max)
    full, product = ClebschGordan(inputs, 2 * l_max, outputs), SO2(inputs, 2 * l_max, outputs)
    weights = kit.arguments(product)[2]
    back = clebsch_gordan_weights(full, product, weights)
    assert back.shape == weights.shape
    torch.testing.assert_close(so2_weights(product, full, back), weights, rtol=0, atol=1e-10)
    assert_same(product, full, back, weights, kit)


def test_no_mapping_is_invented(kit):
    full, product = ClebschGordan(*kit.natural(2)), SO2(*kit.natural(2))
    with pytest.raises(DomainError, match="l_max=4"):
        clebsch_gordan_weights(full, product, kit.arguments(product)[2])
    with pytest.raises(DomainError, match="m_max=1"):
        so2_weights(SO2(*kit.natural(2), m_max=1), full, kit.arguments(full)[2])


@pytest.mark.parametrize("m_max", [None, 0, 1, 2])
def test_the_roll_of_the_frames_does_not_matter(m_max, kit):
    product = SO2(ChannelIrreps(kit.both, 2), 3, kit.both, m_max)
    x, y, w = kit.arguments(product)
    rolled = product(x, y, w, torch.linspace(-3, 3, len(x), dtype=torch.float64))
    torch.testing.assert_close(rolled, product(x, y, w), rtol=0, atol=1e-12)


def test_cutting_orders_cuts_weights_and_changes_the_map(kit):
    inputs, l_max, outputs = kit.natural(3)
    everything, cut = SO2(inputs, l_max, outputs), SO2(inputs, l_max, outputs, m_max=1)
    assert cut.terms == [term for term in everything.terms if term[2] <= 1]
    x, y, w = kit.arguments(everything)
    kept = torch.tensor([m <= 1 for _, _, m in everything.terms]).repeat_interleave(2)
    silenced = everything(x, y, w * kept)
    got, expected = (kit.merged(p, rows) for p, rows in ((cut, cut(x, y, w[:, kept])), (everything, silenced)))
    for (irrep, rows), a, b in zip(expected.items(), cut.scales, everything.scales, strict=True):
        torch.testing.assert_close(got[irrep] / a, rows / b, rtol=0, atol=1e-12)


def test_float32_near_a_pole(kit):
    product = SO2(*kit.natural(4))
    x, y, w = kit.arguments(product)
    torch.testing.assert_close(product(x.float(), y.float(), w.float()).double(), product(x, y, w), rtol=0, atol=2e-5)
