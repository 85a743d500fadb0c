"""How wrong predicted stresses of panels are: peaks, the order of panels by peak, the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import ShellMesh

_AT_ONCE = 64  # panels


@dataclass(frozen=True)
class PlateScores:
    """Errors of a surrogate of panels on held-out ones.

    Args:
        samples: panels compared. nodes: of each, on average.
        peak_error: mean |peak - true peak| / true peak. rank_correlation: Spearman's, of panels by peak; nan for one.
        relative_l2: mean over panels of |error| / |truth| at nodes, each by the area of shell it stands for. by_field:
            that and the peak's error by name. rmse: over all nodes, in the field's unit.
        relative_l2_trivial, peak_error_trivial: of the mean value and mean peak of the training data over pressure.
        coverage: how the calibrated bands of field and peak did, by name, where the surrogate has them.
        arrays: for reports, left out of comparison and print: `NAME`, `NAME_reference`, `NAME_std` (all nodes,) behind
            each other; `mesh_of` (all nodes,); of the peak `peak_NAME`, ... (samples,); `relative_l2` (samples,).
    """

    samples: int
    nodes: float
    peak_error: float
    rank_correlation: float
    relative_l2: float
    by_field: dict[str, float]
    rmse: float
    relative_l2_trivial: float
    peak_error_trivial: float
    coverage: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        lines = [
            f"{self.samples} panels of {self.nodes:.0f} nodes",
            f"peak stress error {100 * self.peak_error:.3g} %   (trivial {100 * self.peak_error_trivial:.3g} %), rank "
            f"correlation of panels {self.rank_correlation:.3f}",
            f"relative L2 error {100 * self.relative_l2:.3g} %   (trivial {100 * self.relative_l2_trivial:.3g} %), "
            f"RMSE {self.rmse:.3g}",
        ]
        lines += [f"spread of {name}  {found}" for name, found in self.coverage.items()]
        return "\n".join(lines)


def score(task: Any, predict: Callable[..., Any], data: Any) -> PlateScores:
    """Scores of `predict` on a data set of panels, for `task`, which knows what is asked."""
    if not len(data):
        raise DomainError("there is nothing to score: the data set is empty; give at least one panel")
    usual = task.usual.double().cpu().tolist()
    name, parts = task.field, {}  # type: tuple[str, dict[str, list[Any]]]

    def keep(**found: Any) -> None:
        for key, value in found.items():
            parts.setdefault(key, []).append(np.atleast_1d(value))

    for begin in range(0, len(data), _AT_ONCE):
        chunk = [data[k] for k in range(begin, min(begin + _AT_ONCE, len(data)))]
        for row, (sample, said) in enumerate(zip(chunk, predict(chunk), strict=True), begin):
            truth, area, pressure = task.truth(sample), node_areas(sample), _pressure(sample)
            missed, value = said.fields[name] - truth, said.quantities[task.peak]
            keep(
                relative_l2=_relative(missed, truth, area), trivial=_relative(usual[0] * pressure - truth, truth, area)
            )
            keep(trivial_peak=usual[1] * pressure, mesh_of=np.full(len(sample), row))
            keep(**{name: said.fields[name], f"{name}_reference": truth})
            keep(**{task.peak: value[0], f"{task.peak}_reference": truth.max()})
            if said.std is not None:
                keep(**{f"{name}_std": said.std[name], f"{task.peak}_std": value[1]})
    arrays = {key: np.concatenate(values) for key, values in parts.items()}
    peak, true = arrays[task.peak], arrays[f"{task.peak}_reference"]
    trivial, simple = arrays.pop("trivial"), arrays.pop("trivial_peak")
    whole, error = float(arrays["relative_l2"].mean()), float(np.mean(np.abs(peak - true) / true))
    arrays[f"{task.peak}_mesh_of"] = arrays["row"] = np.arange(len(peak))
    return PlateScores(
        samples=len(peak),
        nodes=len(arrays["mesh_of"]) / len(peak),
        peak_error=error,
        rank_correlation=_rank_correlation(peak, true),
        relative_l2=whole,
        by_field={name: whole, task.peak: error},
        rmse=float(np.sqrt(np.mean(np.square(arrays[name] - arrays[f"{name}_reference"])))),
        relative_l2_trivial=float(trivial.mean()),
        peak_error_trivial=float(np.mean(np.abs(simple - true) / true)),
        arrays=arrays,
    )


def node_areas(sample: MeshSample) -> np.ndarray:
    """Area of shell that each node stands for, (nodes,): a quarter of every cell around it."""
    quads = sample.cells["quad"]
    _, local = ShellMesh(sample.points, quads, np.ones(len(quads))).frames()
    across, up = local[:, 2] - local[:, 0], local[:, 3] - local[:, 1]
    area = np.abs(across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0]) / 2
    found = np.zeros(len(sample))
    np.add.at(found, quads, np.repeat(area[:, None] / 4, 4, axis=1))
    return found


def _pressure(sample: MeshSample) -> float:
    return float(np.abs(np.asarray(sample.cell_fields["pressure"]["quad"])).max())


def _relative(error: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float:
    return float(np.sqrt(area @ np.square(error)) / max(np.sqrt(area @ np.square(truth)), 1e-300))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's; ties in the order they come."""
    if len(x) < 2:
        return float("nan")
    a, b = (np.argsort(np.argsort(v, kind="stable"), kind="stable").astype(float) for v in (x, y))
    return float(np.corrcoef(a, b)[0, 1])
