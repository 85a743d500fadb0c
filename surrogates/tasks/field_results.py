"""What operators say and what rollouts start from, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FieldResult:
    """What an operator says of a batch.

    Args:
        fields: by name, (batch, frames, *space, *components), in the data's units.
        std: calibrated standard deviations of the same shapes, None without a spread.
    """

    fields: dict[str, Tensor]
    std: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class RolloutBatch:
    """Where rollouts start, values (batch, channels, *space), and the truth of each step in the target's channels.

    `start` is the frame `t` of the first window.
    """

    values: Tensor
    parameters: Tensor
    mask: Tensor | None
    truths: tuple[Tensor, ...]
    start: int
