"""Each sample at query points of its own, for any model that answers at common ones."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def aligned(
    model: Any,
    values: Float[Tensor, "batch in_channels *space"],
    points: Float[Tensor, "batch points dim"],
    parameters: Float[Tensor, "batch parameters"] | None,
) -> Float[Tensor, "batch out_channels points"]:
    """model.at(values[i], points[i], parameters[i]) for all i at once."""
    told = values.new_zeros(len(values), 0) if parameters is None else parameters

    def one(value: Tensor, point: Tensor, parameter: Tensor) -> Tensor:
        answer: Tensor = model.at(value[None], point, parameter[None] if parameter.numel() else None)
        return answer[0]

    return torch.func.vmap(one)(values, points, told)
