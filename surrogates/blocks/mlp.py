"""Multi-layer perceptrons: the usual one, and one that keeps unit variance from input to output at initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.low_rank import LowRank

SILU_GAIN = 1.6791767923989418  # 1 / sqrt(E[silu(x)^2]) for a standard normal x


class MLP(nn.Sequential):
    """Linear layers `widths[0] -> ... -> widths[-1]` with `activation` between them, none after the last."""

    def __init__(self, widths: Sequence[int], *, activation: type[nn.Module] = nn.SiLU, bias: bool = True) -> None:
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out, bias=bias), activation()]
        super().__init__(*layers[:-1])


class UnitMLP(nn.Module):
    """SiLU layers without bias whose weights are standard normal and divided by sqrt(fan in) at run time.

    Every hidden value has unit second moment at initialisation, and all weights share one scale, so that one learning
    rate suits them all. f(0) = 0: an input that vanishes at the cutoff gives an output that does.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = pairwise(widths)
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(n_in, n_out)) for n_in, n_out in pairs)

    def forward(self, x: Float[Tensor, "rows n_in"]) -> Float[Tensor, "rows n_out"]:
        return self.factored(x).full()

    def factored(self, x: Float[Tensor, "rows n_in"]) -> LowRank:
        """The result before its last matrix product, the largest one, is carried out."""
        gain = 1.0
        *inner, last = self.weights
        for weight in inner:
            x = nn.functional.silu(x @ (weight * (gain / math.sqrt(weight.shape[0]))))
            gain = SILU_GAIN
        return LowRank(x, last * (gain / math.sqrt(last.shape[0])))


class NormMLP(nn.Sequential):
    """Linear layers with bias, a LayerNorm and a SiLU after each but the last."""

    def __init__(self, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.SiLU()]
        super().__init__(*layers[:-2])
