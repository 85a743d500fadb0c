"""The centre of a chain of tensors, carried from site to site by QR factorisations."""

from __future__ import annotations

import torch
from torch import Tensor


def carried(tensors: list[Tensor], center: int, site: int) -> int:
    """Moves the centre of tensors (left, physical, right) to `site`, in place, and returns it; the state stays."""
    while center < site:
        t = tensors[center]
        q, r = torch.linalg.qr(t.flatten(0, 1))
        tensors[center] = q.reshape(*t.shape[:2], -1)
        center += 1
        tensors[center] = torch.tensordot(r, tensors[center], dims=1)
    while center > site:
        t = tensors[center]
        q, r = torch.linalg.qr(t.flatten(1).mH)
        tensors[center] = q.mH.reshape(-1, *t.shape[1:])
        center -= 1
        tensors[center] = torch.tensordot(tensors[center], r.mH, dims=1)
    return center
