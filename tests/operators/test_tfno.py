"""The tensorised operator: dense at full rank, small at low rank, its blocks and norms, its file."""

import pytest
import torch

from surrogates.blocks.field_norms import AdaptiveInstanceNorm
from surrogates.construct import construct, describe
from surrogates.operators.tfno import TFNO
from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import cp_als, hooi, tt_svd

SHAPE = (6, 6, 6, 4)  # of the dense weights: in, out, two axes of frequencies


def operator(**changes):
    torch.manual_seed(0)
    given = {"dim": 2, "modes": (3, 4), "width": 6, "in_channels": 1, "out_channels": 2, "depth": 2}
    return TFNO(**{**given, **changes}).double()


def field(*points, channels=1):
    return torch.randn(2, channels, *points, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("form", ["tucker", "tt"])
def test_full_rank_factors_reproduce_the_dense_operator(form):
    dense = operator(factorization="dense")
    decomposed = {"tucker": lambda w: hooi(w, SHAPE).factors, "tt": lambda w: tt_svd(w, 1000).factors}[form]
    model = operator(factorization=form, rank={"tucker": SHAPE, "tt": (6, 24, 4)}[form])
    state = {k: v for k, v in dense.state_dict().items() if "spectral" not in k}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    for block, source in zip(model.blocks, dense.blocks, strict=True):
        block.spectral.weights.set(decomposed(source.spectral.weights.dense().detach()))
    u = field(8, 11)
    torch.testing.assert_close(model(u), dense(u), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", ["tucker", "cp", "tt"])
def test_a_tenth_of_the_parameters(form):
    count = {}
    for name in (form, "dense"):
        blocks = operator(factorization=name, rank=0.1, modes=6, width=16).blocks
        count[name] = sum(p.numel() for block in blocks for p in block.spectral.parameters())
    assert count["dense"] == 2 * 2 * 16 * 16 * 12 * 6
    assert count[form] == pytest.approx(0.1 * count["dense"], rel=0.1)


@pytest.mark.parametrize("block", ["postactivation", "preactivation"])
@pytest.mark.parametrize("norm", ["", " + instance", " + group", " + adaptive"])
def test_blocks_and_norms(block, norm):
    model = operator(block=block + norm, n_parameters=1, positions=False)
    for module in model.modules():
        if isinstance(module, AdaptiveInstanceNorm):
            torch.nn.init.normal_(module.style[2].weight)
    u, nu = field(9, 12), torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    out = model(u, nu)
    assert out.std() > 1e-2
    torch.testing.assert_close(model(u.roll((4, 5), (2, 3)), nu), out.roll((4, 5), (2, 3)), rtol=0, atol=1e-12)
    torch.testing.assert_close(model(u[1:], nu[1:]), out[1:], rtol=0, atol=1e-12)
    assert (model(u, nu.flip(0)) - out).abs().max() > 1e-3
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.parametrize("block", ["postactivation", "preactivation"])
def test_first_and_second_derivatives(block):
    model = operator(block=block, width=2, modes=2, rank=0.5)
    u = torch.randn(1, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, u, fast_mode=True)
    assert torch.autograd.gradgradcheck(model, u, fast_mode=True)
    names, values = zip(*model.named_parameters(), strict=True)

    def of_weights(*given):
        return torch.func.functional_call(model, dict(zip(names, given, strict=True)), (u.detach(),)).square().sum()

    assert torch.autograd.gradcheck(of_weights, values, fast_mode=True)


def test_an_adaptive_norm_obeys_its_parameters():
    norm = AdaptiveInstanceNorm(3, 2).double()
    u, nu = 5 + 2 * field(8, 9, channels=3), torch.ones(2, 2, dtype=torch.float64)
    plain = norm(u, nu)
    torch.testing.assert_close(plain.mean((2, 3)), torch.zeros(2, 3, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        plain.std((2, 3), correction=0), torch.ones(2, 3, dtype=torch.float64), rtol=0, atol=1e-4
    )
    norm.style[2].bias.data[:] = torch.tensor([1.0, 1, 1, 7, 8, 9]).double()
    torch.testing.assert_close(norm(u, nu), 2 * plain + torch.tensor([7.0, 8, 9]).double().view(3, 1, 1))


@pytest.mark.parametrize("form", ["tucker", "cp", "tt", "dense"])
def test_construct_makes_the_same_operator(form):
    model = operator(factorization=form, rank=0.2, block="preactivation + group", padding=0.1)
    again = construct(describe(model)).double()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(field(9, 8)), model(field(9, 8)))


def test_one_and_three_dimensions():
    for points in ((17,), (6, 7, 9)):
        model = operator(dim=len(points), modes=2, rank=0.3)
        assert model(field(*points)).shape == (2, 2, *points)


def test_error_of_cut_weights_falls_with_rank():
    dense = operator(factorization="dense", depth=1)
    weight = dense.blocks[0].spectral.weights.dense().detach()
    errors = [hooi(weight, tuple(max(1, d * k // 4) for d in SHAPE)).error for k in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-12 < errors[-2]
    assert cp_als(weight, 4, sweeps=20).error < 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factorization": "tuker"}, "'tucker', 'cp', 'tt' or 'dense'"),
        ({"block": "postactivation + batch"}, "block='postactivation [+] batch' is unknown"),
        ({"block": "postactivation + adaptive"}, "n_parameters of at least 1"),
        ({"rank": 2.0}, "above 0 and up to 1.0"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(DomainError, match=message):
        operator(**changes)
