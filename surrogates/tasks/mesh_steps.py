"""How a network's output becomes the next state: increments on the newest frame, accelerations, or the value itself.

Papers: Learning Mesh-Based Simulation with Graph Networks (arXiv:2010.03409), for integration and noise whose target
is recomputed; Learning to Simulate Complex Physics with Graph Networks (arXiv:2002.09405), for noise that walks along
the frames of a history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.selection import Selection
from surrogates.tasks.mesh_channels import MeshChannels


@dataclass(frozen=True)
class Increments:
    """Where each target channel starts from: output channels `out` from input channels `newest`, and `before` them.

    Second order continues in a straight line, 2 u(t) - u(t - step). Other channels are the output itself.
    """

    first: tuple[tuple[int, int], ...]  # (target channel, input channel)
    second: tuple[tuple[int, int, int], ...]  # (target channel, newest input channel, the one before)

    @classmethod
    def of(cls, inputs: MeshChannels, targets: MeshChannels, order: Mapping[str, int], step: int) -> Increments:
        """From layouts and the order of each field. Raises DomainError where the input lacks a frame."""
        first, second = [], []
        for b in targets.blocks:
            if not order[b.name]:
                continue
            offsets = [offset for s in (i.selection for i in inputs.blocks) if s.name == b.name for offset in _of(s)]
            newest = inputs.frame(b.name, max(offsets, default=0))
            before = inputs.frame(b.name, max(offsets, default=0) - step)
            if not newest or (order[b.name] == 2 and not before):
                raise DomainError(
                    f"order {order[b.name]} of {b.name} goes on from its frames before {b.selection}, and the input "
                    f"has not got them; add {b.name}[t]" + (f" and {b.name}[t{-step}]" if order[b.name] == 2 else "")
                )
            for frame in range(b.frames):
                for k in range(b.components):
                    channel = b.start + frame * b.components + k
                    if order[b.name] == 1:
                        first.append((channel, newest[k]))
                    else:
                        second.append((channel, newest[k], before[k]))
        return cls(tuple(first), tuple(second))

    def base(self, values: Tensor, count: int) -> Tensor:
        """What the output is added to, (nodes, count)."""
        found = values.new_zeros(len(values), count)
        for channels, sign in ((self.first, 0), (self.second, 1)):
            if channels:
                columns = torch.tensor(channels, device=values.device).T
                rise = values[:, columns[1]]
                found = found.index_copy(1, columns[0], 2 * rise - values[:, columns[2]] if sign else rise)
        return found


@dataclass(frozen=True)
class Walk:
    """Training noise: at each node a random walk along the frames of a field, of std `scale` at the newest one.

    Args:
        frames: input channels (components) of each frame, oldest first. free: target channel of each component, which
            says where a node is not prescribed. scale: of each component.
    """

    frames: tuple[tuple[int, ...], ...]
    free: tuple[int, ...]
    scale: tuple[float, ...]

    def __call__(self, values: Tensor, counted: Tensor | None) -> Tensor:
        """The values with noise; what is prescribed stays as it is."""
        scale = values.new_tensor(self.scale) / len(self.frames) ** 0.5
        here = 1.0 if counted is None else counted[:, list(self.free)].to(values)
        noise = torch.zeros(len(values), len(self.scale), dtype=values.dtype, device=values.device)
        for channels in self.frames:
            noise = noise + here * scale * torch.randn_like(noise)
            values = values.index_add(1, torch.tensor(channels, device=values.device), noise)
        return values


def walked(inputs: MeshChannels, targets: MeshChannels, name: str) -> tuple[tuple[tuple[int, ...], ...], list[int]]:
    """Frames of a field among the input channels, oldest first, and its channels in one frame of the target."""
    blocks = [b for b in inputs.blocks if b.name == name and b.selection.relative]
    offsets = sorted({offset for b in blocks for offset in _of(b.selection)})
    frames = tuple(tuple(inputs.frame(name, offset)) for offset in offsets)
    return frames, targets.index(name)[: len(frames[0]) if frames else 0]


def newest(inputs: MeshChannels, targets: MeshChannels) -> Increments:
    """Which input channels the targets are where nothing changes; none for fields that the input has not."""
    pairs = []
    for b in targets.blocks:
        same = [i for i in inputs.blocks if i.name == b.name]
        if same:
            last = range(same[-1].channels.stop - b.components, same[-1].channels.stop)
            pairs += [(b.start + f * b.components + k, c) for f in range(b.frames) for k, c in enumerate(last)]
    return Increments(tuple(pairs), ())


def orders(
    given: int | Mapping[str, int] | None, inputs: Sequence[Selection], targets: Sequence[Selection]
) -> dict[str, int]:
    """Order in time of each target field: 1 for those that the input has relative to `t` too, else 0, unless given."""
    dynamic = {s.name for s in inputs if s.relative}
    found = {s.name: int(s.relative and s.name in dynamic) for s in targets}
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in found]
        if unknown:
            raise DomainError(f"order names {unknown[0]!r}; the targets are {', '.join(found)}")
        found |= {name: _checked(k) for name, k in given.items()}
    elif given is not None:
        found = {name: _checked(given) if k else 0 for name, k in found.items()}
    wrong = [name for name, k in found.items() if k and name not in dynamic]
    if wrong:
        raise DomainError(
            f"order {found[wrong[0]]} of {wrong[0]}: increments need selections relative to t, such as "
            f"'{wrong[0]}[t]' in the input and '{wrong[0]}[t+1]' in the target"
        )
    return found


def _checked(order: int) -> int:
    if order not in (0, 1, 2):
        raise DomainError(f"order={order!r}; give 0 for the value itself, 1 for increments, 2 for accelerations")
    return order


def _of(s: Selection) -> range:
    return range(s.first, s.stop) if s.relative and s.first is not None and s.stop is not None else range(0)
