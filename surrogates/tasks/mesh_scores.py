"""How wrong predicted fields on meshes are, in the three norms in use, beside trivial predictions.

Relative L2 with the finite elements' mass matrix, which refinement does not change; PLAID's RRMSE (Physics-Learning AI
Datamodel datasets, arXiv:2505.02974), per-sample RMSE over largest value, then root mean square over samples; and the
RMSE over nodes of Learning Mesh-Based Simulation with Graph Networks (arXiv:2010.03409). On refined meshes they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import identity

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.mass import consistent_mass

SCORED = 2000  # windows, evenly spread, where there are more
KEPT = 30_000_000  # values that are kept for pictures and coverage
_TINY = 1e-300


@dataclass(frozen=True)
class MeshScores:
    """Errors of a surrogate on held-out meshes; norms of vectors and tensors take all components.

    Args:
        samples: predictions compared (of one step, where steps are predicted). nodes: of each, on average.
        relative_l2: mean over samples of |error| / |truth| with the mass matrix, mean over fields; `by_field` is it for
            each. rrmse: root mean square over samples of (RMSE over nodes) / (largest value). rmse: over all nodes, in
            the field's unit. peak_error: mean over samples of the relative error of the largest length. max_error:
            largest at any node, in the field's unit.
        trivial: the same measures by name and field for the prediction `baseline`: "no change" (the newest input frame)
            where the input has the field, else "mean field" (the mean over the training data).
        coverage: how the calibrated band did, by field, where the surrogate has one.
        arrays: for reports, left out of comparison and print: `NAME`, `NAME_reference`, `NAME_std` (all nodes, ...) of
            the kept samples behind each other (frames first where several are predicted, then those behind each other
            too); `mesh_of` (all nodes,) which sample each belongs to; `row`, `t` (samples,) which mesh and frame each
            is; `relative_l2`, `NAME_relative_l2`, `NAME_peak`, `NAME_peak_reference` (samples,).
    """

    samples: int
    nodes: float
    relative_l2: float
    by_field: dict[str, float]
    rrmse: dict[str, float]
    rmse: dict[str, float]
    peak_error: dict[str, float]
    max_error: dict[str, float]
    baseline: dict[str, str]
    trivial: dict[str, dict[str, float]]
    coverage: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def relative_l2_trivial(self) -> float:
        """Of the trivial prediction, mean over fields."""
        return float(np.mean(list(self.trivial["relative_l2"].values())))

    def __str__(self) -> str:
        lines = [
            f"{self.samples} samples of {self.nodes:.0f} nodes",
            f"relative L2 error {_percent(self.relative_l2)}   (trivial {_percent(self.relative_l2_trivial)})",
        ]
        for name, error in self.by_field.items():
            t = {measure: values[name] for measure, values in self.trivial.items()}
            lines.append(
                f"{name}  relative L2 {_percent(error)} ({self.baseline[name]} {_percent(t['relative_l2'])})  RRMSE "
                f"{_percent(self.rrmse[name])} ({_percent(t['rrmse'])})  RMSE {self.rmse[name]:.3g} ({t['rmse']:.3g})  "
                f"peak {_percent(self.peak_error[name])} ({_percent(t['peak_error'])})  largest error "
                f"{self.max_error[name]:.3g}"
            )
        lines += [f"spread of {name}  {found}" for name, found in self.coverage.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Errors:
    """Of one predicted field on one mesh, (frames, nodes, components): what all measures are made of."""

    relative_l2: float
    square: float  # mean over frames, nodes, components of the error's square
    largest: float  # of the truth, any value
    peak: float  # largest length, predicted
    peak_reference: float
    max_error: float

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")  # a rollout that diverged has errors that are not finite
    def of(cls, said: np.ndarray, truth: np.ndarray, mass: Any) -> Errors:
        """Of arrays (frames, nodes, components) with a mass matrix (nodes, nodes)."""
        error = said - truth
        above, below = (sum(float(np.sum(x * (mass @ x))) for x in array) for array in (error, truth))
        lengths = [np.sqrt(np.square(x).sum(axis=-1)).max() for x in (said, truth)]
        return cls(
            relative_l2=float(np.sqrt(max(above, 0.0)) / max(np.sqrt(max(below, 0.0)), _TINY)),
            square=float(np.square(error).mean()),
            largest=float(np.abs(truth).max()),
            peak=float(lengths[0]),
            peak_reference=float(lengths[1]),
            max_error=float(np.abs(error).max()),
        )


def measures(errors: list[Errors]) -> dict[str, float]:
    """All measures of one field over samples."""
    square = np.array([e.square for e in errors])
    largest = np.maximum([e.largest for e in errors], _TINY)
    peaks = [abs(e.peak - e.peak_reference) / max(e.peak_reference, _TINY) for e in errors]
    return {
        "relative_l2": float(np.mean([e.relative_l2 for e in errors])),
        "rrmse": float(np.sqrt(np.mean(square / np.square(largest)))),
        "rmse": float(np.sqrt(square.mean())),
        "peak_error": float(np.mean(peaks)),
        "max_error": float(max(e.max_error for e in errors)),
    }


def mass_matrix(sample: Any) -> Any:
    """Of a mesh; the identity where it has no cells."""
    found = consistent_mass(sample.points, sample.cells)
    return found if found.nnz else identity(len(sample), format="csr")


def score(task: Any, predict: Callable[..., Any], data: Any) -> MeshScores:
    """Scores of `predict` on the windows of a data set of meshes, for `task`, which knows what is asked."""
    if not len(data):
        raise DomainError("there is nothing to score: the data set is empty; give at least one mesh")
    windows = task.gather(data)
    if len(windows) > SCORED:
        windows = [windows[int(k)] for k in np.linspace(0, len(windows) - 1, SCORED).round()]
    else:
        windows = [windows[k] for k in range(len(windows))]
    layout, tally = task.target_layout, _Tally(task)
    size = sum(len(w.sample) for w in windows) * layout.count * 3
    every = max(1, -(-size // KEPT))
    done = 0
    for chunk in task.batches(windows):
        for window, said in zip(chunk, predict(chunk), strict=True):
            tally.add(window, said, keep=done % every == 0)
            done += 1
    return tally.scores()


class _Tally:
    """Errors of field by field as predictions come in."""

    def __init__(self, task: Any) -> None:
        self.layout, self.inputs = task.target_layout, task.input_layout
        self.usual = task.usual.double().cpu().numpy()
        names = self.layout.names
        self.errors: dict[str, list[Errors]] = {name: [] for name in names}
        self.trivial: dict[str, list[Errors]] = {name: [] for name in names}
        self.kept: dict[str, list[np.ndarray]] = {}
        self.places: list[tuple[int, int, int]] = []
        self.kept_samples = 0
        self._mass: tuple[Any, Any] = (None, None)

    def add(self, window: Any, said: Any, *, keep: bool) -> None:
        """One prediction."""
        sample = window.sample
        if self._mass[0] is not sample:
            self._mass = (sample, mass_matrix(sample))
        truths = self.layout.unpack(self.layout.pack(sample, window.t))
        before = self.inputs.unpack(self.inputs.pack(sample, window.t))
        usual = self.layout.unpack(np.broadcast_to(self.usual, (len(sample), self.layout.count)))
        for name, truth in truths.items():
            single = self.layout.single(name)
            fields = {name: said.fields[name], f"{name}_reference": truth[0] if single else truth}
            if said.std is not None:
                fields[f"{name}_std"] = said.std[name]
            flat = truth.reshape(len(truth), len(sample), -1).astype(np.float64)
            self.errors[name].append(Errors.of(np.asarray(said.fields[name]).reshape(flat.shape), flat, self._mass[1]))
            simple = before[name][-1:] if name in before else usual[name]
            simple = np.broadcast_to(simple.reshape(len(simple), len(sample), -1), flat.shape)
            self.trivial[name].append(Errors.of(simple, flat, self._mass[1]))
            if keep:
                for key, array in fields.items():
                    array = np.asarray(array)
                    self.kept.setdefault(key, []).append(array if single else array.reshape(-1, *array.shape[2:]))
                if not single:
                    repeated = np.full(truth.shape[0] * len(sample), len(self.places))
                    self.kept.setdefault(f"{name}_mesh_of", []).append(repeated)
        if keep:
            self.kept.setdefault("mesh_of", []).append(np.full(len(sample), len(self.places)))
        self.places.append((window.row, window.t, len(sample)))

    def scores(self) -> MeshScores:
        """All together."""
        found = {name: measures(errors) for name, errors in self.errors.items()}
        simple = {name: measures(errors) for name, errors in self.trivial.items()}
        row, t, nodes = np.array(self.places).T
        arrays = {key: np.concatenate(parts) for key, parts in self.kept.items()} | {"row": row, "t": t}
        for name, errors in self.errors.items():
            arrays[f"{name}_relative_l2"] = np.array([e.relative_l2 for e in errors])
            arrays[f"{name}_peak"] = np.array([e.peak for e in errors])
            arrays[f"{name}_peak_reference"] = np.array([e.peak_reference for e in errors])
        each = np.mean([arrays[f"{name}_relative_l2"] for name in found], axis=0)
        by = {
            m: {n: v[m] for n, v in found.items()} for m in ("relative_l2", "rrmse", "rmse", "peak_error", "max_error")
        }
        return MeshScores(
            samples=len(self.places),
            nodes=float(nodes.mean()),
            relative_l2=float(each.mean()),
            by_field=by["relative_l2"],
            rrmse=by["rrmse"],
            rmse=by["rmse"],
            peak_error=by["peak_error"],
            max_error=by["max_error"],
            baseline={n: "no change" if n in self.inputs.names else "mean field" for n in found},
            trivial={m: {n: v[m] for n, v in simple.items()} for m in by},
            arrays=arrays | {"relative_l2": each},
        )


def _percent(x: float) -> str:
    return f"{100 * x:.3g} %"
