"""Is a field like the training data? A score that needs no labels and no model, with a measured threshold.

Each input is described by a few numbers (for every channel the logarithms of its size, of its gradient and of its
largest value, and its mean; every parameter): the score is the largest distance of one of them from the training mean,
in standard deviations. The threshold is the conformal quantile, over held-out trajectories inside the domain, of the
largest score along each: the inputs of one trajectory are not independent, and a rollout is flagged by any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.quantile import conformal_quantile

FALSE_ALARMS = 0.03  # share of trajectories inside the domain of which any input may be called foreign
_TINY = 1e-12


@dataclass(frozen=True)
class FieldDomain:
    """Out-of-data detector of fields.

    Args:
        mean, scale: of the descriptors (descriptors,) over the training data. threshold: scores above it are foreign.
        false_alarms: the share of trajectories like the calibration data with an input above the threshold, at most.
    """

    mean: Float[Tensor, "descriptors"]
    scale: Float[Tensor, "descriptors"]
    threshold: float
    false_alarms: float

    @classmethod
    def fit(cls, task: Any, train: Any, calibration: Any, *, false_alarms: float = FALSE_ALARMS) -> FieldDomain:
        """Learn the usual from `train`, the threshold from `calibration`, which the surrogate never trained on.

        Steps of a rollout are looked at at every place of a trajectory.
        """
        first = next(iter(task.batches(train, targets=True)))
        known = torch.cat([described(b.values, b.parameters) for b in task.batches(train, targets=True)])
        mean = known.mean(dim=0)
        scale = known.std(dim=0, correction=0) + 0.01 * _usual(mean, int(first.values.shape[1]))
        new = torch.cat([described(b.values, b.parameters) for b in task.batches(calibration, targets=True)])
        score = ((new - mean) / scale).abs().amax(dim=1).reshape(len(calibration), -1).amax(dim=1)
        rate = max(false_alarms, 1.0 / (len(score) + 1))
        return cls(mean, scale, conformal_quantile(score, 1.0 - rate), rate)

    def score(self, values: Tensor, parameters: Tensor) -> Float[Tensor, "batch"]:
        """How foreign each input is; infinite where it is not finite."""
        found = ((described(values, parameters) - self.mean) / self.scale).abs().amax(dim=1)
        return found.nan_to_num(nan=torch.inf, posinf=torch.inf)

    def foreign(self, values: Tensor, parameters: Tensor) -> Tensor:
        """Which inputs (batch,) lie outside the data."""
        return self.score(values, parameters) > self.threshold

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `from_state` makes the same detector."""
        plain = {"threshold": self.threshold, "false_alarms": self.false_alarms}
        return {"mean": self.mean, "scale": self.scale}, plain

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> FieldDomain:
        """The detector that `state` described."""
        return cls(tensors["mean"], tensors["scale"], float(plain["threshold"]), float(plain["false_alarms"]))


def _usual(mean: Tensor, channels: int) -> Tensor:
    """What one per cent is taken of, where the training data hardly vary: logarithms 1 or more, means the channel's
    root mean square, parameters themselves; so that no unit matters."""
    logs, size = mean[: 3 * channels].abs().clamp_min(1.0), mean[:channels].exp()
    return torch.cat([logs, size, mean[4 * channels :].abs().clamp_min(_TINY)])


def described(values: Tensor, parameters: Tensor) -> Float[Tensor, "batch descriptors"]:
    """Descriptors of inputs, values (batch, channels, *space) and parameters (batch, n); independent of the grid."""
    x = values.detach().double().cpu()
    axes = tuple(range(2, x.dim()))
    size = x.square().mean(dim=axes).sqrt()
    # neighbouring points, periodic or not: all differences but the one across the border, over the grid's width
    slope = sum((x.diff(dim=a) * x.shape[a]).square().mean(dim=axes) for a in axes).sqrt()  # type: ignore[union-attr]
    largest = x.abs().amax(dim=axes)
    mean = x.mean(dim=axes)
    logs = [(q + _TINY).log() for q in (size, slope, largest)]
    return torch.cat([*logs, mean, parameters.detach().double().cpu()], dim=1)
