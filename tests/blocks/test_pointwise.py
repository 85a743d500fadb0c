"""Maps over channels, and their forms that keep less for the gradient: the same values, the same derivatives."""

import pytest
import torch
from torch.nn.functional import gelu

from surrogates.blocks import lean
from surrogates.blocks.channel_mlp import ChannelMLP, SoftGate
from surrogates.blocks.gelu_branches import gelu_branches
from surrogates.blocks.pointwise import Pointwise


def field(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)


def test_is_a_convolution_of_size_one():
    layer = Pointwise(3, 5).double()
    u = field(2, 3, 4, 6)
    expected = torch.nn.functional.conv2d(u, layer.weight[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(u), expected)


@pytest.mark.parametrize("activate", [False, True])
def test_channel_network_and_all_its_derivatives(activate):
    net = ChannelMLP(3, 4, 2).double()
    names, weights = zip(*net.named_parameters(), strict=True)
    u = field(2, 3, 5)

    def through(u, *weights):
        return torch.func.functional_call(_Network(net, activate), dict(zip(names, weights, strict=True)), (u,))

    expected = net.second(gelu(net.first(gelu(u) if activate else u)))
    torch.testing.assert_close(through(u, *weights), expected)
    assert torch.autograd.gradcheck(through, (u, *weights), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(through, (u, *weights))


class _Network(torch.nn.Module):
    def __init__(self, net, activate):
        super().__init__()
        self.first, self.second = net.first, net.second
        self.net, self.activate = net, activate

    def forward(self, u):
        return self.net.after_gelu(u) if self.activate else self.net(u)


def test_branches_and_all_their_derivatives():
    z, weight, bias, gate = field(2, 3, 2, 2), field(3, 3), field(3), field(3)
    v, mixed, gated = gelu_branches(z, weight, bias, gate)
    torch.testing.assert_close(v, gelu(z))
    torch.testing.assert_close(mixed.flatten(2), weight @ gelu(z).flatten(2) + bias[:, None])
    torch.testing.assert_close(gated, gate[:, None, None] * gelu(z))
    assert torch.autograd.gradcheck(gelu_branches, (z, weight, bias, gate), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(gelu_branches, (z, weight, bias, gate))


def test_only_what_is_used_needs_a_gradient():
    z, weight, bias, gate = (t.detach() for t in (field(2, 3, 4), field(3, 3), field(3), field(3)))
    gelu_branches(z, weight.requires_grad_(), bias, gate)[1].sum().backward()
    assert weight.grad is not None
    gelu_branches(z.requires_grad_(), weight.detach(), bias, gate)[0].sum().backward()
    torch.testing.assert_close(z.grad, torch.autograd.grad(gelu(z).sum(), z)[0])


@pytest.mark.parametrize("piece", [1, 4, 9, 100])
def test_pieces_make_no_difference(piece, monkeypatch):
    monkeypatch.setattr(lean, "POINTS", piece)
    net, u = ChannelMLP(3, 4, 3).double(), field(5, 3, 2, 2)
    gate = field(3)

    def loss(lean_form):
        v, mixed, gated = gelu_branches(u, net.first.weight[:3], net.first.bias[:3], gate)
        out = net.after_gelu(mixed) + v.sin() * gated if lean_form else None
        if out is None:
            mixed = (net.first.weight[:3] @ gelu(u).flatten(2)).view_as(u) + net.first.bias[:3, None, None]
            out = net.second(gelu(net.first(gelu(mixed)))) + gelu(u).sin() * gate[:, None, None] * gelu(u)
        return out.square().sum()

    inputs = (u, gate, *net.parameters())
    for ours, theirs in zip(*(torch.autograd.grad(loss(form), inputs) for form in (True, False)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_works_under_torch_func_and_autocast():
    net, z = ChannelMLP(3, 4, 2).double(), field(5, 3, 4)
    one_by_one = torch.func.vmap(lambda x: net.after_gelu(x[None])[0])(z)
    torch.testing.assert_close(one_by_one, net.after_gelu(z))
    tangent = torch.func.jvp(net, (z,), (torch.ones_like(z),))[1]
    torch.testing.assert_close(tangent, torch.autograd.functional.jvp(net, z, torch.ones_like(z))[1])
    with torch.autocast("cpu", torch.bfloat16):
        low = net.float()(z.detach().float())
    torch.testing.assert_close(low, net(z.detach().float()), rtol=0, atol=3e-2)


def test_gates_weigh_channels():
    gate, u = SoftGate(3).double(), field(2, 3, 4)
    assert torch.equal(gate(u), u)
    gate.weight.data = torch.tensor([1.0, 2.0, 3.0]).double()
    torch.testing.assert_close(gate(u)[:, 2], 3 * u[:, 2])
