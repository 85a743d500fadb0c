"""Factorised spectral weights: the same convolution as the dense weights they stand for, from fewer numbers."""

import math

import pytest
import torch

from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.spectral_weights import CPWeights, Dense, Depthwise, TrainWeights, TuckerWeights
from surrogates.construct import construct, describe
from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import cp_als, hooi, tt_svd

FORMS = [TuckerWeights, CPWeights, TrainWeights]
GRIDS = [((9,), (4,)), ((8, 11), (3, 4)), ((6, 5, 7), (2, 2, 3))]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("points", "modes"), GRIDS)
@pytest.mark.parametrize("rank", [0.1, 0.9])
def test_factors_and_the_rebuilt_weight_give_one_result(form, points, modes, rank):
    weights = form(3, 5, modes, rank=rank).double()
    layer = FourierConv(3, 5, modes, weights)
    u = torch.randn(2, 3, *points, dtype=torch.float64)
    spectrum = torch.randn(2, 3, *weights.frequencies.shape, dtype=torch.complex128)
    places = "xyz"[: len(points)]
    expected = torch.einsum(f"bi{places},io{places}->bo{places}", spectrum, weights.dense())
    torch.testing.assert_close(weights.contract(spectrum), expected, rtol=1e-10, atol=1e-12)
    rebuilt = Dense(3, 5, modes).double()
    rebuilt.set(weights.dense())
    torch.testing.assert_close(layer(u), FourierConv(3, 5, modes, rebuilt)(u), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("points", "modes"), GRIDS)
def test_decompositions_of_full_rank_reproduce_the_dense_layer(points, modes):
    dense = Dense(3, 4, modes).double()
    shape = dense.dense().shape
    u = torch.randn(2, 3, *points, dtype=torch.float64)
    expected = FourierConv(3, 4, modes, dense)(u)
    tucker = TuckerWeights(3, 4, modes, rank=list(shape)).double()
    tucker.set(hooi(dense.dense().detach(), shape).factors)
    exact = tt_svd(dense.dense().detach(), 1000).factors
    train = TrainWeights(3, 4, modes, rank=list(exact.ranks)).double()
    train.set(exact)
    for weights in (tucker, train):
        torch.testing.assert_close(FourierConv(3, 4, modes, weights)(u), expected, rtol=1e-10, atol=1e-11)


def test_components_that_are_found_give_the_layer_back():
    weights = CPWeights(3, 4, (2, 3), rank=2).double()
    again = CPWeights(3, 4, (2, 3), rank=2).double()
    again.set(cp_als(weights.dense().detach(), 2, generator=torch.Generator().manual_seed(0)).factors)
    assert (again.dense() - weights.dense()).norm() < 1e-4 * weights.dense().norm()


@pytest.mark.parametrize("form", FORMS)
def test_parameters_are_counted_by_the_formula(form):
    weights = form(16, 16, (6, 7), rank=0.2)
    stored = sum(p.numel() for p in weights.parameters())
    assert stored == 2 * weights.factorised().n_parameters
    assert stored == pytest.approx(0.2 * 2 * 16 * 16 * 12 * 7, rel=0.1)


@pytest.mark.parametrize("form", FORMS)
def test_start_has_the_spread_of_the_dense_weights(form):
    squares = [form(16, 24, (4, 5), rank=0.3).dense().abs().square().mean().item() for _ in range(40)]
    mean = sum(squares) / len(squares)
    assert mean == pytest.approx(2 / 40, rel=0.25)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_every_factor(form):
    weights = form(2, 3, (2, 2), rank=0.5).double()
    layer = FourierConv(2, 3, (2, 2), weights)
    u = torch.randn(1, 2, 5, 6, dtype=torch.float64)
    names, values = zip(*weights.named_parameters(), strict=True)

    def result(*given):
        named = {f"weights.{n}": v for n, v in zip(names, given, strict=True)}
        return torch.func.functional_call(layer, named, (u,))

    assert torch.autograd.gradcheck(result, values)
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(result(*values).square().sum(), values))


@pytest.mark.parametrize("form", [*FORMS, Dense])
def test_construct_makes_the_same_layer(form):
    layer = FourierConv(3, 4, (3, 3), form(3, 4, (3, 3)))
    again = construct(describe(layer))
    again.load_state_dict(layer.state_dict())
    u = torch.randn(1, 3, 9, 8)
    assert torch.equal(again(u), layer(u))


def test_depthwise_weights_keep_channels_apart():
    layer = FourierConv(3, 3, (3,), Depthwise(3, (3,))).double()
    u = torch.randn(1, 3, 9, dtype=torch.float64)
    changed = u.clone()
    changed[:, 0] += torch.randn(9, dtype=torch.float64)
    difference = (layer(changed) - layer(u)).abs().amax((0, 2))
    assert difference[0] > 1e-2
    assert difference[1:].max() < 1e-14
    spread = Depthwise(500, (4,)).weight.square().sum(-1).mean().sqrt().item()
    assert spread == pytest.approx(math.sqrt(1 / 500), rel=0.05)


def test_factors_of_other_ranks_are_refused():
    weights = TuckerWeights(3, 4, (2,), rank=2)
    with pytest.raises(DomainError, match="these weights hold"):
        weights.set(hooi(weights.dense().detach(), 1).factors)
