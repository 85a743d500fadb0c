"""Is a mesh like the training data? A score that needs no labels and no model, with a measured threshold.

Each mesh is described by named numbers: its parameters, its extents, size, resolution and count of holes, where each
tagged set of nodes lies and how far it reaches, and for each input channel its size, largest value and mean. The score
is the largest distance of one of them from the training mean, in standard deviations. The threshold is the conformal
quantile of that score over held-out meshes inside the domain; of one with times the largest along its windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.quantile import conformal_quantile
from surrogates.physics.meshes.boundary import euler_characteristic
from surrogates.tasks.mesh_inputs import node_mass

FALSE_ALARMS = 0.03  # share of meshes inside the domain that may be called foreign
WINDOWS = 12  # of one mesh that are looked at
_TINY = 1e-12
_FLOOR = 0.01  # of what is usual: changes below it are no sign where the training data hardly vary


@dataclass(frozen=True)
class MeshDomain:
    """Out-of-data detector of meshes.

    Args:
        names: of the descriptors. mean, scale: of them over the training data. threshold: scores above it are foreign.
        false_alarms: the share of meshes like the calibration data that is above the threshold, at most.
        parameters, tags: names that are described.
    """

    names: tuple[str, ...]
    mean: Float[Tensor, "descriptors"]
    scale: Float[Tensor, "descriptors"]
    threshold: float
    false_alarms: float
    parameters: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def fit(cls, task: Any, train: Any, calibration: Any, *, false_alarms: float = FALSE_ALARMS) -> MeshDomain:
        """Learn the usual from `train`, the threshold from `calibration`, which the surrogate never trained on."""
        parameters, tags = tuple(train[0].parameters), tuple(task.facts.always)
        every = [row for k in range(len(train)) for row in _rows(task, train[k], parameters, tags)]
        names = tuple(every[0])
        known = np.array([list(row.values()) for row in every])
        mean, scale = known.mean(axis=0), known.std(axis=0)
        unit = _usual(every[0], mean)
        scales = torch.from_numpy(scale + _FLOOR * unit)
        found = cls(names, torch.from_numpy(mean), scales, 0.0, 0.0, parameters, tags)
        scores = [
            max(found._judged(row)[0] for row in _rows(task, calibration[k], parameters, tags))
            for k in range(len(calibration))
        ]
        rate = max(false_alarms, 1.0 / (len(scores) + 1))
        threshold = conformal_quantile(torch.tensor(scores, dtype=torch.float64), 1.0 - rate)
        return cls(found.names, found.mean, found.scale, threshold, rate, parameters, tags)

    def score(self, task: Any, window: Any) -> tuple[float, str]:
        """How foreign a window is, and by which of its descriptors; infinite where that is not finite."""
        whole = described(window.sample, self.parameters, self.tags)
        return self._judged(whole | fields_described(task, window))

    def _judged(self, described_as: Mapping[str, float]) -> tuple[float, str]:
        row = np.array(list(described_as.values()))
        far = np.abs(row - self.mean.numpy()) / self.scale.numpy()
        far = np.nan_to_num(far, nan=np.inf, posinf=np.inf)
        worst = int(far.argmax())
        return float(far[worst]), f"{self.names[worst]} = {row[worst]:.4g} (usual {float(self.mean[worst]):.4g})"

    def foreign(self, task: Any, window: Any) -> str | None:
        """What is unlike the training data, as text; None inside."""
        score, why = self.score(task, window)
        return f"{why}, {score:.3g} standard deviations off" if score > self.threshold else None

    def watch(self, task: Any, window: Any) -> Callable[[np.ndarray], bool]:
        """For a rollout on one mesh: whether it is foreign with these input fields (nodes, channels)."""
        whole, mass = described(window.sample, self.parameters, self.tags), node_mass(window.sample)

        def foreign(fields: np.ndarray) -> bool:
            return self._judged(whole | fields_described(task, window, fields, mass))[0] > self.threshold

        return foreign

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `from_state` makes the same detector."""
        plain = {"threshold": self.threshold, "false_alarms": self.false_alarms, "names": list(self.names)}
        plain |= {"parameters": list(self.parameters), "tags": list(self.tags)}
        return {"mean": self.mean, "scale": self.scale}, plain

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> MeshDomain:
        """The detector that `state` described."""
        names, parameters, tags = (tuple(plain[name]) for name in ("names", "parameters", "tags"))
        threshold, rate = float(plain["threshold"]), float(plain["false_alarms"])
        return cls(names, tensors["mean"], tensors["scale"], threshold, rate, parameters, tags)


