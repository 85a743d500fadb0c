"""Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120).

Kept: the tensorised operator (`TFNO`) applied to patches that each see ever coarser views of their surroundings
(`MultigridPatches`), with one factorised tensor for the spectral weights of all layers (`joint`), or one for each.
Changed: coordinates, where they are inputs, are those of the whole domain; coarse pixels are averages; sides that
2^L does not divide, one to three dimensions, walls. The loss may be taken on the stitched field, or on patches:
`model.patches.through(model.backbone, ...)` against `model.patches.split(target)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.field_inputs import field_channels, with_positions
from surrogates.blocks.frequencies import Frequencies, each_axis
from surrogates.blocks.multigrid_patches import MultigridPatches
from surrogates.blocks.spectral_weights.joint import JointCP, JointTrain, JointTucker, LayerView
from surrogates.operators.tfno import TFNO
from surrogates.physics.errors import DomainError

JOINT: dict[str, type[nn.Module]] = {"joint tucker": JointTucker, "joint cp": JointCP, "joint tt": JointTrain}


class MGTFNO(nn.Module):
    """Fields -> fields by one operator for all patches; trained on one grid, evaluated on any.

    Args:
        dim, modes, width, in_channels, out_channels, depth, n_parameters, positions, block: as of `TFNO`. Modes are
            counted in waves per side of a window, which must have twice as many pixels.
        factorization: "joint tucker", "joint cp" or "joint tt" for one tensor over all layers; or what `TFNO` takes.
        rank: fraction of the dense parameters (a float), or ranks; of a joint tensor (layers, in, out, *frequencies).
        patches: levels, padding and boundary, and how many patches at a time. With levels=0 this is `TFNO`.
    """

    def __init__(
        self,
        *,
        dim: int,
        modes: int | Sequence[int],
        width: int,
        in_channels: int,
        out_channels: int,
        patches: MultigridPatches,
        depth: int = 4,
        n_parameters: int = 0,
        positions: bool = True,
        factorization: str = "joint tucker",
        rank: int | float | Sequence[int] = 0.1,
        block: str = "postactivation",
    ) -> None:
        super().__init__()
        modes = each_axis(modes, dim)
        patches.axes((1 << patches.levels,) * dim)  # refuses padding or boundary of other dimensions
        self.arguments = {
            "dim": dim,
            "modes": list(modes),
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "patches": patches,
            "depth": depth,
            "n_parameters": n_parameters,
            "positions": positions,
            "factorization": factorization,
            "rank": rank if isinstance(rank, int | float) else list(rank),
            "block": block,
        }
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.modes, self.patches = modes, patches
        self.places = positions and patches.levels > 0  # whole images get their coordinates in the backbone
        joint = factorization in JOINT
        self.backbone = TFNO(
            dim=dim,
            modes=modes,
            width=width,
            in_channels=patches.channels(in_channels + (dim if self.places else 0)),
            out_channels=out_channels,
            depth=depth,
            n_parameters=n_parameters,
            positions=positions and not self.places,
            factorization="tucker" if joint else factorization,
            rank=1 if joint else rank,
            block=block,
        )
        self.joint = JOINT[factorization](depth, width, width, modes, rank=rank) if joint else None
        if self.joint is not None:
            share(self.joint, self.backbone)

    def forward(
        self, values: Float[Tensor, "batch in *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out *space"]:
        """The stitched field. Raises DomainError where channels, parameters or the grid do not fit."""
        field_channels(values, parameters, self)
        self._check_windows(values.shape[2:])
        u = with_positions(values) if self.places else values
        return self.patches.stitch(self.patches.through(self.backbone, u, parameters), values.shape[2:])

    def _check_windows(self, shape: Sequence[int]) -> None:
        windows = tuple(axis.window for axis in self.patches.axes(shape))
        top = [max(map(abs, axis)) for axis in Frequencies.lowest(self.modes).axes]
        if any(2 * f > n for f, n in zip(top, windows, strict=True)):
            raise DomainError(
                f"at level {self.patches.levels} with padding {self.patches.padding} a grid {tuple(shape)} has windows "
                f"of {windows} pixels, which carry frequencies up to {tuple(n // 2 for n in windows)}; the operator "
                f"keeps them up to {tuple(top)}: use a lower level, more padding, fewer modes or a finer grid"
            )


def share(joint: nn.Module, network: TFNO) -> None:
    """Let the layers of a network take their weights from joint ones, which it does not register."""
    for layer, block in enumerate(network.blocks):
        spectral: Any = block.spectral
        spectral.weights = LayerView(joint, layer)
