"""Fourier layers with a channel network: the backbone that multi-grid tensorised operators stand on.

Paper: Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120), as its authors'
neuraloperator library has it (FNOBlocks), with two orders of the activation:

    post:  v = gelu(z)       z <- N2(M gelu(N1(K v) + W v + b) + g v)     first block: v = z; last block: M without gelu
    pre:   v = N1(gelu(z))   z <- M N2(gelu(K v + W v + b)) + g v         last block: N2 without gelu

K is the spectral convolution, W a matrix, M a channel network of half the width, g one weight a channel, N norms.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.channel_mlp import ChannelMLP, SoftGate
from surrogates.blocks.field_norms import AdaptiveInstanceNorm, GroupNorm, InstanceNorm
from surrogates.blocks.gelu_branches import gelu_branches
from surrogates.blocks.pointwise import Pointwise
from surrogates.physics.errors import DomainError

gelu = nn.functional.gelu


class FourierBlock(nn.Module):
    """One layer, from what stands before its activation to what stands before that of the next one.

    Args:
        spectral: width -> width on fields, a `FourierConv`.
        first, last: whether it starts the stack, and has no activation before it; or ends it, and has none after a.
        norm: makes a norm, called twice; None for no norms.
    """

    def __init__(
        self,
        width: int,
        spectral: nn.Module,
        *,
        first: bool = False,
        last: bool = False,
        norm: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.spectral, self.first, self.last = spectral, first, last
        self.pointwise, self.gate = Pointwise(width, width), SoftGate(width)
        self.mlp = ChannelMLP(width, max(width // 2, 1), width)
        self.norms = nn.ModuleList([] if norm is None else [norm(), norm()])

    def forward(
        self, z: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        v, a, gated = (_branches if self.first else _gelu_branches)(z, self.pointwise, self.gate)
        convolved = self.spectral(v)
        del v
        a = a.add_(self.norms[0](convolved, parameters) if self.norms else convolved)
        out = (self.mlp if self.last else self.mlp.after_gelu)(a).add_(gated)
        return self.norms[1](out, parameters) if self.norms else out


class PreactivatedFourierBlock(nn.Module):
    """One layer, activation and norm before it; arguments as of `FourierBlock`, `first` has no effect."""

    def __init__(
        self,
        width: int,
        spectral: nn.Module,
        *,
        first: bool = False,
        last: bool = False,
        norm: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.spectral, self.last = spectral, last
        self.pointwise, self.gate = Pointwise(width, width), SoftGate(width)
        self.mlp = ChannelMLP(width, max(width // 2, 1), width)
        self.norms = nn.ModuleList([] if norm is None else [norm(), norm()])

    def forward(
        self, z: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch channels *space"]:
        if self.norms:
            v, a, gated = _branches(self.norms[0](gelu(z), parameters), self.pointwise, self.gate)
        else:
            v, a, gated = _gelu_branches(z, self.pointwise, self.gate)
        a = a.add_(self.spectral(v))
        del v
        if not self.norms:
            return (self.mlp if self.last else self.mlp.after_gelu)(a).add_(gated)
        return self.mlp(self.norms[1](a if self.last else gelu(a), parameters)).add_(gated)


def _branches(v: Tensor, pointwise: Pointwise, gate: SoftGate) -> tuple[Tensor, Tensor, Tensor]:
    return v, pointwise(v), gate(v)


def _gelu_branches(z: Tensor, pointwise: Pointwise, gate: SoftGate) -> tuple[Tensor, Tensor, Tensor]:
    return gelu_branches(z, pointwise.weight, pointwise.bias, gate.weight)


BLOCKS: dict[str, type[nn.Module]] = {"postactivation": FourierBlock, "preactivation": PreactivatedFourierBlock}
NORMS = ("instance", "group", "adaptive")


def named_block(name: str, width: int, n_parameters: int) -> Callable[[nn.Module, bool, bool], nn.Module]:
    """(spectral, first, last) -> block, for "postactivation" or "preactivation", and behind it " + instance",
    " + group" or " + adaptive" for a norm. Raises DomainError for any other name."""
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
    return lambda spectral, first, last: BLOCKS[order](width, spectral, first=first, last=last, norm=makers.get(norm))
