"""Fields on a mesh as channels of its nodes, and back: frame by frame, component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.selection import Selection
from surrogates.tasks.mesh_windows import values


@dataclass(frozen=True)
class MeshBlock:
    """Neighbouring channels that one selection fills.

    Args:
        selection: what. shape: components of the field at a node. frames: how many. start: first channel.
    """

    selection: Selection
    shape: tuple[int, ...]
    frames: int
    start: int

    @property
    def name(self) -> str:
        """The field's name."""
        return self.selection.name

    @property
    def components(self) -> int:
        """Channels a frame."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def channels(self) -> slice:
        """The block's channels."""
        return slice(self.start, self.start + self.frames * self.components)

    def checked(self, found: np.ndarray) -> np.ndarray:
        """Values (frames, nodes, *components) of this block. Raises DomainError where they are others."""
        if len(found) != self.frames or found.shape[2:] != self.shape:
            raise DomainError(
                f"{self.selection} has {len(found)} frames with components {found.shape[2:]}; the training data have "
                f"{self.frames} with {self.shape}"
            )
        return found

    def frame(self, offset: int) -> slice | None:
        """Channels of the frame `offset` after `t`; None where it is not among them."""
        if not self.selection.relative or self.selection.first is None:
            return None
        place = offset - self.selection.first
        start = self.start + place * self.components
        return slice(start, start + self.components) if 0 <= place < self.frames else None


@dataclass(frozen=True)
class MeshChannels:
    """What fills some channels of a network's input or output."""

    blocks: tuple[MeshBlock, ...]

    @classmethod
    def of(cls, selections: Sequence[Selection], sample: Any) -> MeshChannels:
        """The layout of what is selected of meshes like this one."""
        t = -min([0, *(s.first for s in selections if s.relative and s.first is not None)])
        found = [values(sample, s, t) for s in selections]
        return cls.from_table(selections, [[len(x), list(x.shape[2:])] for x in found])

    @classmethod
    def from_table(cls, selections: Sequence[Selection], table: Sequence[Any]) -> MeshChannels:
        """The layout that `table` described: frames and components of each selection."""
        blocks, start = [], 0
        for selection, (frames, shape) in zip(selections, table, strict=True):
            blocks.append(MeshBlock(selection, tuple(int(n) for n in shape), int(frames), start))
            start = blocks[-1].channels.stop
        return cls(tuple(blocks))

    def table(self) -> list[list[Any]]:
        """Frames and components of each block, plain JSON."""
        return [[b.frames, list(b.shape)] for b in self.blocks]

    @property
    def count(self) -> int:
        """All channels."""
        return self.blocks[-1].channels.stop if self.blocks else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Fields, each once, in order."""
        return tuple(dict.fromkeys(b.name for b in self.blocks))

    def pack(self, sample: Any, t: int = 0) -> np.ndarray:
        """(nodes, channels) of a mesh, the relative selections at frame `t`."""
        parts = []
        for b in self.blocks:
            x = b.checked(values(sample, b.selection, t))
            parts.append(np.moveaxis(x.reshape(len(x), len(sample), -1), 0, 1).reshape(len(sample), -1))
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(sample), 0))

    def unpack(self, nodal: Tensor | np.ndarray) -> dict[str, Any]:
        """(nodes, channels) -> by field (frames, nodes, *components), its frames behind each other."""
        found: dict[str, Any] = {}
        for b in self.blocks:
            part = nodal[:, b.channels].reshape(len(nodal), b.frames, *b.shape)
            part = part.swapaxes(0, 1)
            found[b.name] = part if b.name not in found else _behind(found[b.name], part)
        return found

    def single(self, name: str) -> bool:
        """Whether one frame of a field is meant, which then has no axis of frames."""
        blocks = [b for b in self.blocks if b.name == name]
        return len(blocks) == 1 and blocks[0].frames == 1 and blocks[0].selection.single

    def index(self, name: str) -> list[int]:
        """The channels of a field."""
        return [k for b in self.blocks if b.name == name for k in range(b.channels.start, b.channels.stop)]

    def frame(self, name: str, offset: int) -> list[int]:
        """The channels of a field `offset` frames after `t`, the last such ones; [] where it is not among them."""
        for b in reversed(self.blocks):
            if b.name == name and (place := b.frame(offset)) is not None:
                return list(range(place.start, place.stop))
        return []


def _behind(first: Any, second: Any) -> Any:
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    from torch import cat

    return cat([first, second])
