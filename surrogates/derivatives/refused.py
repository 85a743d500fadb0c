"""What a series cannot be used for: the error names the operation, the user's line and the way out."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from surrogates.derivatives.jet import forms, name_of, rule, where
from surrogates.physics.errors import DomainError

NUMBERS = """item tolist numpy data_ptr storage
__array__ __bool__ __float__ __int__ __index__ __complex__ __dlpack__"""
"""Ways out of torch, on which the series would be lost."""


def refuse(operation: Any, why: str) -> NoReturn:
    """Raise DomainError with the operation's name and the user's line."""
    raise DomainError(f"{name_of(operation)} of a series ({where()}): {why}")


def halved() -> NoReturn:
    """Raise DomainError for a cast to half precision."""
    refuse("a cast to half precision", "Taylor series need float32 or float64 (halves lose all digits)")


def _enter(operation: Any, why: str) -> None:
    def follow(*args: Any, **kwargs: Any) -> NoReturn:
        refuse(operation, why)

    rule(operation)(follow)


for _operation in forms(*NUMBERS.split()):
    _enter(
        _operation,
        "the number would not depend on x any more; keep it a tensor (torch.where for a choice by value),"
        " or take x.detach() first where it is meant to be a constant",
    )
for _operation in (torch.autograd.grad, torch.autograd.backward, Tensor.backward, Tensor.requires_grad_):
    _enter(
        _operation,
        "reverse differentiation inside the function that is differentiated; take these derivatives by"
        " surrogates.derivatives too, outside of it",
    )
