"""Normalisation that sees no pose: one mean and variance for each sample and channel, over its poses and all points."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def pose_norm(f: Float[Tensor, "batch features *space"], order: int) -> Float[Tensor, "batch features *space"]:
    """(f - mean) / sqrt(variance + 1e-5) of channels x poses (`order` poses, running fastest)."""
    return F.instance_norm(f.reshape(f.shape[0], f.shape[1] // order, -1)).view(f.shape)
