"""Multi-grid patches: a field cut into windows that each carry ever coarser views of their surroundings.

Paper: Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120), section on multi-grid
domain decomposition.

Level L cuts every axis into 2^L patches. A patch's window is the patch and `padding` times the *whole* side around it;
level l = 1..L adds a window of as many pixels about the same centre whose pixels are 2^l as wide, so that level L looks
over the whole domain. Windows ride in the batch axis, patch by patch and within a patch sample by sample; the channels
of level 0 come first.

Changed: sides that 2^L does not divide are cut at floor(j n / 2^L), all windows being as large as the largest patch,
ceil(n / 2^L): neighbours then share a pixel, which the later one keeps, and nothing is interpolated or padded away.
Coarse pixels are averages over their cells (the paper takes every 2^l-th pixel: `EveryNth`). Beyond walls fields are
reflected, or zero with one more channel that says what is inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from surrogates.blocks.patch_axis import BOUNDARIES, PatchAxis
from surrogates.physics.errors import DomainError


class CellAverage(nn.Module):
    """Coarse pixel = mean over its 2^l fine pixels along each axis: what is finer mostly cancels instead of aliasing.

    A cell whose ends fall into the middle of fine pixels takes half of each: an average of piecewise constants.
    """

    arguments: ClassVar[dict[str, Any]] = {}

    def forward(self, values: Tensor, axis: int, level: int, between: bool) -> Tensor:
        """Cells about every point i of a periodic axis, or about every i + 1/2 if `between`."""
        if level == 0:
            return values
        means = (values + values.roll(-1, axis)) / 2
        if not between:
            means = (means + means.roll(1, axis)) / 2
        for finer in range(1, level):
            shift = 2**finer // 2
            means = (means.roll(shift, axis) + means.roll(-shift, axis)) / 2
        return means


class EveryNth(nn.Module):
    """Coarse pixel = the first fine pixel of its cell, as in the paper's code: waves finer than it alias."""

    arguments: ClassVar[dict[str, Any]] = {}

    def forward(self, values: Tensor, axis: int, level: int, between: bool) -> Tensor:
        """The first pixel of the cells about every point i of a periodic axis, or about every i + 1/2 if `between`."""
        return values if level == 0 else values.roll(2**level // 2 - int(between), axis)


class MultigridPatches(nn.Module):
    """Cuts fields into windows with coarse surroundings and puts patches together again.

    Args:
        levels: L; 2^L patches along each axis, L coarse views. 0 leaves fields as they are.
        padding: pixels added on each side of a patch as a fraction of the whole side, for all axes or one an axis.
        boundary: "circular", "reflect" (about the wall, half a pixel outside) or "zero", for all axes or one an axis.
        restriction: how a coarse pixel comes from fine ones: CellAverage() or EveryNth().
        at_once: patches that `through` takes at a time (of all samples), to bound memory; None for all of them.
    """

    def __init__(
        self,
        *,
        levels: int,
        padding: float | int | Sequence[float | int] = 0.0,
        boundary: str | Sequence[str] = "circular",
        restriction: nn.Module | None = None,
        at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.restriction = CellAverage() if restriction is None else restriction
        self.arguments = {
            "levels": levels,
            "padding": padding if isinstance(padding, float | int) else list(padding),
            "boundary": boundary if isinstance(boundary, str) else list(boundary),
            "restriction": self.restriction,
            "at_once": at_once,
        }
        self.levels, self.padding, self.boundary, self.at_once = levels, padding, boundary, at_once
        if levels < 0:
            raise DomainError(f"levels is {levels}; give 0 for no patches, 1 for 2 along each axis, 2 for 4 and so on")
        fractions = padding if isinstance(padding, Sequence) else [padding]
        if not all(0 <= f <= 1 for f in fractions):
            raise DomainError(f"padding is {padding}; give the fraction of the whole side on each side, from 0 to 1")
        if at_once is not None and at_once < 1:
            raise DomainError(f"at_once is {at_once}; give the patches to take at a time, at least 1, or None for all")
        names = [boundary] if isinstance(boundary, str) else boundary
        if not set(names) <= set(BOUNDARIES):
            raise DomainError(f"boundary is {boundary!r}; give circular, reflect or zero, for all axes or for each")

    def channels(self, fields: int) -> int:
        """Channels of the windows of a field with that many channels."""
        return (fields + self._marks_inside()) * (self.levels + 1) if self.levels else fields

    def axes(self, shape: Sequence[int]) -> list[PatchAxis]:
        """How each axis of a grid is cut. Raises DomainError for a grid with less than one pixel a patch."""
        fractions = self.padding if isinstance(self.padding, Sequence) else [self.padding] * len(shape)
        walls = [self.boundary] * len(shape) if isinstance(self.boundary, str) else self.boundary
        if len(fractions) != len(shape) or len(walls) != len(shape):
            raise DomainError(
                f"padding {self.padding} and boundary {self.boundary!r} do not fit a grid of {len(shape)} axes; "
                "give one value, or one for each axis"
            )
        if min(shape) < 2**self.levels:
            raise DomainError(
                f"level {self.levels} cuts each axis into {2**self.levels} patches, more than the {min(shape)} pixels "
                f"of a grid {tuple(shape)}; use at most level {max(min(shape), 1).bit_length() - 1}"
            )
        pixels = [round(f * n) if self.levels else 0 for n, f in zip(shape, fractions, strict=True)]
        return [PatchAxis(n, self.levels, p, b) for n, p, b in zip(shape, pixels, walls, strict=True)]

    def views(self, values: Float[Tensor, "batch channels *space"]) -> PatchViews:
        """The field at every level, from which `PatchViews.take` gathers windows: few or all of them."""
        axes = self.axes(values.shape[2:])
        if self._marks_inside():
            values = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
        levels = []
        for level in range(self.levels + 1):
            coarse = values
            for i, axis in enumerate(axes):
                longer = axis.periodic(coarse, i + 2)
                coarse = self.restriction(longer, i + 2, level, axis.between)
            levels.append(coarse)
        return PatchViews(axes, levels)

    def forward(self, values: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "rows windowed *window"]:
        """All windows, 2^(L dim) batch rows."""
        if self.levels == 0:
            return values
        views = self.views(values)
        return views.take(range(len(views)))

    def through(
        self,
        network: Callable[[Tensor, Tensor | None], Tensor],
        values: Float[Tensor, "batch channels *space"],
        parameters: Float[Tensor, "batch n"] | None = None,
    ) -> Float[Tensor, "rows outputs *patch"]:
        """What the network makes of every window, cropped to its patch; `stitch` puts the field together.

        With `at_once`, windows are made and forgotten a few at a time; training computes them once more for the
        gradient instead of keeping what is inside the network.
        """
        if self.levels == 0:
            return network(values, parameters)
        shape, views = values.shape[2:], self.views(values)
        step = self.at_once or len(views)

        def process(patches: range) -> Tensor:
            told = None if parameters is None else parameters.repeat(len(patches), 1)
            return self.crop(network(views.take(patches), told), shape).contiguous()

        done = []
        for first in range(0, len(views), step):
            patches = range(first, min(first + step, len(views)))
            forget = step < len(views) and torch.is_grad_enabled()
            done.append(checkpoint(process, patches, use_reentrant=False) if forget else process(patches))
        return torch.cat(done)

    def split(self, values: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "rows channels *patch"]:
        """The patches of a field without surroundings: targets of a loss on patches, in the order of `forward`."""
        bare = MultigridPatches(levels=self.levels, boundary="circular")
        axes = bare.axes(values.shape[2:])
        return PatchViews(axes, [values]).take(range(1 << self.levels * len(axes)))

    def crop(
        self, windows: Float[Tensor, "rows channels *window"], shape: Sequence[int]
    ) -> Float[Tensor, "rows channels *patch"]:
        """The patches inside windows: what `split` gives for a field of that grid."""
        for i, axis in enumerate(self.axes(shape)):
            windows = windows.narrow(i + 2, axis.padding, axis.patch)
        return windows

    def stitch(
        self, patches: Float[Tensor, "rows channels *patch"], shape: Sequence[int]
    ) -> Float[Tensor, "batch channels *space"]:
        """The field on a grid of that shape whose patches these are; exact inverse of `split`."""
        axes = self.axes(shape)
        if self.levels == 0:
            return patches
        cut = [axis.patches for axis in axes]
        field = patches.unflatten(0, (*cut, len(patches) // prod(cut)))
        for i in reversed(range(len(axes))):  # the last axis of patches goes first, so that the i-th stays the i-th
            side = i - len(axes)
            kept = [field.select(i, j).narrow(side, 0, n) for j, n in enumerate(axes[i].owned)]
            field = torch.cat(kept, dim=side)
        return field

    def _marks_inside(self) -> bool:
        return self.levels > 0 and "zero" in ([self.boundary] if isinstance(self.boundary, str) else self.boundary)


class PatchViews:
    """A field at every level, and where each window's pixels lie; len is the number of patches of a sample."""

    def __init__(self, axes: list[PatchAxis], levels: list[Tensor]) -> None:
        self.grid = tuple(axis.patches for axis in axes)
        self.levels = levels
        self.pixels = [[axis.pixels(level).to(levels[0].device) for axis in axes] for level in range(len(levels))]

    def __len__(self) -> int:
        return prod(self.grid)

    def take(self, patches: range) -> Float[Tensor, "rows windowed *window"]:
        """Windows of these patches, numbered as the axes run: the last axis fastest."""
        device, dim = self.levels[0].device, len(self.grid)
        numbers = torch.arange(patches.start, patches.stop, device=device)
        windows = []
        for values, pixels in zip(self.levels, self.pixels, strict=True):
            index: list[Any] = [slice(None), slice(None)]
            for i in range(dim):
                chosen = numbers // prod(self.grid[i + 1 :]) % self.grid[i]
                along = pixels[i][chosen]  # (patches taken, window)
                index.append(along.reshape([len(along)] + [-1 if a == i else 1 for a in range(dim)]))
            windows.append(values[tuple(index)])  # (batch, channels, patches taken, *window)
        return torch.cat(windows, dim=1).movedim(2, 0).flatten(0, 1)
