"""Normalisation that sees no pose: one mean and variance for each sample and channel, over its poses and all points."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def pose_norm(f: Float[Tensor, "batch features *space"], order: int) -> Float[Tensor, "batch features *space"]:
    """(f - mean) / sqrt(variance + 1e-5) of channels x poses (`order` poses, running fastest).

    Where f does not vary at all its rounding error does, and each norm makes that up to 300 times larger: what a deep
    network says of a field at rest in single precision is noise.
    """
    return F.instance_norm(f.view(f.shape[0], f.shape[1] // order, order, *f.shape[2:]).flatten(2)).view(f.shape)
