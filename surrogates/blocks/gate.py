"""Gated non-linearity: scalars pass a SiLU, every other irrep is multiplied by the sigmoid of a scalar of its own.

Paper: 3D Steerable CNNs (arXiv:1807.02547), section 4.4, with activations of unit second moment.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.mlp import SILU_GAIN
from surrogates.equivariance.irreps import Irrep

SIGMOID_GAIN = 1.8467055342154763  # 1 / sqrt(E[sigmoid(x)^2]) for a standard normal x


class Gate(nn.Module):
    """Features of irreps `inputs` -> features of `outputs`, channel by channel.

    Args:
        outputs: irreps that come out, all of degree 0 first.
    `inputs` are the scalars of `outputs`, one 0e for each irrep of higher degree, then those irreps.
    """

    gate: Tensor

    def __init__(self, outputs: tuple[Irrep, ...]) -> None:
        super().__init__()
        scalars = tuple(irrep for irrep in outputs if irrep[0] == 0)
        gated = tuple(irrep for irrep in outputs if irrep[0] > 0)
        self.inputs: tuple[Irrep, ...] = (*scalars, *(((0, 1),) * len(gated)), *gated)
        self.n_scalars, self.n_gates = len(scalars), len(gated)
        gate = [k for k, (l, _) in enumerate(gated) for _ in range(2 * l + 1)]
        self.register_buffer("gate", torch.tensor(gate, dtype=torch.long), persistent=False)

    def forward(self, x: Float[Tensor, "components atoms channels"]) -> Float[Tensor, "components_out atoms channels"]:
        scalars, gates, gated = x.split([self.n_scalars, self.n_gates, len(x) - self.n_scalars - self.n_gates], dim=0)
        factors = (torch.sigmoid(gates) * SIGMOID_GAIN).index_select(0, self.gate)
        return torch.cat([nn.functional.silu(scalars) * SILU_GAIN, gated * factors])
