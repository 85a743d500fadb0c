"""Fourier layers with a channel network: the backbone that multi-grid tensorised operators stand on.

Paper: Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120), as its authors'
neuraloperator library has it (FNOBlocks), with two orders of the activation:

    post:  a = gelu(N1(K v) + W v + b)     v <- gelu(N2(M a + g v))          no gelu in the last block
    pre:   v = N1(gelu(v))                 v <- M N2(gelu(K v + W v + b)) + g v    no inner gelu in the last block

K is the spectral convolution, W a matrix, M a channel network of half the width, g one weight a channel, N norms.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.channel_mlp import ChannelMLP, SoftGate
from surrogates.blocks.field_norms import AdaptiveInstanceNorm, GroupNorm, InstanceNorm
from surrogates.blocks.pointwise import Pointwise
from surrogates.physics.errors import DomainError

gelu = nn.functional.gelu


class FourierBlock(nn.Module):
    """One layer, activation behind it.

    Args:
        spectral: width -> width on fields, a `FourierConv`.
        last: whether it ends the stack and therefore has no activation (but the one inside M).
        norm: makes a norm, called twice; None for no norms.
    """

    def __init__(
        self, width: int, spectral: nn.Module, *, last: bool = False, norm: Callable[[], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.spectral, self.last = spectral, last
        self.pointwise = Pointwise(width, width)
        self.mlp, self.gate = ChannelMLP(width, max(width // 2, 1), width), SoftGate(width)
        self.norms = nn.ModuleList([] if norm is None else [norm(), norm()])

    def forward(
        self, v: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        convolved = self.spectral(v)
        a = (self.norms[0](convolved, parameters) if self.norms else convolved) + self.pointwise(v)
        out = self.mlp(a if self.last else gelu(a)) + self.gate(v)
        out = self.norms[1](out, parameters) if self.norms else out
        return out if self.last else gelu(out)


class PreactivatedFourierBlock(nn.Module):
    """One layer, activation before it; arguments as of `FourierBlock`."""

    def __init__(
        self, width: int, spectral: nn.Module, *, last: bool = False, norm: Callable[[], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.spectral, self.last = spectral, last
        self.pointwise = Pointwise(width, width)
        self.mlp, self.gate = ChannelMLP(width, max(width // 2, 1), width), SoftGate(width)
        self.norms = nn.ModuleList([] if norm is None else [norm(), norm()])

    def forward(
        self, v: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        v = gelu(v)
        v = self.norms[0](v, parameters) if self.norms else v
        a = self.spectral(v) + self.pointwise(v)
        a = a if self.last else gelu(a)
        a = self.norms[1](a, parameters) if self.norms else a
        return self.mlp(a) + self.gate(v)


BLOCKS: dict[str, type[nn.Module]] = {"postactivation": FourierBlock, "preactivation": PreactivatedFourierBlock}
NORMS = ("instance", "group", "adaptive")


def named_block(name: str, width: int, n_parameters: int) -> Callable[[nn.Module, bool], nn.Module]:
    """(spectral, last) -> block, for "postactivation" or "preactivation", followed by " + instance", " + group" or
    " + adaptive" for a norm. Raises DomainError for any other name."""
    order, _, norm = (part.strip() for part in name.partition("+"))
    if order not in BLOCKS or norm not in ("", *NORMS):
        raise DomainError(
            f"block={name!r} is unknown; give {' or '.join(map(repr, BLOCKS))}, and behind it nothing or "
            f"{', '.join(repr('+ ' + n) for n in NORMS)}"
        )
    makers: dict[str, Callable[[], nn.Module]] = {
        "instance": InstanceNorm,
        "group": lambda: GroupNorm(width),
        "adaptive": lambda: AdaptiveInstanceNorm(width, n_parameters),
    }
    return lambda spectral, last: BLOCKS[order](width, spectral, last=last, norm=makers.get(norm))
