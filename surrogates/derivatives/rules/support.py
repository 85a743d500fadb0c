"""Series whose directions are sparse: entries at the frame's indices of the last axis, zeros elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from surrogates.derivatives.directions import Frame
from surrogates.derivatives.jet import Jet
from surrogates.derivatives.series import Coefficient


def gathered(value: Tensor, frame: Frame) -> Tensor:
    """(..., d) -> (V, ..., m), the value at each direction's indices; a last axis of one is broadcast."""
    assert frame.indices is not None
    if value.ndim == 0 or value.shape[-1] == 1:
        return value.unsqueeze(0)
    count, entries = frame.indices.shape
    picked = value[..., frame.indices.flatten()].unflatten(-1, (count, entries))
    return picked.movedim(-2, 0)


def dense(jet: Jet) -> Jet:
    """The same series with all entries, its top order collapsed where the frame says so."""
    if not jet.sparse:
        return jet
    frame, value = jet.frame, jet.value
    assert frame.indices is not None
    higher = [None if c is None else _scattered(c, value, frame.indices) for c in jet.higher]
    higher[-1] = frame.collapse(higher[-1])
    return Jet.of(value, higher, frame)


def _scattered(entries: Tensor, value: Tensor, indices: Tensor) -> Tensor:
    lead = entries.shape[1:-1]
    where = indices.view(len(indices), *[1] * len(lead), -1).expand(len(indices), *lead, -1)
    return entries.new_zeros(len(indices), *lead, value.shape[-1]).scatter(-1, where, entries.expand(where.shape))


def full(coefficient: Coefficient, shape: torch.Size, *, summed: bool = False) -> Coefficient:
    """A coefficient with the value's whole shape behind its axis of directions."""
    if coefficient is None or summed:
        return None if coefficient is None else coefficient.expand(shape)
    missing = len(shape) - (coefficient.ndim - 1)
    lined = coefficient.reshape(len(coefficient), *[1] * missing, *coefficient.shape[1:])
    return lined.expand(len(coefficient), *shape)
