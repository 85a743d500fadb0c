"""Initial values as modules, so that files can hold them: for FromInitial(net, initial=...)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


class FourierSeries(nn.Module):
    """constant + sum_k cosines[k-1] cos(2 pi k x_a / P) + sines[k-1] sin(2 pi k x_a / P), k = 1, 2, ..., one field.

    Args:
        constant: mean. cosines, sines: amplitudes. axis: the coordinate x_a. period: P.
    """

    def __init__(
        self,
        *,
        constant: float | int = 0.0,
        cosines: Sequence[float | int] = (),
        sines: Sequence[float | int] = (),
        axis: int = 0,
        period: float | int = 2 * math.pi,
    ) -> None:
        super().__init__()
        if not period > 0:
            raise DomainError(f"period={period}; give a positive length")
        self.arguments = {
            "constant": constant,
            "cosines": list(cosines),
            "sines": list(sines),
            "axis": axis,
            "period": period,
        }
        self.constant, self.cosines, self.sines = float(constant), list(cosines), list(sines)
        self.axis, self.wave = axis, 2 * math.pi / period

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch one"]:
        t = x[:, self.axis].unsqueeze(-1)
        out = torch.zeros_like(t) + self.constant
        for trig, amplitudes in ((torch.cos, self.cosines), (torch.sin, self.sines)):
            for k, amplitude in enumerate(amplitudes, start=1):
                if amplitude:
                    out = out + float(amplitude) * trig(t * (k * self.wave))
        return out
