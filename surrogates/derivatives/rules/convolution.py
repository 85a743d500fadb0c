"""Convolutions, linear in the input with the bias in the value alone; directions are folded into the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.jet import Jet, rule
from surrogates.derivatives.rules.linear import everywhere
from surrogates.derivatives.rules.products import multilinear


def _enter(operation: Callable[..., Tensor]) -> None:
    def follow(input: Any, weight: Any, bias: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(weight, Jet) or isinstance(bias, Jet):
            y = multilinear(lambda x, w: operation(x, w, None, *args, **kwargs), input, weight)
            return y if bias is None else y + bias.reshape(-1, *[1] * (weight.ndim - 2))
        value = operation(input.value, weight, bias, *args, **kwargs)
        return everywhere(lambda x: operation(x, weight, None, *args, **kwargs), input, value=value)

    rule(operation)(follow)


for _name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
    _enter(getattr(torch, _name))
