"""The stacked branch of DeepONet: p separate networks of one output each.

Paper: Learning nonlinear operators via DeepONet based on the universal approximation theorem of operators
(arXiv:1910.03193), figure 1C.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.deepxde import ACTIVATIONS, deepxde
from surrogates.physics.errors import DomainError


class Stacked(nn.Module):
    """`count` networks `width_in -> hidden -> 1` side by side, Glorot normal weights, for `DeepONet(branch=...)`.

    Args:
        width_in: sensors times channels, and parameters. count: the p of the trunk's last width.
    """

    def __init__(self, *, width_in: int, count: int, hidden: Sequence[int] = (40,), activation: str = "relu") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise DomainError(f"activation={activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
        self.width_in, self.count = width_in, count
        self.arguments = {"width_in": width_in, "count": count, "hidden": list(hidden), "activation": activation}
        widths = [width_in, *hidden, 1]
        self.weights = nn.ParameterList(nn.Parameter(_glorot(count, a, b)) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(count, 1, b)) for b in widths[1:])
        self._activation = deepxde().nn.activations.get(activation)

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch count"]:
        h = x.expand(self.count, *x.shape)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h if k == 0 else self._activation(h), weight)
        return h.squeeze(-1).T


def _glorot(count: int, n_in: int, n_out: int) -> Tensor:
    return torch.randn(count, n_in, n_out) * (2 / (n_in + n_out)) ** 0.5
