"""Weights that share their numbers: a large weight is picked from a small one, once for each set of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def pick(numbers: Tensor, places: Tensor) -> Tensor:
    """numbers.flatten()[places]; gradients of places that share a number are summed.

    Nothing is saved for the backward pass, so one result can be differentiated through any number of times.
    """
    if torch.compiler.is_compiling():  # which takes no functions with a forward derivative of their own
        return numbers.reshape(-1).index_select(0, places)
    picked: Tensor = _Pick.apply(numbers.reshape(-1), places)  # type: ignore[no-untyped-call]
    return picked


class _Pick(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(numbers: Tensor, places: Tensor) -> Tensor:
        return numbers.index_select(0, places)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        numbers, ctx.places = inputs
        ctx.count = numbers.shape[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.new_zeros(ctx.count).index_add(0, ctx.places, gradient), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent.index_select(0, ctx.places)


class Kept:
    """What was built from parameters, built again only when they have changed.

    Changed means: another tensor, another memory (`.to`), another version (an optimiser's step, `load_state_dict`, any
    operation in place), or another mode (training or not, with gradients or not). The old memory is held, so that a new
    tensor cannot be mistaken for it. Writing through `.data` in one and the same mode is not seen.
    """

    def __init__(self) -> None:
        self.builds = 0
        self._key: tuple[Any, ...] | None = None
        self._alive: tuple[Tensor, ...] = ()
        self._value: Tensor | None = None

    def get(self, build: Callable[[], Tensor], parameters: Sequence[Tensor], training: bool) -> Tensor:
        """The kept value, or that of `build()`. Traced code and torch.func's transforms build each time."""
        if torch.compiler.is_compiling() or any(_foreign(p) for p in parameters):
            return build()
        gradients = torch.is_grad_enabled()
        key = (
            training,
            gradients,
            *((id(p), p.data_ptr(), p._version, p.dtype, p.device, p.requires_grad) for p in parameters),
        )
        if self._value is None or key != self._key:
            self.builds += 1
            with torch.inference_mode(False), torch.set_grad_enabled(gradients):  # it may outlive an inference mode
                value = build()
            if _foreign(value):
                return value
            alive = (*parameters, *(p.detach() for p in parameters))
            self._key, self._alive, self._value = key, alive, value
        return self._value

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        return Kept()

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return Kept, ()


def _foreign(x: Tensor) -> bool:
    """Made inside a torch.func transform or in inference mode: no memory or no version of its own."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x) or x.is_inference()
