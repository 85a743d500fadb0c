"""Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120): its tensorised operator.

Kept: spectral weights as Tucker, canonical polyadic or tensor-train factors that the spectrum is contracted with;
blocks, lifting and projection of the authors' neuraloperator library (2.0): channel networks with soft gating, lifting
and projection with one hidden layer of twice the width, coordinates i/n as inputs.
Changed: norms may be steered by parameters. Layers have weights of their own (one tensor for all of them:
`surrogates.blocks.spectral_weights.joint`), and a whole image is one input (patches: the multi-grid operator).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.channel_mlp import ChannelMLP
from surrogates.blocks.field_inputs import check_sizes, field_channels, with_positions
from surrogates.blocks.field_padding import check_padding, crop_end, pad_end
from surrogates.blocks.fourier_block import named_block
from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.frequencies import each_axis
from surrogates.blocks.spectral_weights import CPWeights, Dense, TrainWeights, TuckerWeights
from surrogates.physics.errors import DomainError

FORMS: dict[str, Callable[..., nn.Module]] = {"tucker": TuckerWeights, "cp": CPWeights, "tt": TrainWeights}


class TFNO(nn.Module):
    """Fields -> fields by global convolutions with few parameters.

    Args:
        dim, modes, width, in_channels, out_channels, depth, n_parameters, positions, padding: as of `FNO`.
        factorization: "tucker", "cp", "tt", or "dense", which makes it neuraloperator's FNO.
        rank: fraction of the dense parameters that the factors of a layer hold (a float), or ranks; "dense" has none.
        block: "postactivation" or "preactivation", and a norm: "postactivation + instance", "... + group" or
            "... + adaptive" (steered by the parameters).
    """

    def __init__(
        self,
        *,
        dim: int,
        modes: int | Sequence[int],
        width: int,
        in_channels: int,
        out_channels: int,
        depth: int = 4,
        n_parameters: int = 0,
        positions: bool = True,
        padding: float = 0.0,
        factorization: str = "tucker",
        rank: int | float | Sequence[int] = 0.1,
        block: str = "postactivation",
    ) -> None:
        super().__init__()
        check_sizes(
            width=width, depth=depth, in_channels=in_channels, out_channels=out_channels, n_parameters=n_parameters
        )
        self.modes = each_axis(modes, dim)
        self.arguments = {
            "dim": dim,
            "modes": list(self.modes),
            "width": width,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depth": depth,
            "n_parameters": n_parameters,
            "positions": positions,
            "padding": check_padding(padding),
            "factorization": factorization,
            "rank": rank if isinstance(rank, int | float) else list(rank),
            "block": block,
        }
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.positions, self.padding = positions, padding
        make = named_block(block, width, n_parameters)
        inputs = in_channels + n_parameters + (dim if positions else 0)
        self.lift = ChannelMLP(inputs, 2 * width, width)
        layers = [_weights(factorization, width, self.modes, rank) for _ in range(depth)]
        self.blocks = nn.ModuleList(
            make(FourierConv(width, width, self.modes, weights), k == 0, k == depth - 1)
            for k, weights in enumerate(layers)
        )
        self.project = ChannelMLP(width, 2 * width, out_channels)

    def forward(
        self, values: Float[Tensor, "batch in *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out *space"]:
        """Raises DomainError where channels, parameters or the grid do not fit."""
        u = field_channels(values, parameters, self)
        v = pad_end(self.lift(with_positions(u) if self.positions else u), self.padding)
        for block in self.blocks:
            v = block(v, parameters)
        return self.project(crop_end(v, u))


def _weights(factorization: str, width: int, modes: Sequence[int], rank: int | float | Sequence[int]) -> nn.Module:
    if factorization == "dense":
        return Dense(width, width, modes)
    if factorization not in FORMS:
        raise DomainError(f"factorization={factorization!r} is unknown; give {', '.join(map(repr, FORMS))} or 'dense'")
    return FORMS[factorization](width, width, modes, rank=rank)
