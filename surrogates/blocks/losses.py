"""Error functions of training: what an error costs.

Each takes errors of any shape (the last axis a vector's components) and gives their mean cost.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def squared(error: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of e^2: the likelihood of normal errors; one bad label weighs much."""
    return error.square().mean()


def absolute(error: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of |e|, component by component: aims at the median."""
    return error.abs().mean()


def vector_norm(error: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean length of the error vectors, which unlike |e| by component does not depend on the axes; |e| for scalars."""
    if error.dim() < 2:
        return absolute(error)
    return (error.square().sum(dim=-1) + 1e-16).sqrt().mean()  # smooth at zero, where a norm has no gradient


def huber(error: Float[Tensor, "*shape"], delta: float = 0.01) -> Float[Tensor, ""]:
    """e^2/2 within `delta`, delta (|e| - delta/2) beyond: outliers pull with a bounded force."""
    return torch.nn.functional.huber_loss(error, torch.zeros_like(error), delta=delta)


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": squared,
    "absolute": absolute,
    "vector_norm": vector_norm,
    "huber": huber,
}
