"""Series whose directions are sparse: entries at the indices of their support along the last axis, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet
from surrogates.derivatives.series import Coefficient


def gathered(value: Tensor, support: Tensor) -> Tensor:
    """(..., d) -> (V, ..., m), the value at each direction's indices; a last axis of one is broadcast."""
    if value.ndim == 0 or value.shape[-1] == 1:
        return value.unsqueeze(0)
    picked = value[..., support.flatten()]
    return picked.reshape(*picked.shape[:-1], *support.shape).movedim(-2, 0)


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two supports are known to be one."""
    return a is b and a is not None


def dense(jet: Jet) -> Jet:
    """The same series with all entries, its top order collapsed where the frame says so."""
    if jet.support is None:
        return jet
    size, support = jet.value.shape[-1], jet.support
    higher = [None if c is None else _scattered(c, size, support) for c in jet.higher]
    higher[-1] = jet.frame.collapse(higher[-1])
    return Jet.of(jet.value, higher, jet.frame)


def _scattered(entries: Tensor, size: int, support: Tensor) -> Tensor:
    lead = entries.shape[1:-1]
    where = support.view(len(support), *[1] * len(lead), -1).expand(len(support), *lead, -1)
    return entries.new_zeros(len(support), *lead, size).scatter_add(-1, where, entries.expand(where.shape))


def sliced(jet: Jet, start: int, stop: int) -> Jet:
    """The entries start..stop of the last axis; what lies outside becomes a zero at the first of them."""
    assert jet.support is not None
    inside = (jet.support >= start) & (jet.support < stop)
    kept = [None if c is None else c * inside.view(len(inside), *[1] * (c.ndim - 2), -1) for c in jet.higher]
    moved = torch.where(inside, jet.support - start, 0)
    return Jet.of(jet.value[..., start:stop], kept, jet.frame, sparse=moved)


def side_by_side(parts: Sequence[Jet | Tensor], value: Tensor) -> Jet:
    """Sparse series and constants joined along the last axis into `value`: their supports one after the other."""
    jets, supports, shift = [], [], 0
    for part in parts:
        if isinstance(part, Jet) and part.support is not None:
            jets.append(part)
            supports.append(part.support + shift)
        shift += part.shape[-1]
    higher: list[Coefficient] = []
    for n in range(jets[0].frame.order):
        found = [j.higher[n] for j in jets]
        lead = [max(sizes) for sizes in zip(*(c.shape[1:-1] for c in found if c is not None), strict=True)]
        rows = [
            value.new_zeros(len(s), *lead, s.shape[1]) if c is None else c.expand(len(s), *lead, s.shape[1])
            for c, s in zip(found, supports, strict=True)
        ]
        higher.append(None if all(c is None for c in found) else torch.cat(rows, dim=-1))
    return Jet.of(value, higher, jets[0].frame, sparse=torch.cat(supports, dim=1))


def full(coefficient: Coefficient, shape: torch.Size, *, summed: bool = False) -> Coefficient:
    """A coefficient with the value's whole shape behind its axis of directions."""
    if coefficient is None or summed:
        return None if coefficient is None else coefficient.expand(shape)
    missing = len(shape) - (coefficient.ndim - 1)
    lined = coefficient.reshape(len(coefficient), *[1] * missing, *coefficient.shape[1:])
    return lined.expand(len(coefficient), *shape)
