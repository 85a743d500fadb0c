"""Stochastic Taylor Derivative Estimator (arXiv:2412.00088): the weight-shared first layer for very many coordinates.

Blocks of neighbouring coordinates go through one small layer with the same weights, h_b = tanh(W x_b + c), so that a
network of a million coordinates has no first layer of a million columns. Kept: blocks of 50 coordinates, one feature
each, tanh. Added: more features a block, a last block that need not be full, and a rule for series along sparse
directions, which then touch one block each.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from surrogates.derivatives.jet import Jet, rule
from surrogates.physics.errors import DomainError
from surrogates.pinns.activations import activation as named_activation


class SharedInput(nn.Module):
    """Features of a point for `PINN(features=SharedInput(...))`: ceil(d / block) * channels of them, block by block.

    Args:
        block: coordinates of a block. channels: features of each. activation: by name, see activations.
    """

    def __init__(self, *, block: int = 50, channels: int = 1, activation: str = "tanh") -> None:
        super().__init__()
        if min(block, channels) < 1:
            raise DomainError(f"block={block}, channels={channels}; give at least one coordinate and one feature")
        self.arguments = {"block": block, "channels": channels, "activation": activation}
        self.block, self.channels = block, channels
        self._activation = named_activation(activation)
        bound = 1 / math.sqrt(block)  # Kaiming-uniform as torch's linear layers, and the authors', start
        self.weight = nn.Parameter(torch.empty(channels, block).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))

    def width(self, inputs: int) -> int:
        """Number of features of a point with `inputs` coordinates."""
        return math.ceil(inputs / self.block) * self.channels

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        return self._activation(block_linear(x, self.weight, self.bias))

    def dense(self, inputs: int) -> Float[Tensor, "features inputs"]:
        """The matrix of the layer, block-diagonal: for small numbers of coordinates, to compare with."""
        count = math.ceil(inputs / self.block)
        return torch.block_diag(*[self.weight] * count)[:, :inputs]


def block_linear(x: Any, weight: Tensor, bias: Tensor | None) -> Any:
    """(..., d) -> (..., blocks * channels): W x_b + c for each block of coordinates, missing ones being zero."""
    if has_torch_function_unary(x):
        return handle_torch_function(block_linear, (x,), x, weight, bias)
    size = weight.shape[1]
    whole = x.shape[-1] // size * size
    parts = x[..., :whole].unflatten(-1, (-1, size)) @ weight.T
    if whole < x.shape[-1]:
        rest = x[..., whole:] @ weight[:, : x.shape[-1] - whole].T
        parts = torch.cat([parts, rest.unsqueeze(-2)], dim=-2)
    return (parts if bias is None else parts + bias).flatten(-2)


@rule(block_linear)
def _series(x: Any, weight: Tensor, bias: Tensor | None) -> Jet:
    """A sparse direction meets the columns of its own coordinates, and its result lies in their blocks."""
    value, frame = block_linear(x.value, weight, bias), x.frame
    if not x.sparse:
        return Jet.of(value, [None if c is None else block_linear(c, weight, None) for c in x.higher], frame)
    channels, size = weight.shape
    columns = weight.T[x.support % size]  # (V, m, channels)
    places = (x.support // size)[..., None] * channels + torch.arange(channels, device=weight.device)
    higher = [None if c is None else _placed(c, columns, places.flatten(1), value.shape[-1]) for c in x.higher]
    higher[-1] = frame.collapse(higher[-1])
    return Jet.of(value, higher, frame)


def _placed(entries: Tensor, columns: Tensor, places: Tensor, features: int) -> Tensor:
    """(V, ..., m) entries times their columns, added up in (V, ..., features)."""
    between = [1] * (entries.ndim - 2)
    found = (entries.unsqueeze(-1) * columns.view(len(columns), *between, *columns.shape[1:])).flatten(-2)
    where = places.view(len(places), *between, -1).expand(found.shape)
    return found.new_zeros(*found.shape[:-1], features).scatter_add(-1, where, found)
