"""Smooth activations by name: what a network needs whose derivatives are trained."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
    "gelu": nn.functional.gelu,
    "softplus": nn.functional.softplus,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function of this name. Raises DomainError for others; relu is none: its second derivative vanishes."""
    if name not in ACTIVATIONS:
        near = difflib.get_close_matches(str(name), ACTIVATIONS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        reason = "; relu has no second derivative to train" if name == "relu" else ""
        raise DomainError(f"activation={name!r} is unknown; choose one of {', '.join(ACTIVATIONS)}{hint}{reason}")
    return ACTIVATIONS[name]
