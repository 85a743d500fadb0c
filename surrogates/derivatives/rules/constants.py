"""New tensors made like a series: series themselves, without slope, so that a series may be written into them."""

from __future__ import annotations

from typing import Any

from surrogates.derivatives.jet import Jet, forms, plain, rule

LIKE = """zeros_like ones_like full_like empty_like rand_like randn_like
new_zeros new_ones new_full new_empty new_tensor"""


def constant(value: Any, like: Jet) -> Jet:
    """A value that does not depend on t, as a series of the same expansion."""
    return Jet.of(value, [None] * like.frame.order, like.frame)


def _enter(operation: Any) -> None:
    def follow(input: Jet, *args: Any, **kwargs: Any) -> Any:
        value = operation(input.value, *plain(args), **plain(kwargs))
        return constant(value, input) if value.dtype.is_floating_point else value

    rule(operation)(follow)


for _operation in forms(*LIKE.split()):
    _enter(_operation)
