"""Readouts: from the scalars of a layer to the features that the energy is linear in.

Paper: MACE (arXiv:2206.07697), eq. 12 and 13: the scalars themselves, or the hidden values of a perceptron.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.mlp import SILU_GAIN
from surrogates.physics.errors import DomainError

# activation and 1 / sqrt(E[f(x)^2]) for a standard normal x
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "silu": (nn.functional.silu, SILU_GAIN),
    "tanh": (torch.tanh, 1.5937334472592695),
    "abs": (torch.abs, 1.001110600838467),
    "identity": (lambda x: x, 1.0),
}


class ScalarReadout(nn.Module):
    """x_0 = scalars, x_k = gain f(W_k x_(k-1) / sqrt(n_(k-1)) + b_k); the features are the last x / sqrt(n).

    Args:
        channels: scalars that come in. widths: n_1, ..., none for the scalars themselves.
        activation: f, one of silu, tanh, abs, identity; its gain keeps unit second moment.
        bias: whether the second and later layers have a b.
    """

    def __init__(
        self, channels: int, widths: Sequence[int] = (), *, activation: str = "silu", bias: bool = False
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise DomainError(f"activation={activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
        self.arguments = dict(channels=channels, widths=list(widths), activation=activation, bias=bias)
        self.n_features = [channels, *widths][-1]
        self.weights = nn.ParameterList(torch.randn(pair) for pair in pairwise([channels, *widths]))
        self.biases = nn.ParameterList(torch.zeros(n) for n in widths[1:] if bias)
        self.activation, self.gain = ACTIVATIONS[activation]

    def forward(self, scalars: Float[Tensor, "atoms channels"]) -> Float[Tensor, "atoms features"]:
        x = scalars / math.sqrt(scalars.shape[-1])
        for k, weight in enumerate(self.weights):
            x = x @ weight
            if k > 0 and len(self.biases):
                x = x + self.biases[k - 1]
            x = self.activation(x) * (self.gain / math.sqrt(weight.shape[1]))
        return x
