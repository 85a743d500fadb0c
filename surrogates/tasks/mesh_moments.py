"""Means and scales of channels over training meshes, each node alike or by its share of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from surrogates.tasks.mesh_steps import newest

FLAT = 1e-9  # a channel that varies by less than this share of its mean is constant


@dataclass
class Moments:
    """Running sums of channels, about their first mean, so that small changes far from zero keep their digits."""

    channels: int
    _about: np.ndarray | None = field(default=None, repr=False)
    _weight: np.ndarray = field(init=False, repr=False)
    _first: np.ndarray = field(init=False, repr=False)
    _second: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._weight, self._first, self._second = (np.zeros(self.channels) for _ in range(3))

    def add(self, values: np.ndarray, weight: np.ndarray, counted: np.ndarray | None = None) -> None:
        """Values (nodes, channels) with weights (nodes,), where they count."""
        w = np.broadcast_to(weight[:, None], values.shape) if counted is None else weight[:, None] * counted
        if self._about is None:
            self._about = np.average(values, axis=0, weights=weight) if len(values) else np.zeros(self.channels)
        x = np.where(w > 0, values - self._about, 0.0)
        self._weight += w.sum(axis=0)
        self._first += (w * x).sum(axis=0)
        self._second += (w * x * x).sum(axis=0)

    @property
    def mean(self) -> np.ndarray:
        """Of each channel; 0 where nothing was counted."""
        about = np.zeros(self.channels) if self._about is None else self._about
        return np.where(self._weight > 0, about + self._first / np.maximum(self._weight, 1e-300), 0.0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel; 0 for a constant one."""
        weight = np.maximum(self._weight, 1e-300)
        var = self._second / weight - np.square(self._first / weight)
        found = np.sqrt(np.maximum(var, 0.0))
        return np.where(found > FLAT * np.abs(self.mean), found, 0.0)

    @property
    def root_mean_square(self) -> np.ndarray:
        """Of each channel."""
        return np.sqrt(np.square(self.mean) + np.square(self.std))

    @property
    def scale(self) -> np.ndarray:
        """The standard deviation, 1 for a constant channel."""
        found = self.std
        return np.where(found > 0, found, 1.0)


def normalisation(task: Any, windows: Sequence[Any]) -> dict[str, np.ndarray]:
    """Of a MeshMap's channels over training windows, by the names of its buffers.

    Tags stay zeros and ones. Targets count where they are free, as what is left to the network; `usual` is the mean of
    the fields themselves, `change` the root mean square of one step (of the field itself where the input has it not).
    """
    n_in, n_out = len(task.value_mean), len(task.target_mean)
    given, rest, whole, change = Moments(n_in), Moments(n_out), Moments(n_out), Moments(n_out)
    still, increments = newest(task.input_layout, task.target_layout), task.increments
    for w in windows:
        batch = task.collate([w], dtype=torch.float64)
        weight = (batch.mass if task.weighting == "mass" else torch.ones_like(batch.mass)).numpy()
        counted = None if batch.counted is None else batch.counted.numpy()
        given.add(batch.values.numpy(), weight)
        rest.add((batch.target - increments.base(batch.values, n_out)).numpy(), weight, counted)
        whole.add(batch.target.numpy(), weight, counted)
        change.add((batch.target - still.base(batch.values, n_out)).numpy(), weight, counted)
    mean, scale = given.mean, given.scale
    tags = task.input_layout.count + np.arange(len(task.told.tags))
    mean[tags], scale[tags] = 0.0, 1.0
    return {
        "value_mean": mean,
        "value_scale": scale,
        "target_mean": rest.mean,
        "target_scale": rest.scale,
        "usual": whole.mean,
        "change": change.root_mean_square,
    }
