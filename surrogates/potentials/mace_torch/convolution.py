"""The convolution of a mace-torch interaction in our order: paths, channels, phases.

mace-torch sorts paths by output irrep (l, then odd before even), then by block of the features, then by degree of the
harmonics; each has its channels' weights side by side. Ours are sorted by output, in the order asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.products.paths import Path, paths_to
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.linear import Block, blocks, channels
from surrogates.potentials.mace_torch.phases import sign
from surrogates.potentials.mace_torch.stubs import Stub


@dataclass(frozen=True)
class Convolution:
    """How the paths of a file's convolution map onto those of ours.

    Args:
        seen: irreps of the neighbours' features. harmonics: irreps of the harmonics.
        targets: irreps of A in our order, those that nothing couples to among them.
        theirs: blocks of the features as in the file.
    """

    seen: ChannelIrreps
    harmonics: tuple[Irrep, ...]
    targets: ChannelIrreps
    theirs: tuple[Block, ...]

    @property
    def vector_parity(self) -> int:
        """Parity of the harmonics of degree 1."""
        return self.harmonics[1][1] if len(self.harmonics) > 1 else -1

    @property
    def reached(self) -> tuple[Irrep, ...]:
        """Targets that a path leads to."""
        return tuple(irrep for irrep in self.targets.irreps if self._paths(irrep))

    def columns(self, weight: Tensor) -> Tensor:
        """Weights of edges (..., theirs) in our order (..., ours), zero for channels that the file has not."""
        found = []
        starts = self._starts()
        for irrep in self.reached:
            for k, l2 in self._paths(irrep):
                start, n = starts[irrep, self._block(k), l2]
                part = weight[..., start : start + n]
                found.append(torch.nn.functional.pad(part, (0, self.seen.channels - n)))
        total = sum(n for _, n in starts.values())
        if weight.shape[-1] != total:
            raise FileError(f"a convolution of this model has {weight.shape[-1]} weights, not {total}: unknown paths")
        return torch.cat(found, dim=-1)

    def rows(self, matrix: Tensor, irrep: Irrep) -> Tensor:
        """A matrix behind the convolution (rows by their path and channel) with our rows, phases in it."""
        paths = [(key, n) for key, (_, n) in self._starts().items() if key[0] == irrep]
        first = {}
        start = 0
        for key, n in paths:
            first[key] = (start, n)
            start += n
        found = []
        for k, l2 in self._paths(irrep):
            start, n = first[irrep, self._block(k), l2]
            # our edge vectors point from receiver to sender, those of mace-torch to the receiver: Y(-v) = (-1)^l Y(v)
            phase = sign(self.seen.irreps[k][0], l2, irrep[0]) * (-1) ** l2
            part = torch.nn.functional.pad(matrix[start : start + n], (0, 0, 0, self.seen.channels - n))
            found.append(part * phase)
        return torch.cat(found)

    def fill(self, ours: EdgeConvolution, mixes: dict[Irrep, Tensor]) -> None:
        """Set the mixing of channels behind the sum; `mixes` are normalised matrices."""
        for parameter, irrep in zip(ours.mix, ours.outputs, strict=True):
            matrix = self.rows(mixes[irrep], irrep)
            parameter.data = (matrix * len(matrix) ** 0.5).to(parameter)

    def _paths(self, irrep: Irrep) -> list[Path]:
        """Blocks of ours and degrees of the harmonics that couple to `irrep`, in our order."""
        return paths_to(self.seen, len(self.harmonics) - 1, irrep, self.vector_parity)

    def _starts(self) -> dict[tuple[Irrep, int, int], tuple[int, int]]:
        """(first weight, number of weights) of each path in the file's order."""
        found = []
        for i, (n, (l1, p1)) in enumerate(self.theirs):
            for l2, p2 in self.harmonics:
                for l3 in range(abs(l1 - l2), l1 + l2 + 1):
                    if (l3, p1 * p2) in self.targets.irreps:
                        found.append(((l3, p1 * p2), i, l2, n))
        found.sort(key=lambda path: path[0])
        starts = {}
        start = 0
        for irrep, i, l2, n in found:
            starts[irrep, i, l2] = (start, n)
            start += n
        return starts

    def _block(self, k: int) -> int:
        return next(i for i, (_, irrep) in enumerate(self.theirs) if irrep == self.seen.irreps[k])


def convolution(interaction: Stub) -> Convolution:
    """The convolution of an interaction block."""
    edge = interaction.get("edge_irreps", interaction.get("node_feats_irreps"))
    harmonics = tuple(irrep for _, irrep in blocks(interaction.get("edge_attrs_irreps")))
    if [l for l, _ in harmonics] != list(range(len(harmonics))) or any(p not in (1, (-1) ** l) for l, p in harmonics):
        raise FileError("the harmonics of this model are not of degrees 0, 1, 2, ...; that is not supported")
    targets = channels(interaction.get("target_irreps"), "target_irreps")
    return Convolution(channels(edge, "edge_irreps"), harmonics, targets, tuple(blocks(edge)))
