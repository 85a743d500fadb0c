"""Fields on a grid, many at once, as channels of tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class GridBatch:
    """What an operator network reads: channels on a grid, and what it shall answer.

    Args:
        values: input channels.
        parameters: numbers of each sample (viscosity, ...); (batch, 0) where there are none.
        target: channels wanted; None where only the input is known.
        mask: True at points inside the domain; None where all are.
        periodic: whether each axis of space closes on itself.
        spacing: of the grid points along each axis; () where nobody needs it.
        rows: which rows of the data set these are, so that an error can name the sample.
    """

    values: Float[Tensor, "batch channels *space"]
    parameters: Float[Tensor, "batch parameters"]
    target: Float[Tensor, "batch targets *space"] | None
    mask: Bool[Tensor, "batch *space"] | None
    periodic: tuple[bool, ...]
    spacing: tuple[float, ...] = ()
    rows: Int[Tensor, "batch"] | None = None

    def __len__(self) -> int:
        return self.values.shape[0]

    @property
    def dim(self) -> int:
        """Dimensions of space."""
        return self.values.ndim - 2

    @property
    def space(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(self.values.shape[2:])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> GridBatch:
        """The same batch on `device`, its floating-point tensors in `dtype`."""
        moved: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                moved[entry.name] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        return replace(self, **moved)
