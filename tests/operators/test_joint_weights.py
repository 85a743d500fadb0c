"""One tensor for all layers: equal to separate ones when unfolded, its size, its start, gradients to every factor."""

import copy
import math

import pytest
import torch

from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.spectral_weights.joint import JointCP, JointTrain, JointTucker, LayerView
from surrogates.construct import construct, describe
from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import hooi, tt_svd

FORMS = [JointTucker, JointCP, JointTrain]
MODES = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}


def joint(form, dim=2, depth=3, rank=0.2):
    torch.manual_seed(0)
    return form(depth, 4, 5, MODES[dim], rank=rank).double()


def spectrum(weights, batch=2):
    shape = (batch, weights.in_channels, *weights.frequencies.shape)
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_each_layer_is_its_slice_of_the_unfolded_tensor(form, dim):
    weights = joint(form, dim)
    full, x = weights.factorised().full(), spectrum(weights)
    assert full.shape == (3, 4, 5, *weights.frequencies.shape)
    for layer in range(3):
        separate = torch.einsum("bi...,io...->bo...", x, full[layer])
        assert separate.abs().mean() > 0.1
        torch.testing.assert_close(LayerView(weights, layer).contract(x), separate, rtol=1e-12, atol=1e-12)


def test_full_ranks_hold_any_separate_weights():
    """A dense tensor of three layers, decomposed without loss, convolves as three dense layers do."""
    dense = torch.randn(3, 4, 5, 6, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(2))
    tucker = joint(JointTucker, rank=list(dense.shape))
    tucker.set(hooi(dense, list(dense.shape)).factors)
    train = tt_svd(dense, tolerance=1e-14).factors
    chain = joint(JointTrain, rank=list(train.ranks))
    chain.set(train)
    u = torch.randn(2, 4, 9, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for layer in range(3):
        alone = FourierConv(4, 5, (3, 4)).double()
        alone.weights.weight.data = torch.view_as_real(dense[layer].flatten(2).permute(2, 0, 1).contiguous())
        expected = alone(u)
        for weights in (tucker, chain):
            shared = FourierConv(4, 5, (3, 4), LayerView(weights, layer))
            torch.testing.assert_close(shared(u), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_number_of_parameters(form):
    """Complex numbers: prod r + sum d r of Tucker, r (1 + sum d) of CP, sum r d r of a train; near the fraction."""
    shape, rank = (4, 16, 16, 12, 6), 0.1
    weights = form(4, 16, 16, (6, 6), rank=rank)
    if form is JointTucker:
        expected = math.prod(weights.ranks) + sum(d * r for d, r in zip(shape, weights.ranks, strict=True))
    elif form is JointCP:
        expected = weights.rank * (1 + sum(shape))
    else:
        bonds = (1, *weights.ranks, 1)
        expected = sum(a * d * b for a, d, b in zip(bonds[:-1], shape, bonds[1:], strict=True))
    numbers = sum(p.numel() for p in weights.parameters())
    assert numbers == 2 * expected == 2 * weights.factorised().n_parameters
    assert numbers / (2 * math.prod(shape)) == pytest.approx(rank, rel=0.2)


@pytest.mark.parametrize("form", FORMS)
def test_the_start_has_the_spread_of_dense_weights(form):
    """E|w|^2 = 2 / (in + out), over draws: products of few normal numbers vary much."""
    torch.manual_seed(0)
    squares = [form(3, 8, 8, (4, 4), rank=0.3).factorised().full().abs().square().mean() for _ in range(40)]
    assert torch.stack(squares).mean().item() == pytest.approx(2 / 16, rel=0.3)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_every_factor_and_only_the_rows_in_use(form):
    weights = joint(form)
    LayerView(weights, 1).contract(spectrum(weights)).abs().square().sum().backward()
    for parameter in weights.parameters():
        assert parameter.grad.abs().sum() > 0
    (rows,) = [p.grad for p in weights.parameters() if p.shape[:-2] == (3,) or p.shape[:2] == (1, 3)]
    rows = rows.reshape(3, -1)
    assert (rows[[0, 2]] == 0).all()
    assert (rows[1] != 0).any()


@pytest.mark.parametrize("form", FORMS)
def test_views_own_nothing_and_follow_copies(form):
    network = torch.nn.ModuleDict({"joint": joint(form)})
    network["layers"] = torch.nn.ModuleList(LayerView(network["joint"], k) for k in range(3))
    assert {name.split(".")[0] for name in network.state_dict()} == {"joint"}
    other, x = copy.deepcopy(network), spectrum(network["joint"])
    for parameter in other["joint"].parameters():
        parameter.data.mul_(2)
    ratio = other["layers"][1].contract(x).abs().mean() / network["layers"][1].contract(x).abs().mean()
    assert ratio.item() == pytest.approx(2 ** len(list(network.parameters())))


@pytest.mark.parametrize("form", FORMS)
def test_construct_makes_the_same_form(form):
    weights = joint(form)
    again = construct(describe(weights)).double()
    again.load_state_dict(weights.state_dict())
    x = spectrum(weights)
    assert torch.equal(again.contract_layer(2, x), weights.contract_layer(2, x))


def test_a_train_spends_nothing_on_bonds_that_hold_nothing():
    """Full size without the cap: a bond of 4 layers is at most 4, however large the fraction."""
    for fraction in (0.9, 0.5, 0.1):
        weights = JointTrain(4, 16, 16, (6, 6), rank=fraction)
        assert weights.ranks[0] <= 4
        assert 0.85 * fraction < weights.factorised().n_parameters / (4 * 16 * 16 * 12 * 6) <= fraction


def test_bad_input():
    weights = joint(JointTucker)
    with pytest.raises(DomainError, match="layer 3 was asked for"):
        LayerView(weights, 3)
    with pytest.raises(DomainError, match="no weight of several layers"):
        LayerView(torch.nn.Linear(1, 1), 0)
    with pytest.raises(DomainError, match="depth=0"):
        joint(JointTucker, depth=0)
    with pytest.raises(DomainError, match="fraction of the dense parameters"):
        joint(JointCP, rank=1.5)
