"""Products of features with harmonics as products of functions on the sphere, whichever way functions are multiplied.

True tensors are the coefficients of one function and pseudotensors those of another one; each is multiplied by the
function of the edge. A product of functions couples degrees by Gaunt coefficients: only even l1 + l2 + l3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.orders import permuted
from surrogates.equivariance.products.paths import (
    Outputs,
    Path,
    check_degrees,
    check_reached,
    irreps_text,
    naturalness,
    paths_to,
    read_inputs,
    read_outputs,
)
from surrogates.equivariance.quadrature import gauss_legendre
from surrogates.kernels.constant import Constant


@runtime_checkable
class Transform(Protocol):
    """From coefficients of functions to values that may be multiplied, and back."""

    def values(self, x: Tensor, degrees: tuple[int, ...]) -> Tensor: ...

    def values_by_degree(self, y: Tensor, l_max: int) -> Tensor: ...

    def coefficients(self, f: Tensor, degrees: tuple[int, ...]) -> Tensor: ...


class SphereFunctions(nn.Module):
    """out[l3] = s[l3] w3[l3] (sum w1[l1] x[l1] times sum w2[l2] Y[l2])[l3], function times function, for each channel.

    The constants s[l3] give components unit variance. Weights of an edge: those of the blocks of the features, of the
    degrees of the harmonics and of the outputs, channels innermost.

    Args:
        inputs, l_max, outputs: as of every product; outputs that no path reaches are left out.

    Attributes: `degree`, the highest of a product of functions, and `degree_out`, the highest that is read from it.
    """

    block: Tensor
    target: Tensor
    place: Tensor

    def __init__(self, inputs: ChannelIrreps | str, l_max: int, outputs: Outputs) -> None:
        super().__init__()
        inputs, wanted = read_inputs(inputs), read_outputs(outputs)
        check_degrees(inputs, l_max, wanted)
        self.arguments = {"inputs": str(inputs), "l_max": l_max, "outputs": irreps_text(wanted)}
        self.inputs, self.l_max, self.channels = inputs, l_max, inputs.channels
        self.paths = {irrep: paths for irrep in wanted if (paths := gaunt_paths(inputs, l_max, irrep))}
        reached = ChannelIrreps(tuple(self.paths), inputs.channels)
        check_reached(inputs, wanted, reached.irreps)
        self.outputs = tuple((irrep, 1) for irrep in reached.irreps)
        self.degree = max(l for l, _ in inputs.irreps) + l_max
        self.degree_out = max(l for l, _ in reached.irreps)
        self.counts = [len(inputs.irreps), l_max + 1, len(reached.irreps)]
        self.n_weights = sum(self.counts) * inputs.channels
        kinds = [k for k in (1, -1) if any(naturalness(irrep) == k for irrep in reached.irreps)]
        self.sources = [_members(inputs, kind) for kind in kinds]
        targets = [_members(reached, kind) for kind in kinds]
        self.target_degrees = [degrees for _, degrees in targets]
        self.scales = [
            sum(gaunt_ratio(inputs.irreps[k][0], l2, l3) ** 2 for k, l2 in paths) ** -0.5
            for (l3, _), paths in self.paths.items()
        ]
        self.scale = Constant(torch.tensor(self.scales, dtype=torch.float64)[:, None])
        rows = torch.tensor([row for found, _ in targets for row in found], dtype=torch.long)
        self.register_buffer("place", torch.argsort(rows), persistent=False)
        self.register_buffer("block", torch.tensor(inputs.block_of_component), persistent=False)
        self.register_buffer("target", torch.tensor(reached.block_of_component, dtype=torch.long), persistent=False)

    @property
    def expressivity(self) -> int:
        """Dimension of the set of bilinear maps of one channel: weights less those that only rescale each other.

        A factor moves between the function of the edge and each of the others: one less for each of them, where more
        than one path ties them together.
        """
        return _independent([(k, l2, o) for o, paths in enumerate(self.paths.values()) for k, l2 in paths], self.counts)

    def forward(
        self,
        transform: Transform,
        x1: Float[Tensor, "edges components channels"],
        x2: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
    ) -> Float[Tensor, "edges rows channels"]:
        w1, w2, w3 = weights.view(len(x1), sum(self.counts), self.channels).split(self.counts, dim=1)
        x = x1 * w1.index_select(1, self.block)
        edge = torch.bmm(transform.values_by_degree(x2, self.l_max), w2)
        found = []
        for (rows, degrees), targets in zip(self.sources, self.target_degrees, strict=True):
            part = x if len(rows) == x.shape[1] else x[:, rows]
            found.append(transform.coefficients(transform.values(part, degrees) * edge, targets))
        out = found[0] if len(found) == 1 else permuted(torch.cat(found, dim=1), self.place)
        return out * (w3 * self.scale.like(w3)).index_select(1, self.target)


def gaunt_paths(inputs: ChannelIrreps, l_max: int, output: Irrep) -> list[Path]:
    """Blocks of the features and degrees of the harmonics that a product of functions couples to `output`."""
    paths = paths_to(inputs, l_max, output)
    return [(k, l2) for k, l2 in paths if naturalness(inputs.irreps[k]) == naturalness(output)]


@cache
def gaunt_ratio(l1: int, l2: int, l3: int) -> float:
    """Average of Y_l1 Y_l2 Y_l3 over the sphere, as a multiple of the Clebsch-Gordan path sqrt(2 l3 + 1) w3j.

    Its size is sqrt((2 l1 + 1)(2 l2 + 1)) |3j(l1 l2 l3; 0 0 0)|, zero for odd l1 + l2 + l3: cross products are not
    products of functions. The sign is that of our `wigner_3j`.
    """
    if (l1 + l2 + l3) % 2 or not abs(l1 - l2) <= l3 <= l1 + l2:
        return 0.0
    y, weights = gauss_legendre(l1 + l2 + l3)
    legendre = [np.polynomial.legendre.Legendre.basis(l)(y.numpy()) for l in (l1, l2, l3)]
    middle = math.sqrt((2 * l1 + 1) * (2 * l2 + 1)) * float(np.sum(weights.numpy() * np.prod(legendre, axis=0)))
    return middle / float(wigner_3j(l1, l2, l3)[l1, l2, l3])


def _members(irreps: ChannelIrreps, kind: int) -> tuple[list[int], tuple[int, ...]]:
    """Components and degrees of the true tensors (kind 1) or pseudotensors (kind -1)."""
    chosen = [naturalness(irrep) == kind for irrep in irreps.irreps]
    rows = [i for i, k in enumerate(irreps.block_of_component) if chosen[k]]
    return rows, tuple(l for (l, _), keep in zip(irreps.irreps, chosen, strict=True) if keep)


def _independent(triples: Sequence[tuple[int, int, int]], counts: Sequence[int]) -> int:
    """Rank of log(w1 w2 w3) as a function of the logarithms of the weights, over the coupled triples."""
    incidence = np.zeros((len(triples), sum(counts)))
    for row, (k, l2, o) in enumerate(triples):
        incidence[row, [k, counts[0] + l2, counts[0] + counts[1] + o]] = 1
    return int(np.linalg.matrix_rank(incidence))
