"""The fused sum over neighbours against the one that stores every message, values and two derivatives."""

import pytest
import torch

import surrogates.blocks.bilinear_sum as module
from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.low_rank import LowRank
from surrogates.equivariance.irreps import channel_irreps, natural_irreps
from surrogates.kernels.native import usable

pytestmark = pytest.mark.skipif(not usable(torch.zeros(1)), reason="no C compiler here")


def inputs(irreps: str, convolution: EdgeConvolution, dtype: torch.dtype, rank: int | None):
    torch.manual_seed(0)
    shape = channel_irreps(irreps)
    edges = torch.randint(0, 6, (2, 40))  # unsorted, atoms without neighbours, an atom that is its own
    edges[0, edges[0] == 4] = 5
    n = convolution.n_weights
    arrays = [torch.randn(shape.dim, 6, shape.channels), torch.randn(40, 9)]
    arrays += [torch.randn(40, n)] if rank is None else [torch.randn(40, rank), torch.randn(rank, n)]
    return [x.to(dtype).requires_grad_() for x in arrays], edges


@pytest.mark.parametrize("irreps", ["4x0e", "8x0e + 8x1o", "3x0e + 3x1o + 3x2e"])
@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_fused_equals_message_by_message(irreps, rank, dtype, tolerance, monkeypatch):
    convolution = EdgeConvolution(channel_irreps(irreps), 2, natural_irreps(3)).to(dtype)
    arrays, edges = inputs(irreps, convolution, dtype, rank)

    def derivatives():
        h, y, *weights = arrays
        value = convolution(h, y, weights[0] if rank is None else LowRank(*weights), edges)
        leaves = [*arrays, *convolution.mix]
        first = torch.autograd.grad(value.square().sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(x.pow(3).sum() for x in first[: len(arrays)]), leaves, retain_graph=True)
        some = torch.autograd.grad(first[1].pow(3).sum(), arrays, retain_graph=True)  # only part is used, as in
        weights_only = torch.autograd.grad(first[2].pow(3).sum(), arrays)  # the loss of forces
        return value, *first, *second, *some, *weights_only

    fused = derivatives()
    monkeypatch.setattr(module, "usable", lambda *_: False)
    for one, other in zip(fused, derivatives(), strict=True):
        assert other.abs().max() > 0
        assert ((one - other).abs().max() / other.abs().max()).item() < tolerance


def test_many_tiles_and_threads_change_nothing(monkeypatch):
    """More atoms than fit in one tile; two threads share the channels."""
    torch.manual_seed(1)
    convolution = EdgeConvolution(channel_irreps("32x0e + 32x1o"), 2, natural_irreps(2)).double()
    edges = torch.randint(0, 50, (2, 1500))
    h, y = torch.randn(4, 50, 32).double().requires_grad_(), torch.randn(1500, 9).double().requires_grad_()
    weights = LowRank(torch.randn(1500, 3).double().requires_grad_(), torch.randn(3, convolution.n_weights).double())

    def slopes():
        value = convolution(h, y, weights, edges)
        return value, *torch.autograd.grad(value.square().sum(), [h, y, weights.left])

    one = slopes()
    monkeypatch.setattr("surrogates.kernels.parallel.torch.get_num_threads", lambda: 2)
    for a, b in zip(one, slopes(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-10)
    monkeypatch.setattr(module, "usable", lambda *_: False)
    for a, b in zip(one, slopes(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-9)


def test_arguments_in_any_memory_layout(monkeypatch):
    """A copy made inside would be cut off from the graph, and second derivatives would lose terms."""
    torch.manual_seed(2)
    convolution = EdgeConvolution(channel_irreps("4x0e + 4x1o"), 1, natural_irreps(1)).double()
    leaves = [torch.randn(s).double().requires_grad_() for s in ((3, 4, 4), (4, 9), (convolution.n_weights, 9))]
    edges = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2, 0, 1, 2]])

    def second():
        h, y, w = leaves
        out = convolution(h.transpose(0, 1), y.T, w.T, edges)
        first = torch.autograd.grad(out.pow(3).sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum(x.pow(2).sum() for x in first), leaves)

    fused = second()
    monkeypatch.setattr(module, "usable", lambda *_: False)
    for one, other in zip(fused, second(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-8)


def test_no_edges_give_zero():
    convolution = EdgeConvolution(channel_irreps("4x0e + 4x1o"), 1, natural_irreps(1))
    h = torch.randn(4, 3, 4, requires_grad=True)
    out = convolution(h, torch.zeros(0, 4), torch.zeros(0, convolution.n_weights), torch.zeros(2, 0, dtype=torch.long))
    assert torch.equal(out, torch.zeros(4, 3, 4))
    out.sum().backward()
    assert torch.equal(h.grad, torch.zeros(4, 3, 4))
