"""Fields of a trajectory as channels of a network, and back.

A field of rank r has dim^r components (scalar, vector, tensor); frames and components become channels, frame by frame.
The scale of a field is common to its components, and only scalars are shifted by their mean, so that normalisation does
not break rotations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.group_conv.representation import components
from surrogates.physics.errors import DomainError
from surrogates.selection import Selection

TABLE = 64  # numbers in which a layout is kept


@dataclass(frozen=True)
class Block:
    """Neighbouring channels that one selection fills.

    Args:
        selection: what. rank: of the field. components: channels a frame. frames: how many. start: first channel.
    """

    selection: Selection
    rank: int
    components: int
    frames: int
    start: int

    @property
    def channels(self) -> slice:
        """The block's channels."""
        return slice(self.start, self.start + self.frames * self.components)

    @property
    def name(self) -> str:
        """The field's name."""
        return self.selection.name


@dataclass(frozen=True)
class Channels:
    """What fills the channels of a network's input or output."""

    blocks: tuple[Block, ...]
    dim: int

    @classmethod
    def of(cls, selections: Sequence[Selection], trajectory: Any) -> Channels:
        """The layout of what is selected of trajectories like this one."""
        dim, start, blocks = len(trajectory.axes), 0, []
        t = -min([0, *(s.first for s in selections if s.relative and s.first is not None)])
        for selection in selections:
            array = values(trajectory, selection, t)
            rank = array.ndim - 1 - dim
            components = int(np.prod(array.shape[1 + dim :], dtype=int))
            blocks.append(Block(selection, rank, components, len(array), start))
            start += len(array) * components
        return cls(tuple(blocks), dim)

    @classmethod
    def from_table(cls, selections: Sequence[Selection], table: Sequence[int], dim: int) -> Channels:
        """The layout that `table` described: frames and rank of each selection."""
        start, blocks = 0, []
        for k, selection in enumerate(selections):
            frames, rank = int(table[2 * k]), int(table[2 * k + 1])
            blocks.append(Block(selection, rank, dim**rank, frames, start))
            start += frames * dim**rank
        return cls(tuple(blocks), dim)

    def table(self) -> list[int]:
        """Frames and rank of each block, two numbers each, with zeros up to TABLE. Raises DomainError for too many."""
        if 2 * len(self.blocks) > TABLE:
            raise DomainError(
                f"{len(self.blocks)} selections are too many; {TABLE // 2} can be had, join frames as u[0:3]"
            )
        found = [n for b in self.blocks for n in (b.frames, b.rank)]
        return found + [0] * (TABLE - len(found))

    @property
    def count(self) -> int:
        """All channels."""
        return sum(b.frames * b.components for b in self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """Fields, each once, in order."""
        return tuple(dict.fromkeys(b.name for b in self.blocks))

    def pack(self, trajectory: Any, t: int = 0) -> np.ndarray:
        """(channels, *space) of a trajectory, the relative selections at frame `t`."""
        return np.concatenate([_to_channels(values(trajectory, b.selection, t), self.dim) for b in self.blocks])

    def unpack(self, tensor: Tensor) -> dict[str, Tensor]:
        """(batch, channels, *space) -> by field (batch, frames, *space, *components), The Well's order."""
        found: dict[str, list[Tensor]] = {}
        for b in self.blocks:
            part = tensor[:, b.channels]
            part = part.reshape(part.shape[0], b.frames, b.components, *part.shape[2:])
            part = part.movedim(2, -1).reshape(*part.shape[:2], *part.shape[3:], *([self.dim] * b.rank))
            found.setdefault(b.name, []).append(part)
        return {name: torch.cat(parts, dim=1) for name, parts in found.items()}

    def per_channel(self, by_field: Mapping[str, float]) -> list[float]:
        """A number for each field as a number for each channel."""
        return [by_field[b.name] for b in self.blocks for _ in range(b.frames * b.components)]

    def index(self, name: str) -> list[int]:
        """The channels of a field."""
        return [k for b in self.blocks if b.name == name for k in range(b.channels.start, b.channels.stop)]

    def frame(self, name: str, offset: int) -> list[int]:
        """The channels of a field `offset` frames after `t`, the last such ones; [] where it is not among them."""
        for b in reversed(self.blocks):
            if b.name == name and b.selection.relative and b.selection.first is not None:
                place = b.start + (offset - b.selection.first) * b.components
                if b.start <= place < b.start + b.frames * b.components:
                    return list(range(place, place + b.components))
        return []

    def turning(self, ranks: Sequence[str | int]) -> list[set[str]]:
        """Fields that make up each rank of a model that a turn or a mirror changes, see group_conv.representation."""
        names, start, found = [b.name for b in self.blocks for _ in range(b.frames * b.components)], 0, []
        for rank in ranks:
            stop = start + components(rank)
            if rank not in ("scalar", 0):
                found.append(set(names[start:stop]))
            start = stop
        return found


@dataclass(frozen=True)
class Moments:
    """Mean and scale of each field by name: standard deviation of a scalar, root mean square of a component else."""

    mean: Mapping[str, float]
    scale: Mapping[str, float]


def moments(layouts: Sequence[Channels], samples: Sequence[Any], turning: Sequence[Set[str]] = ()) -> Moments:
    """Moments of all selected fields over windows (a trajectory with a `t` and a mask). Raises DomainError for NaN.

    `turning` are fields that together make up one whose components or sign change when space is turned or mirrored:
    they have no mean and share a scale, as a field of rank 1 or 2 has by itself.
    """
    blocks = {b.name: b for layout in layouts for b in layout.blocks}
    plain = {name for name, b in blocks.items() if b.rank == 0}.difference(*turning)
    sums, about = {name: np.zeros(3) for name in blocks}, dict.fromkeys(blocks, 0.0)
    for sample in samples:
        for layout in layouts:
            packed = layout.pack(sample.trajectory, sample.t)
            inside = slice(None) if sample.trajectory.mask is None else np.asarray(sample.trajectory.mask)
            for b in layout.blocks:
                x = packed[b.channels][:, inside].astype(np.float64)
                if not np.isfinite(x).all():
                    raise DomainError(
                        f"{b.selection} of trajectory {sample.trajectory.row} has a value that is not finite (frame "
                        f"t={sample.t}); leave this trajectory out or repair it"
                    )
                if b.name in plain:  # about a value of its own, so that a small spread far from zero keeps its digits
                    about[b.name] = about[b.name] if sums[b.name][0] else float(x.mean()) if x.size else 0.0
                    x = x - about[b.name]
                sums[b.name] += [x.size, x.sum(), np.square(x).sum()]
    for together in turning:
        total = np.sum([sums[name] for name in together if name in sums], axis=0)
        sums |= {name: total for name in together if name in sums}
    mean, scale = {}, {}
    for name, (n, first, second) in sums.items():
        middle = float(first / n) if name in plain else 0.0
        mean[name] = about[name] + middle
        scale[name] = float(np.sqrt(max(second / n - middle**2, 0.0))) or 1.0
    return Moments(mean, scale)


def values(trajectory: Any, selection: Selection, t: int = 0) -> np.ndarray:
    """What is selected of a Trajectory, (frames, *space, *components). Raises DomainError for an unknown field."""
    name = selection.name
    if name in trajectory.constants:
        if selection.first is not None or selection.stop is not None:
            raise DomainError(f"{selection}: {name} has no time; write {name!r} alone")
        return np.asarray(trajectory.constants[name])[None]
    if name not in trajectory.fields:
        known = ", ".join([*trajectory.fields, *trajectory.constants])
        raise DomainError(f"there is no field {name!r} in the data; there are {known}")
    field = trajectory.fields[name]
    if selection.first is None and selection.stop is None and selection.single and len(field) > 1:
        raise DomainError(
            f"{name!r} has {len(field)} frames; say which: {name}[0], {name}[-1], {name}[:] for all, or {name}[t]"
        )
    frames = selection.frames(len(field), t)
    return np.asarray(field[frames.start : frames.stop])


def _to_channels(array: np.ndarray, dim: int) -> np.ndarray:
    """(frames, *space, *components) -> (frames * components, *space)."""
    flat = array.reshape(*array.shape[: 1 + dim], -1)
    return np.moveaxis(flat, -1, 1).reshape(-1, *array.shape[1 : 1 + dim])
