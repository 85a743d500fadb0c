"""Reducing SO(3) Convolutions to SO(2) for Efficient Equivariant GNNs (arXiv:2302.03655), the eSCN product.

In a frame whose polar axis is the edge, harmonics of the edge have only m = 0, so the product of features with all of
them at once leaves |m| as it is: for each m a small linear map of the pairs (x_m, x_-m) that commutes with turns about
the edge. What costs O(L^6) path by path costs O(L^3): a turn into the frame, the maps, a turn back.

Kept: the maps W1 (even l1 + l2 + l3) and W2 (odd), the limit on |m|, the mapping to and from Clebsch-Gordan weights.
Changed: maps act channel by channel with weights of each edge, as in the other products; channels mix after the sum
over neighbours, once an atom. Derivatives pass through the frame, so forces are exact: see `EdgeFrame`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.edge_frame import EdgeFrame
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.orders import by_order, permuted
from surrogates.equivariance.products.paths import (
    LARGEST_L,
    Outputs,
    check_degrees,
    check_reached,
    irreps_text,
    naturalness,
    read_inputs,
    read_outputs,
)
from surrogates.physics.errors import DomainError

Term = tuple[int, int, int]  # output, block of the features, |m|


class SO2(nn.Module):
    """out[l3 m, c] = s[l3] sum over blocks l1 of w[l3, l1, |m|, c] x[l1 +-m, c], all in the frame of the edge.

    One path an output: the sums over the degrees of features and harmonics are part of the product. A coupling of equal
    naturalness (even l1 + l2 + l3) maps (x_m, x_-m) to w (x_m, x_-m), the other one to w (x_-m, -x_m). The constants
    s[l3] give components unit variance. `so2_weights` tells the weights that make it a sum of Clebsch-Gordan paths;
    harmonics beyond l_max, up to degree l1 + l3, are there as well, at no cost.

    Args:
        inputs: irreps of the features, or text such as "32x0e + 32x1o".
        l_max: highest degree of the harmonics, at least 1: directions are read from those of degree 1.
        outputs: wanted irreps; those that cannot be reached are left out.
        m_max: highest |m| that is kept in the frame; all unless given. The product is equivariant with any.

    Attributes: `outputs`, pairs (irrep, 1); `n_weights`, ordered as `terms` (output, block, |m|), then channel.
    """

    into: Tensor
    out_of: Tensor

    def __init__(
        self,
        inputs: ChannelIrreps | str = "1x0e",
        l_max: int = 1,
        outputs: Outputs = "0e",
        m_max: int | None = None,
    ) -> None:
        super().__init__()
        self.inputs, self.l_max, self.m_max = read_inputs(inputs), l_max, m_max
        wanted = read_outputs(outputs)
        check_degrees(self.inputs, l_max, wanted)
        _check(l_max, m_max)
        self.arguments = dict(inputs=str(self.inputs), l_max=l_max, outputs=irreps_text(wanted), m_max=m_max)
        kept = LARGEST_L if m_max is None else m_max
        kept = min(kept, max(l for l, _ in self.inputs.irreps), max(l for l, _ in wanted))
        reached = [irrep for irrep in wanted if any(_orders(irrep, block, kept) for block in self.inputs.irreps)]
        check_reached(self.inputs, wanted, reached)
        self.outputs = tuple((irrep, 1) for irrep in reached)
        self.frame = EdgeFrame(max(l for l, _ in (*self.inputs.irreps, *reached)), kept)
        self.maps = [OrderMap(self.inputs.irreps, reached, m) for m in range(kept + 1)]
        self.terms: list[Term] = [term for one in self.maps for term in one.terms]
        self.n_weights = len(self.terms) * self.inputs.channels
        into, self.sizes_in = by_order([l for l, _ in self.inputs.irreps], kept)
        out_of, self.sizes_out, self.n_silent = _scatter(reached, self.maps, kept)
        self.register_buffer("into", into, persistent=False)
        self.register_buffer("out_of", out_of, persistent=False)
        self.scales = [_scale(o, irrep, self.terms) for o, irrep in enumerate(reached)]

    @property
    def expressivity(self) -> int:
        """Dimension of the space of bilinear maps of one channel that the weights reach: one per term."""
        return len(self.terms)

    def forward(
        self,
        x1: Float[Tensor, "edges components channels"],
        x2: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
        roll: Float[Tensor, "edges"] | None = None,
    ) -> Float[Tensor, "edges rows channels"]:
        """`roll` (radians) turns the frames about their edges; the result stays."""
        frame = self.frame(x2[:, 1:4] / math.sqrt(3), roll)
        blocks = zip(self.inputs.irreps, x1.split(self.inputs.sizes, dim=1), strict=True)
        turned = torch.cat([torch.bmm(frame[l].transpose(1, 2), x) if l else x for (l, _), x in blocks], dim=1)
        by_order = permuted(turned, self.into).split(self.sizes_in, dim=1)
        by_term = weights.view(len(x1), len(self.terms), self.inputs.channels).split(
            [len(one.terms) for one in self.maps], dim=1
        )
        mapped = [one(x, w) for one, x, w in zip(self.maps, by_order, by_term, strict=True)]
        mapped.append(x1.new_zeros(len(x1), self.n_silent, x1.shape[2]))  # components that no term reaches
        back = permuted(torch.cat(mapped, dim=1), self.out_of).split(self.sizes_out, dim=1)
        results = zip(self.outputs, back, self.scales, strict=True)
        return torch.cat([torch.bmm(frame[l] * s, x) if l else x * s for ((l, _), _), x, s in results], dim=1)


class OrderMap:
    """The maps of one |m|: from the blocks with l >= m, to the outputs with l >= m.

    `terms` lists its weights: those of true tensors, then those of pseudotensors, by output, then block.
    """

    def __init__(self, blocks: Sequence[Irrep], outputs: Sequence[Irrep], m: int) -> None:
        self.m = m
        sources = [(k, naturalness(irrep)) for k, irrep in enumerate(blocks) if irrep[0] >= m]
        self.n_sources = len(sources)
        self.groups: list[tuple[list[int], Tensor | None, list[int]]] = []  # outputs, swapped sources, used sources
        self.terms: list[Term] = []
        for kind in (1, -1):
            targets = [o for o, irrep in enumerate(outputs) if irrep[0] >= m and naturalness(irrep) == kind]
            used = [i for i, (_, other) in enumerate(sources) if m or other == kind]
            if targets and used:
                swapped = torch.tensor([sources[i][1] != kind for i in used])
                self.groups.append((targets, swapped if bool(swapped.any()) else None, used))
                self.terms += [(o, sources[i][0], m) for o in targets for i in used]
        self.rows = [(o, sign) for targets, _, _ in self.groups for sign in ((1, -1) if m else (1,)) for o in targets]

    def __call__(self, x: Tensor, weights: Tensor) -> Tensor:
        """x (edges, signs * sources, channels), weights (edges, terms, channels) -> (edges, rows, channels)."""
        signs = 2 if self.m else 1
        pairs = x.view(len(x), signs, self.n_sources, x.shape[2])
        found, first = [], 0
        for targets, swapped, used in self.groups:
            source = pairs if len(used) == self.n_sources else pairs[:, :, used]
            if swapped is not None:
                crossed = torch.stack([source[:, 1], -source[:, 0]], dim=1)
                source = torch.where(swapped.to(x.device)[:, None], crossed, source)
            n = len(targets) * len(used)
            w = weights[:, first : first + n].view(len(x), 1, len(targets), len(used), x.shape[2])
            found.append((w * source[:, :, None]).sum(dim=3).flatten(1, 2))
            first += n
        return torch.cat(found, dim=1) if found else x[:, :0]


def _orders(output: Irrep, block: Irrep, kept: int) -> range:
    """The |m| that couple a block of the features to an output: m = 0 only where l1 + l2 + l3 is even."""
    return range(int(naturalness(output) != naturalness(block)), min(output[0], block[0], kept) + 1)


def _scatter(outputs: Sequence[Irrep], maps: Sequence[OrderMap], kept: int) -> tuple[Tensor, list[int], int]:
    """Which row of the maps each component of the outputs is, components of each output, components without a row.

    The latter are the rows behind those of the maps.
    """
    sizes = [2 * min(l, kept) + 1 for l, _ in outputs]
    wanted = [(o, m - n // 2) for o, n in enumerate(sizes) for m in range(n)]
    rows = [(o, sign * one.m) for one in maps for o, sign in one.rows]
    silent = [key for key in wanted if key not in set(rows)]
    place = {key: i for i, key in enumerate(rows + silent)}
    return torch.tensor([place[key] for key in wanted], dtype=torch.long), sizes, len(silent)


def _scale(o: int, output: Irrep, terms: Sequence[Term]) -> float:
    """What gives the components of an output unit variance, averaged over directions, with unit weights."""
    summed = sum(2 if m else 1 for target, _, m in terms if target == o)
    return math.sqrt((2 * output[0] + 1) / summed)


def _check(l_max: int, m_max: int | None) -> None:
    if l_max < 1 or (m_max is not None and m_max < 0):
        raise DomainError(
            f"l_max={l_max}, m_max={m_max}: the SO(2) product reads directions from harmonics of degree 1, so l_max is "
            "at least 1, and m_max at least 0; with l_max=0 use ClebschGordan"
        )
