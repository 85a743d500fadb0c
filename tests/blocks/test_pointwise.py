"""Maps over channels, and their forms that keep less for the gradient: the same values, the same derivatives."""

import torch
from torch.nn.functional import gelu

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


def after_gelu(z, weight, bias):
    return torch.func.functional_call(_AfterGelu(), {"layer.weight": weight, "layer.bias": bias}, (z,))


class _AfterGelu(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Pointwise(3, 2).double()

    def forward(self, z):
        return self.layer.after_gelu(z)


def test_after_gelu_and_all_its_derivatives():
    z, weight, bias = field(2, 3, 4), field(2, 3), field(2)
    expected = weight @ gelu(z) + bias[:, None]
    torch.testing.assert_close(after_gelu(z, weight, bias), expected)
    assert torch.autograd.gradcheck(after_gelu, (z, weight, bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(after_gelu, (z, weight, bias))


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


def test_samples_may_be_mapped():
    layer = Pointwise(3, 2).double()
    z = field(5, 3, 4)
    one_by_one = torch.func.vmap(lambda x: layer.after_gelu(x[None])[0])(z)
    torch.testing.assert_close(one_by_one, layer.after_gelu(z))


def test_channel_networks_and_gates():
    net, gate = ChannelMLP(3, 4, 2).double(), SoftGate(3).double()
    u = field(2, 3, 4)
    torch.testing.assert_close(net(u), net.second(gelu(net.first(u))))
    torch.testing.assert_close(net.after_gelu(u), net(gelu(u)))
    assert torch.equal(gate(u), u)
    gate.weight.data = torch.tensor([1.0, 2.0, 3.0]).double()
    torch.testing.assert_close(gate(u)[:, 2], 3 * u[:, 2])
