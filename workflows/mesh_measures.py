"""Scores, laws and pictures of surrogates on meshes as plain dataclasses. Imported in workers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets import Meshes
from surrogates.datasets.generators.mesh_solver import mesh_solver_of
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.evaluation.coverage import FIELD_POINTS, coverage, energy_band, spearman
from surrogates.physics.errors import DomainError
from surrogates.simulation.verify_meshes import verify_meshes
from surrogates.tasks.mesh_scores import SCORED, Errors, mass_matrix, measures
from surrogates.tasks.mesh_windows import MeshWindow
from surrogates.workflows.desk import Progress, silent
from surrogates.workflows.mesh_inputs import foreign, predicted, task_of
from surrogates.workflows.mesh_pictures import Arrays, placed, valued
from surrogates.workflows.mesh_surfaces import geometry
from surrogates.workflows.steps.evaluate import Band, LawRow
from surrogates.workflows.steps.evaluate_mesh_surrogate import MeshCertified, MeshScores, Quantity

_COMMON = 8  # meshes, evenly drawn, that are shown of every surrogate
_INDICATED = 20  # meshes whose residuals are looked at
_FINISHED = 8  # meshes that the solver finishes
_CLOUD = 6000  # values of the cloud of bands and errors


@dataclass(frozen=True)
class Pair:
    """A prediction beside the truth of one mesh, seen from frame `t`: fields (frames, nodes, *components) by name.

    `before` is the newest frame of the input, where the field is in it; `numbers` are the prediction's quantities.
    """

    row: int
    t: int
    sample: MeshSample
    said: Mapping[str, np.ndarray]
    truth: Mapping[str, np.ndarray]
    std: Mapping[str, np.ndarray] | None
    before: Mapping[str, np.ndarray] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)


class _Sums:
    """What is kept of each prediction: errors and integrals by field, a few values of bands, numbers of the mesh."""

    def __init__(self, samples: int) -> None:
        self.errors: dict[str, list[Errors]] = {}
        self.still: dict[str, list[Errors]] = {}
        self.integrals: dict[str, list[tuple[float, np.ndarray, float]]] = {}
        self.bands: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.peaks: dict[str, list[tuple[float, float]]] = {}
        self.geometry: list[dict[str, float]] = []
        self.places: list[tuple[int, int, int]] = []
        self._some = max(8, FIELD_POINTS // max(samples, 1))
        self._mass: tuple[Any, Any] = (None, None)
        self._random = np.random.default_rng(0)

    def add(self, pair: Pair) -> None:
        """One prediction."""
        if self._mass[0] is not pair.sample:
            self._mass = (pair.sample, mass_matrix(pair.sample))
        mass, n = self._mass[1], len(pair.sample)
        ones = np.asarray(mass.sum(axis=1)).ravel()
        self.places.append((pair.row, pair.t, n))
        self.geometry.append(geometry(pair.sample, ones))
        for name, values in pair.truth.items():
            truth = _flat(values, n)
            said = _flat(pair.said[name], n)
            found = Errors.of(said, truth, mass)
            self.errors.setdefault(name, []).append(found)
            whole = float(sum(np.sum(x * (mass @ x)) for x in truth))
            self.integrals.setdefault(name, []).append((whole, ones @ truth.sum(axis=0), ones.sum() * len(truth)))
            if name in pair.before:
                still = np.broadcast_to(_flat(pair.before[name], n), truth.shape)
                self.still.setdefault(name, []).append(Errors.of(still, truth, mass))
            if pair.std is not None and name in pair.std:
                error, std = np.abs(said - truth).ravel(), _flat(pair.std[name], n).ravel()
                free = np.flatnonzero((std > 0) | (error > 1e-6 * np.abs(truth).max()))  # not what is prescribed
                chosen = self._random.permutation(free)[: self._some]
                self.bands.setdefault(name, []).append((error[chosen], std[chosen]))
            told = pair.numbers.get(f"peak {name}", pair.numbers.get(f"peak_{name}", (found.peak, None)))
            self.peaks.setdefault(name, []).append((told[0], float("nan") if told[1] is None else told[1]))

    def relative(self, name: str) -> np.ndarray:
        return np.array([e.relative_l2 for e in self.errors[name]])


def scores(surrogate: Any, data: Meshes, arrays: Path, progress: Progress = silent) -> MeshScores:
    """Errors on meshes; what reports draw goes to the file `arrays`. Raises DomainError where there is no mesh."""
    if not len(data):
        raise DomainError("there is nothing to score: the file holds no mesh")
    sums = _Sums(len(data))
    for done, pair in enumerate(pairs(surrogate, data)):
        sums.add(pair)
        progress(done + 1, len(data), "meshes scored")
    found = {name: measures(errors) for name, errors in sums.errors.items()}
    each = np.mean([sums.relative(name) for name in found], axis=0)
    follows = _follows(sums.geometry, each)
    saved: Arrays = {"relative_l2": each, "row": np.array([p[0] for p in sums.places])}
    saved |= {f"geometry_{name}": np.array([g[name] for g in sums.geometry]) for name in follows}
    saved |= _clouds(sums)
    for name in found:
        saved[f"{name}_relative_l2"] = sums.relative(name)
        saved[f"{name}_unit"] = np.array(str(data.units.get(name, "")))
        peaks = _peaks(sums, name)
        saved |= {f"peak {name}_quantity_{part}": values for part, values in peaks.items()}
    saved |= _pictures(surrogate, data, sums, next(iter(found)))
    np.savez(arrays, **saved)  # type: ignore[arg-type]
    by = {m: {n: v[m] for n, v in found.items()} for m in ("relative_l2", "rrmse", "rmse", "max_error")}
    physics = _indicator(surrogate, data, each)
    return MeshScores(
        fields=tuple(found),
        samples=len({p[0] for p in sums.places}),
        nodes=float(np.mean([p[2] for p in sums.places])),
        **by,  # type: ignore[arg-type]
        trivial={name: _constant(sums.integrals[name]) for name in found},
        persistence={name: measures(errors)["relative_l2"] for name, errors in sums.still.items()},
        quantities={f"peak {name}": _quantity(_peaks(sums, name)) for name in found},
        spread={n: b for n, b in ((n, _band(rows)) for n, rows in sums.bands.items()) if b is not None},
        **physics,  # type: ignore[arg-type]
        foreign=foreign(surrogate, data),
        follows=follows,
        frames=len(sums.places),
        file=arrays.name,
        hash=data.hash,
    )


def pairs(surrogate: Any, data: Meshes) -> Iterator[Pair]:
    """Each prediction beside its truth: of every mesh, or for steps in time of windows spread over the histories."""
    task = task_of(surrogate)
    if task is None:
        for row, (sample, said) in enumerate(zip(data, predicted(surrogate, data), strict=True)):
            yield _steady(row, sample, said)
        return
    windows = task.gather(data)
    some = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), SCORED)).round().astype(int))
    for chunk in task.batches([windows[int(k)] for k in some]):
        yield from _stepped(task, chunk, predicted(surrogate, chunk))


def _stepped(task: Any, windows: Sequence[Any], predictions: Iterator[Any]) -> Iterator[Pair]:
    """What a MeshMap says of windows, beside what is true there."""
    layout, inputs = task.target_layout, task.input_layout
    for w, said in zip(windows, predictions, strict=True):
        truth = layout.unpack(layout.pack(w.sample, w.t))
        newest = inputs.unpack(inputs.pack(w.sample, w.t)) if task.span is not None else {}
        before = {name: values[-1:] for name, values in newest.items() if name in truth}
        fields = {n: _framed(said.fields[n], v) for n, v in truth.items()}
        std = None if said.std is None else {n: _framed(said.std[n], v) for n, v in truth.items()}
        yield Pair(w.row, w.t, w.sample, fields, truth, std, before, said.quantities)


def certified(surrogate: Any, data: Meshes, tolerance: float) -> MeshCertified | None:
    """What the solver behind the data finishes from the surrogate's answers on a few meshes.

    None where the surrogate does not predict what the solver solves for, or the data name no solver.
    """
    some = data[: min(len(data), _FINISHED)]
    solver = mesh_solver_of(some)
    if solver is None:
        return None
    said = list(predicted(surrogate, some))
    if solver.unknown not in said[0].fields:
        return None
    found = verify_meshes(said, some, tolerance=tolerance)
    return MeshCertified(
        samples=len(some),
        tolerance=tolerance,
        iterations=float(found.iterations.mean()),
        alone=float(found.alone.mean()),
        defect=float(found.residual.max()),
        converged=found.converged,
        error=float(found.error.mean()),
        field=found.field,
    )


def laws_of(surrogate: Any, data: Meshes) -> Any:
    """Every law of `surrogates.check` on meshes, measured on these."""
    from surrogates.testing.mesh_check import check_meshes

    return check_meshes(surrogate, data)


def law_rows(surrogate: Any, data: Meshes) -> tuple[LawRow, ...]:
    """The same on a few meshes, as plain rows."""
    return tuple(
        LawRow(law.name, law.error, law.scale, law.tolerance, law.unit, law.verdict, law.note)
        for law in laws_of(surrogate, data[: min(len(data), 3)]).laws
    )


def _steady(row: int, sample: MeshSample, said: Any) -> Pair:
    known = [name for name in said.fields if name in sample.fields]
    if not known:
        raise DomainError(
            f"mesh {row} has the fields {', '.join(sample.fields) or 'none'}, and {', '.join(said.fields)} are "
            "predicted: there is nothing to compare; give meshes with these fields"
        )
    std = None if said.std is None else {n: np.asarray(said.std[n])[None] for n in known if n in said.std}
    fields = {n: np.asarray(said.fields[n])[None] for n in known}
    truth = {n: np.asarray(sample.fields[n])[None] for n in known}
    return Pair(row, 0, sample, fields, truth, std, {}, said.quantities)


def _framed(values: Any, truth: np.ndarray) -> np.ndarray:
    """With the axis of frames that a single one lacks."""
    return np.asarray(values).reshape(truth.shape)


def _flat(values: np.ndarray, nodes: int) -> np.ndarray:
    """(frames, nodes, components), float64."""
    return np.asarray(values, dtype=np.float64).reshape(len(values), nodes, -1)


def _constant(integrals: Sequence[tuple[float, np.ndarray, float]]) -> float:
    """Relative L2 of the constant that is the mean over all domains, mean over meshes."""
    mean = np.sum([i[1] for i in integrals], axis=0) / sum(i[2] for i in integrals)
    left = [whole - 2 * mean @ first + mean @ mean * size for whole, first, size in integrals]
    sizes = [max(whole, 1e-300) for whole, _, _ in integrals]
    return float(np.mean(np.sqrt(np.maximum(left, 0.0) / sizes)))


def _peaks(sums: _Sums, name: str) -> dict[str, np.ndarray]:
    said, std = np.array(sums.peaks[name]).T
    found = {"truth": np.array([e.peak_reference for e in sums.errors[name]]), "said": said}
    return found | ({"std": std} if np.isfinite(std).all() else {})


def _quantity(peaks: Mapping[str, np.ndarray]) -> Quantity:
    truth, said = peaks["truth"], peaks["said"]
    size = np.maximum(np.abs(truth), 1e-300)
    error = np.abs(said - truth)
    rank = spearman(said, truth) if len(truth) > 2 else float("nan")
    if "std" not in peaks:
        return Quantity(float(np.mean(error / size)), rank if np.isfinite(rank) else None)
    width = energy_band(peaks["std"])
    inside = float(np.mean(error <= width))
    return Quantity(
        float(np.mean(error / size)), rank if np.isfinite(rank) else None, inside, float(np.mean(width / size))
    )


def _band(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> Band | None:
    group = np.repeat(np.arange(len(rows)), [len(e) for e, _ in rows])
    error, std = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    known = np.isfinite(std)
    if known.sum() < 3:
        return None
    found = coverage(error[known], energy_band(std[known]), group=group[known])
    return Band(**asdict(found))


def _clouds(sums: _Sums) -> Arrays:
    found: Arrays = {}
    for name, rows in sums.bands.items():
        error, std = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        pick = np.random.default_rng(0).integers(0, len(error), min(_CLOUD, len(error)))
        found |= {f"{name}_cloud_error": error[pick], f"{name}_cloud_std": std[pick]}
    return found


def _follows(rows: Sequence[Mapping[str, float]], error: np.ndarray) -> dict[str, float]:
    """Rank correlation of the error with each number of the geometry that varies, the strongest first."""
    found = {}
    for name in rows[0]:
        if len(rows) > 3 and all(name in row for row in rows):
            rank = spearman(np.array([row[name] for row in rows]), error)
            if np.isfinite(rank):
                found[name] = float(rank)
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def _pictures(surrogate: Any, data: Meshes, sums: _Sums, main: str) -> Arrays:
    """The best, median and worst mesh, and some drawn evenly, as they are drawn; predicted once more."""
    order = np.argsort(sums.relative(main))
    shown = order[np.unique(np.linspace(0, len(order) - 1, 3).astype(int))]
    common = np.unique(np.linspace(0, len(order) - 1, _COMMON).astype(int))
    found: Arrays = {"shown": shown, "common": common}
    for place in dict.fromkeys([*shown.tolist(), *common.tolist()]):
        row, t, _ = sums.places[place]
        pair = _one(surrogate, data, row, t)
        here, seen = placed(str(place), pair.sample)
        found |= here
        for name in pair.truth:
            std = None if pair.std is None or name not in pair.std else pair.std[name][-1]
            found |= valued(str(place), name, seen.nodes, pair.truth[name][-1], pair.said[name][-1], std)
    return found


def _one(surrogate: Any, data: Meshes, row: int, t: int) -> Pair:
    """The prediction of one mesh from one frame."""
    task = task_of(surrogate)
    if task is None:
        return next(pairs(surrogate, data[np.array([row])]))
    windows = [MeshWindow(data[row], t, row)]
    return next(_stepped(task, windows, predicted(surrogate, windows)))


def _indicator(surrogate: Any, data: Meshes, error: np.ndarray) -> dict[str, float | None]:
    """What the finite elements say of some predictions and of their truth; {} where the equation is not known."""
    solver = mesh_solver_of(data)
    rows = np.unique(np.linspace(0, len(data) - 1, _INDICATED).astype(int))
    if solver is None or len(error) != len(data):
        return {}
    found = []
    for sample, said in zip(data[rows], predicted(surrogate, data[rows]), strict=True):
        if solver.unknown not in said.fields:
            return {}
        both = [solver.indicator(sample, fields[solver.unknown]) for fields in (said.fields, sample.fields)]
        found.append((both[0].relative, both[1].relative, both[0].galerkin))
    table = np.array(found)
    rank = spearman(table[:, 2], error[rows]) if len(rows) > 3 else float("nan")
    own, truth, galerkin = (float(x) for x in np.median(table, axis=0))
    told = {"indicator": own, "indicator_truth": truth, "galerkin": galerkin}
    return {**told, "indicator_rank": rank if np.isfinite(rank) else None}
