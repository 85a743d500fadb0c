"""Unknown numbers of an equation, such as a viscosity, learned with its solution.

Paper: Physics-informed neural networks (doi:10.1016/j.jcp.2018.10.045), section 4, data-driven discovery.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Positive:
    """A positive unknown, learned as start * exp(rate * theta) with theta from 0.

    Args:
        start: first guess. rate: relative change a unit of theta; Adam with learning rate lr changes the unknown by
            about rate * lr of itself a step.
    """

    start: float | int
    rate: float | int = 1.0

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.rate > 0):
            raise DomainError(f"Positive(start={self.start}, rate={self.rate}); give positive numbers")


class Unknowns(nn.Module):
    """The unknown parameters of a problem as trainable numbers; calling it gives their values by name."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        self._positive = {name: p for name, p in parameters.items() if isinstance(p, Positive)}
        self.theta = nn.ParameterDict()
        for name, value in parameters.items():
            if not isinstance(name, str) or not name.isidentifier() or hasattr(self.theta, name):
                raise DomainError(f"parameter {name!r} cannot have this name; use another word, such as nu or k_1")
            if name in self._positive:
                self.theta[name] = nn.Parameter(torch.zeros(()))
            elif isinstance(value, int | float) and math.isfinite(value):
                self.theta[name] = nn.Parameter(torch.tensor(float(value)))
            else:
                raise DomainError(f"parameter {name!r} starts at {value!r}; give a number, or Positive(number)")

    def forward(self) -> dict[str, Tensor]:
        values = {}
        for name, theta in self.theta.items():
            positive = self._positive.get(name)
            values[name] = theta if positive is None else positive.start * torch.exp(positive.rate * theta)
        return values


def plain(parameters: Mapping[str, float | int | Positive]) -> dict[str, Any]:
    """Unknowns as JSON: a number, or [start, rate] of a positive one."""
    return {n: [p.start, p.rate] if isinstance(p, Positive) else float(p) for n, p in parameters.items()}


def from_plain(parameters: Mapping[str, Any]) -> dict[str, float | Positive]:
    """The unknowns that `plain` wrote."""
    return {n: Positive(*p) if isinstance(p, Sequence) else p for n, p in parameters.items()}
