"""Transforms of torch that see through torch's own operations only: there the eager twins run in place of kernels.

They are those of torch.func (vmap, grad, jvp, jacrev, hessian, ...) and differentiation in forward mode.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from surrogates.physics.errors import SurrogatesError


class ManyGradients(SurrogatesError, RuntimeError):
    """A RuntimeError too, as torch's own: callers that then take one gradient after the other go on to do so."""


def transformed() -> bool:
    """Whether such a transform is at work."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def refuse_transforms(*gradients: Tensor | None) -> None:
    """ManyGradients where a kernel's result is differentiated inside a transform that began after it was made."""
    batched = torch._C._functorch.is_legacy_batchedtensor  # what is_grads_batched and vectorize=True make
    if transformed() or any(batched(g) for g in gradients if g is not None):
        raise ManyGradients(
            "what a native kernel made is differentiated by many vectors at once (torch.func.vmap, is_grads_batched, "
            "vectorize=True), which kernels cannot; make it inside the transform, as torch.func.jacrev and hessian do, "
            "where eager code runs, or set SURROGATES_NATIVE=0 before the start"
        )