def described(sample: Any, parameters: Sequence[str], tags: Sequence[str]) -> dict[str, float]:
    """Descriptors of a mesh by name."""
    axes = "xyz"[: sample.dim]
    mass = node_mass(sample)
    found = {f"parameter {name}": float(sample.parameters.get(name, np.nan)) for name in parameters}
    middle = mass @ sample.points / mass.sum()
    for axis, extent in zip(axes, np.ptp(sample.points, axis=0), strict=True):
        found[f"extent {axis}"] = float(extent)
    senders, starts = sample.edges()
    apart = np.linalg.norm(sample.points[senders] - np.repeat(sample.points, np.diff(starts), axis=0), axis=1)
    found["domain's size"] = float(mass.sum())
    found["log of the mean side"] = float(np.log(apart.mean() + _TINY)) if len(apart) else 0.0
    found["Euler characteristic"] = float(euler_characteristic(sample.cells))
    for name in tags:
        here = np.asarray(sample.tags[name], dtype=bool) if name in sample.tags else np.zeros(len(sample), dtype=bool)
        at = sample.points[here] if here.any() else middle[None]
        for k, axis in enumerate(axes):
            found[f"place {axis} of tag {name}"] = float(at[:, k].min() + at[:, k].max()) / 2 - float(middle[k])
            found[f"extent {axis} of tag {name}"] = float(np.ptp(at[:, k]))
    return found


def fields_described(
    task: Any, window: Any, fields: np.ndarray | None = None, mass: np.ndarray | None = None
) -> dict[str, float]:
    """Descriptors of a window's input fields by name."""
    layout = task.input_layout
    found: dict[str, float] = {}
    if not layout.blocks:
        return {}
    fields = layout.pack(window.sample, window.t) if fields is None else fields
    mass = node_mass(window.sample) if mass is None else mass
    share = mass / mass.sum()
    for b in layout.blocks:
        for k in range(b.start, b.channels.stop):
            x, name = np.asarray(fields[:, k], dtype=np.float64), f"{b.selection} channel {k - b.start}"
            found[f"log size of {name}"] = float(np.log(np.sqrt(share @ np.square(x)) + _TINY))
            found[f"log peak of {name}"] = float(np.log(np.abs(x).max() + _TINY))
            found[f"mean of {name}"] = float(share @ x)
    return found


def _usual(example: Mapping[str, float], mean: np.ndarray) -> np.ndarray:
    """The unit of each descriptor, of which a hundredth is no sign: of places and extents the mesh's, of logarithms 1,
    of means the field's size, of parameters themselves; so that no unit matters."""
    names = list(example)
    at = {name: k for k, name in enumerate(names)}
    length = max(abs(mean[at[n]]) for n in names if n.startswith("extent ") and " of tag " not in n)
    found = np.maximum(np.abs(mean), _TINY)
    for name, k in at.items():
        if name.startswith(("extent ", "place ")):
            found[k] = max(length, _TINY)
        elif name.startswith("log "):
            found[k] = max(1.0, found[k])
        elif name.startswith("mean of "):
            found[k] = float(np.exp(mean[at["log size of " + name[8:]]]))
    return found


def _rows(task: Any, sample: Any, parameters: Sequence[str], tags: Sequence[str]) -> list[dict[str, float]]:
    """Descriptors at no more than WINDOWS places of a mesh, evenly spread."""
    windows, whole = task.gather([sample]), described(sample, parameters, tags)
    places = np.unique(np.linspace(0, len(windows) - 1, WINDOWS).round())
    return [whole | fields_described(task, windows[int(k)]) for k in places]
