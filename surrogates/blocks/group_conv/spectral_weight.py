"""Spectral weights of a convolution over positions and poses.

Paper: Group Equivariant Fourier Neural Operators for Partial Differential Equations (arXiv:2306.05697), section 4.

Features are functions of position and pose g. A convolution over both, with a filter k(x, g), reads in Fourier space

    out(xi, g) = sum_h W(g^-1 xi, g^-1 h) in(xi, h)

since the transform commutes with turns and mirror images: the filter of pose g is the base filter W turned in frequency
space, with its axis of input poses permuted. W is the transform of a real filter, W(-xi, h) = conj W(xi, h), real at
xi = 0; only independent numbers are stored. Turned filters of unreal ones would break the symmetry.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Complex, Int
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies, check_modes
from surrogates.blocks.group_conv.group import PlanarGroup, planar_group
from surrogates.blocks.group_conv.tie import Kept, pick
from surrogates.blocks.spectral_weights.dense import mix
from surrogates.physics.errors import DomainError


class GroupTied(nn.Module):
    """A spectral weight (see `SpectralWeights`) from channels x poses to channels x poses; poses run fastest.

    The (2k-1)^d in out |G| real numbers of the base filter are all that is stored: `weight` (frequencies x poses, in,
    out, 2) for the independent frequencies and `constant` (poses, in, out) for frequency 0. The full weight is built
    when they change. E|W|^2 = 2 / (in + out) over channels x poses at the start.

    Args:
        channels_in, channels_out: channels, each with |G| poses.
        modes: k for each axis, frequencies -(k-1)..k-1: never Nyquist. Two axes, or these and one that stays as it is.
        group: see `planar_group`.
    """

    places: Tensor

    def __init__(self, channels_in: int, channels_out: int, modes: Sequence[int], group: str = "p4") -> None:
        super().__init__()
        modes = check_modes(modes)
        self.arguments = {
            "channels_in": channels_in,
            "channels_out": channels_out,
            "modes": list(modes),
            "group": group,
        }
        self.group = planar_group(group)
        if len(modes) == 1 or (self.group.turns == 4 and modes[0] != modes[1]):
            raise DomainError(
                f"modes={modes}: {group} acts on a plane; give two axes of space, with equally many modes where "
                "quarter turns exchange them"
            )
        order = self.group.order
        self.in_channels, self.out_channels = channels_in * order, channels_out * order
        self.frequencies = Frequencies.symmetric(modes)
        scale = 1 / math.sqrt(self.in_channels + self.out_channels)
        free = len(_independent(self.frequencies)) * order
        self.weight = nn.Parameter(scale * torch.randn(free, channels_in, channels_out, 2))
        self.constant = nn.Parameter(scale * 2**0.5 * torch.randn(order, channels_in, channels_out))
        places = _places(self.group, self.frequencies, channels_in, channels_out)
        self.register_buffer("places", places, persistent=False)
        self._full = Kept()

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """One matrix product a frequency, over channels and poses at once."""
        full = self._full.get(self._build, (self.weight, self.constant), self.training)
        return mix(spectrum, full)

    def dense(self) -> Complex[Tensor, "in out *kept"]:
        """The full weight with the axes that formulas have; in and out are channels x poses."""
        full = self._build()
        return full.movedim(0, -1).view(self.in_channels, self.out_channels, *self.frequencies.shape)

    def _build(self) -> Tensor:
        # nothing here is saved for the backward pass: see `pick` and `Kept`
        half = torch.view_as_complex(self.weight)
        base = torch.cat([half, half.conj(), self.constant.to(half.dtype)])
        return pick(base, self.places).view(-1, self.in_channels, self.out_channels)


def _independent(kept: Frequencies) -> dict[tuple[int, ...], int]:
    """One of each pair xi, -xi, with its number: that whose last component other than zero is positive."""
    ranges = [range(1 - k, k) for k in _modes(kept)]
    return {xi: n for n, xi in enumerate(xi for xi in itertools.product(*ranges) if _positive(xi))}


def _modes(kept: Frequencies) -> list[int]:
    return [max(axis) + 1 for axis in kept.axes]


def _positive(xi: tuple[int, ...]) -> bool:
    return next((f > 0 for f in reversed(xi) if f), False)


@lru_cache(maxsize=16)
def _rows(group: PlanarGroup, kept: Frequencies) -> Int[Tensor, "frequencies order order"]:
    """Where W(g^-1 xi, g^-1 h) stands among independent numbers, their conjugates, and constants: [xi, h, g]."""
    number = _independent(kept)
    half, order = len(number) * group.order, group.order
    xis = torch.tensor(list(itertools.product(*kept.axes)), device="cpu")
    first = torch.empty(len(xis), order, dtype=torch.int64, device="cpu")  # row of pose 0
    for g in range(order):
        seen = xis.clone()
        seen[:, :2] = xis[:, :2] @ group.matrices[group.inverse[g]].T
        for n, xi in enumerate(seen.tolist()):
            if not any(xi):
                first[n, g] = 2 * half
            elif _positive(tuple(xi)):
                first[n, g] = number[tuple(xi)] * order
            else:
                first[n, g] = half + number[tuple(-f for f in xi)] * order
    return first[:, None, :] + group.relative.T


@lru_cache(maxsize=16)
def _places(group: PlanarGroup, kept: Frequencies, n_in: int, n_out: int) -> Tensor:
    """The same for each number: flat, in the order frequency, channel in, pose in, channel out, pose out."""
    rows = _rows(group, kept)[:, None, :, None, :] * (n_in * n_out)
    column = torch.arange(n_in * n_out, device="cpu").view(1, n_in, 1, n_out, 1)
    return (rows + column).flatten()
