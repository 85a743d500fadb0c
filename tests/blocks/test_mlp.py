"""Perceptrons: shape of the stack, unit variance, zero at zero."""

import torch
from torch import nn

from surrogates.blocks.mlp import MLP, UnitMLP


def test_no_activation_after_the_last_layer():
    net = MLP([3, 5, 2], activation=nn.Tanh)
    assert [type(layer) for layer in net] == [nn.Linear, nn.Tanh, nn.Linear]


def test_unit_mlp_keeps_unit_second_moment_and_zero():
    torch.manual_seed(0)
    net = UnitMLP([64, 256, 256, 256]).double()
    y = net(torch.randn(400, 64, dtype=torch.float64))
    assert 0.8 < y.square().mean() < 1.25
    assert torch.equal(net(torch.zeros(1, 64, dtype=torch.float64)), torch.zeros(1, 256, dtype=torch.float64))
