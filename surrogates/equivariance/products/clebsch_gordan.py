"""The full channel-wise Clebsch-Gordan product of features with harmonics: every coupling has a weight of its own.

Papers: Tensor field networks (arXiv:1802.08219), eq. 3 and section 4.1; e3nn (arXiv:2207.09453), section 3.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products.paths import (
    Outputs,
    check_degrees,
    check_reached,
    irreps_text,
    paths_to,
    read_inputs,
    read_outputs,
)
from surrogates.kernels.constant import Constant


class ClebschGordan(nn.Module):
    """out[l3, path, c] = w[path, c] sqrt(2 l3 + 1) sum w3j[l1 m1, l2 m2, l3 m3] x[l1 m1, c] Y[l2 m2].

    Couplings are kept as blocks: those of one degree l1 of the features with one degree l2 of the harmonics are one
    small product with Y_l2, so that what the selection rules forbid is not computed. Components keep unit variance.

    Args:
        inputs: irreps of the features, or text such as "32x0e + 32x1o".
        l_max: highest degree of the harmonics.
        outputs: wanted irreps; those that no path reaches are left out.

    Attributes: `outputs`, pairs (irrep, number of paths), paths ordered by block of the features, then degree of the
    harmonics; `n_weights`, paths * channels, ordered by output, path, channel.
    """

    def __init__(self, inputs: ChannelIrreps | str = "1x0e", l_max: int = 1, outputs: Outputs = "0e") -> None:
        super().__init__()
        self.inputs, self.l_max, wanted = read_inputs(inputs), l_max, read_outputs(outputs)
        check_degrees(self.inputs, l_max, wanted)
        self.arguments = {"inputs": str(self.inputs), "l_max": l_max, "outputs": irreps_text(wanted)}
        self.paths = {irrep: paths_to(self.inputs, l_max, irrep) for irrep in wanted}
        self.outputs = tuple((irrep, len(paths)) for irrep, paths in self.paths.items() if paths)
        check_reached(self.inputs, wanted, self.outputs)
        self.n_weights = sum(n for _, n in self.outputs) * self.inputs.channels
        self.couplings = [self._block(k) for k in range(len(self.inputs.irreps))]

    @property
    def expressivity(self) -> int:
        """Dimension of the space of bilinear maps of one channel that the weights reach: one per path."""
        return sum(n for _, n in self.outputs)

    def forward(
        self,
        x1: Float[Tensor, "edges components channels"],
        x2: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
    ) -> Float[Tensor, "edges rows channels"]:
        by_degree = x2.split([2 * l + 1 for l in range(self.l_max + 1)], dim=1)
        blocks = x1.split(self.inputs.sizes, dim=1)
        parts: list[list[Tensor]] = [[] for _ in self.outputs]
        for x, tables in zip(blocks, self.couplings, strict=True):
            for y, (table, reached) in zip(by_degree, tables, strict=True):
                if reached:
                    coupling = (y @ table.like(y)).view(len(x), table.exact.shape[1] // x.shape[1], x.shape[1])
                    rows = torch.bmm(coupling, x).split([2 * self.outputs[o][0][0] + 1 for o in reached], dim=1)
                    for o, row in zip(reached, rows, strict=True):
                        parts[o].append(row)
        by_path = weights.view(len(x1), self.expressivity, self.inputs.channels).split(
            [n for _, n in self.outputs], dim=1
        )
        found = [torch.stack(rows, dim=2) * w[:, None] for rows, w in zip(parts, by_path, strict=True)]
        return torch.cat([rows.flatten(1, 2) for rows in found], dim=1)

    def _block(self, k: int) -> list[tuple[Constant, list[int]]]:
        """For each degree l2: the couplings (2 l2 + 1, rows * (2 l1 + 1)) of block k, and the outputs they reach."""
        l1, found = self.inputs.irreps[k][0], []
        for l2 in range(self.l_max + 1):
            reached = [o for o, (irrep, _) in enumerate(self.outputs) if (k, l2) in self.paths[irrep]]
            tables = [
                wigner_3j(l1, l2, l3).transpose(1, 2, 0) * math.sqrt(2 * l3 + 1)
                for l3 in (self.outputs[o][0][0] for o in reached)
            ]
            flat = np.concatenate(tables, axis=1).reshape(2 * l2 + 1, -1) if tables else np.zeros((2 * l2 + 1, 0))
            found.append((Constant(torch.from_numpy(flat.copy())), reached))
        return found
