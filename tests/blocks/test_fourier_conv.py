"""The spectral convolution against sums written out, fast transforms, and its own laws."""

import itertools
import math

import pytest
import torch

from surrogates.blocks import truncated_fourier
from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.frequencies import Frequencies
from surrogates.blocks.spectral_weights import Dense
from surrogates.blocks.truncated_fourier import analyse, synthesise
from surrogates.physics.errors import DomainError

GRIDS = [((11,), (4,)), ((12,), (7,)), ((12, 9), (6, 5)), ((8, 10), (3, 6)), ((5, 6, 7), (2, 3, 4))]


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=["matrix", "fft"])
def route(request, monkeypatch):
    monkeypatch.setattr(truncated_fourier, "by_matrix", lambda *_: request.param == "matrix")


@pytest.mark.parametrize(("points", "modes"), GRIDS)
def test_transforms_are_those_of_the_fft(points, modes, route):
    kept = Frequencies.lowest(modes)
    u = torch.randn(2, 3, *points)
    axes = tuple(range(2, u.ndim))
    whole = torch.fft.rfftn(u, dim=axes, norm="forward")
    places = torch.meshgrid(*(torch.tensor(a) % n for a, n in zip(kept.axes, points, strict=True)), indexing="ij")
    spectrum = analyse(u, kept)
    torch.testing.assert_close(spectrum, whole[(..., *places)], rtol=0, atol=1e-14)
    mixed = torch.randn_like(spectrum)
    padded = torch.zeros_like(whole)
    padded[(..., *places)] = mixed
    expected = torch.fft.irfftn(padded, s=points, dim=axes, norm="forward")
    torch.testing.assert_close(synthesise(mixed, kept, points), expected, rtol=0, atol=1e-12)


def test_convolution_is_the_sum_of_the_paper(route):
    layer = FourierConv(2, 3, (2, 3))
    weight = layer.weights.dense()
    u = torch.randn(1, 2, 5, 7)
    x = [torch.arange(n) / n for n in u.shape[2:]]
    expected = torch.zeros(1, 3, 5, 7)
    for (i, f), (j, g) in itertools.product(enumerate((0, 1, -2, -1)), enumerate((0, 1, 2))):
        wave = torch.exp(2j * math.pi * (f * x[0][:, None] + g * x[1]))
        coefficient = (u * wave.conj()).mean((2, 3))
        mixed = torch.einsum("io,bi->bo", weight[:, :, i, j], coefficient)
        expected += (1 if g == 0 else 2) * (mixed[:, :, None, None] * wave).real
    torch.testing.assert_close(layer(u), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kept", [Frequencies.lowest((3, 4)), Frequencies.symmetric((3, 4))])
def test_every_grid_gives_the_same_function(kept):
    weights = Dense(1, 1, (3, 4))
    weights.frequencies = kept
    weights.weight.data = torch.randn(math.prod(kept.shape), 1, 1, 2)
    layer = FourierConv(1, 1, (3, 4), weights)

    def field(n, m):
        x, y = torch.meshgrid(torch.arange(n) / n, torch.arange(m) / m, indexing="ij")
        tau = 2 * math.pi
        return (1 + torch.sin(tau * (x - 2 * y)) + torch.cos(tau * (2 * x + 3 * y + 0.1)))[None, None]

    coarse, fine = layer(field(8, 9)), layer(field(64, 45))
    assert coarse.std() > 0.1
    torch.testing.assert_close(fine[..., ::8, ::5], coarse, rtol=0, atol=1e-13)


def test_first_and_second_derivatives(route):
    layer = FourierConv(2, 1, (2, 3))
    u = torch.randn(1, 2, 5, 6, requires_grad=True)
    assert torch.autograd.gradcheck(layer, u)
    assert torch.autograd.gradgradcheck(lambda u: layer(u).tanh(), u)
    weight = layer.weights.weight

    def of_weight(w):
        return torch.func.functional_call(layer, {"weights.weight": w}, (u.detach(),)).square()

    assert torch.autograd.gradcheck(of_weight, weight)
    assert torch.autograd.gradgradcheck(of_weight, weight)


def test_start_has_the_stated_spread():
    weight = Dense(24, 40, (8, 9)).dense().detach()
    assert weight.abs().square().mean().sqrt().item() == pytest.approx(math.sqrt(2 / 64), rel=0.01)
    assert weight.real.std().item() == pytest.approx(weight.imag.std().item(), rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_keeps_its_type(dtype):
    layer = FourierConv(1, 1, (3,)).float()
    u = torch.randn(1, 1, 16)
    expected = layer(u.float())
    torch.testing.assert_close(layer(u.to(dtype)).float(), expected, rtol=0, atol=3e-2)
    assert layer(u.to(dtype)).dtype == dtype


def test_works_first_without_gradients_and_then_with_them():
    layer = FourierConv(1, 1, (2,))
    u = torch.randn(1, 1, 13)
    with torch.inference_mode():
        before = layer(u)
    after = layer(u)
    after.sum().backward()
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FourierConv(1, 1, (4,))(torch.randn(1, 1, 5)), "give a finer grid, at least 6 points"),
        (lambda: FourierConv(1, 1, (4, 2))(torch.randn(1, 1, 7, 9)), "up to 4 are kept along axis 0"),
        (lambda: FourierConv(1, 1, (2,))(torch.randn(1, 2, 9)), "1 channels"),
        (lambda: FourierConv(1, 1, (2, 2))(torch.randn(1, 1, 9)), "2 axes of space"),
        (lambda: FourierConv(1, 1, (0, 2)), "whole number from 1 up"),
        (lambda: FourierConv(1, 1, (2,) * 4), "one to three axes"),
        (lambda: FourierConv(1, 2, (2,), Dense(1, 1, (2,))), "do not fit a convolution 1 -> 2"),
        (lambda: FourierConv(1, 1, (2,), torch.nn.Linear(1, 1)), "no spectral weight"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(DomainError, match=message):
        build()
