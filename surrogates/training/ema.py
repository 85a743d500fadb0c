"""Exponential moving average of weights.

w_avg <- d w_avg + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), so that early steps are not remembered for long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The averaged parameters of a module, those that train; with decay 0 simply its parameters.

    Args:
        module: what is trained. decay: memory a step, 0.99 remembers about 100 steps.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._decay = decay
        self._steps = 0
        self.weights = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the module's present parameters in."""
        self._steps += 1
        decay = min(self._decay, self._steps / (9 + self._steps)) if self._decay else 0.0
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in self._live.values()], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module carries the average inside this block, and its own weights again after it."""
        own = {name: p.detach().clone() for name, p in self._live.items()}
        self.set(self.weights)
        try:
            yield
        finally:
            self.set(own)

    @torch.no_grad()
    def set(self, weights: Mapping[str, Tensor]) -> None:
        """Give the module these parameters."""
        for name, p in self._live.items():
            p.copy_(weights[name])

    def state(self) -> tuple[dict[str, Tensor], int]:
        """The average and the number of updates, for resuming."""
        return self.weights, self._steps

    def restore(self, weights: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a stored state."""
        for name, value in weights.items():
            self.weights[name].copy_(value)
        self._steps = steps
