"""How wrong an MMGP is on held-out meshes, and whether its band keeps its promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.meshes.band import NORMAL
from surrogates.meshes.pod import norms
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.mass import consistent_mass


@dataclass(frozen=True)
class FieldScores:
    """Of one field, means over meshes.

    Args:
        relative_l2: |error| / |truth| with the mass matrix. trivial: that of the best constant field.
        morph: of the truth carried to the common mesh and back. floor: of the truth's projection on the modes, carried
            back: no regression does better with them.
        coverage: share of nodal values inside the 90 % band; terciles: by its width, narrow to wide. width: mean
            standard deviation, in the field's unit; rank: Spearman correlation of width and error.
        peak_error: relative error of the largest length; peak_coverage: share of meshes inside its 90 % band;
            peak_correlation: Pearson's, of predicted and true peak. NaN without peaks.
    """

    relative_l2: float
    trivial: float
    morph: float
    floor: float
    coverage: float
    terciles: tuple[float, float, float]
    width: float
    rank: float
    peak_error: float
    peak_coverage: float
    peak_correlation: float


@dataclass(frozen=True)
class MMGPScores:
    """Scores by field over `samples` meshes."""

    samples: int
    fields: dict[str, FieldScores]

    @property
    def relative_l2(self) -> dict[str, float]:
        """By field."""
        return {name: found.relative_l2 for name, found in self.fields.items()}

    def __str__(self) -> str:
        lines = [f"{self.samples} meshes"]
        for name, f in self.fields.items():
            by = " ".join(f"{100 * t:.0f}" for t in f.terciles)
            lines.append(
                f"{name}  relative L2 {100 * f.relative_l2:.3g} % (constant {100 * f.trivial:.3g} %; floors: morph "
                f"{100 * f.morph:.2g} %, modes {100 * f.floor:.3g} %)  90 % band covers {100 * f.coverage:.1f} % "
                f"(by width: {by} %), rank correlation {f.rank:.2f}  peak error {100 * f.peak_error:.3g} %, its band "
                f"covers {100 * f.peak_coverage:.0f} %"
            )
        return "\n".join(lines)


def scores(model: Any, test: Any) -> MMGPScores:
    """Scores of a fitted MMGP. Raises DomainError for meshes without its fields, and for none."""
    if not len(test):
        raise DomainError("there is nothing to score: give at least one mesh")
    tallies: dict[str, list[dict[str, Any]]] = {name: [] for name in model.names}
    for row, sample in enumerate(test):
        missing = [name for name in model.names if name not in sample.fields]
        if missing:
            raise DomainError(
                f"mesh {row} has no field {missing[0]!r} to compare with; it has {', '.join(sample.fields)}"
            )
        said = model.predict(sample)
        registration, turned = model.registered(sample)
        mass = consistent_mass(sample.points, sample.cells)
        for name in model.names:
            truth = sample.fields[name].reshape(len(sample), -1)
            tallies[name].append(_one(model, name, said, truth, mass, registration, turned))
    return MMGPScores(len(test), {name: _together(rows) for name, rows in tallies.items()})


def _one(model: Any, name: str, said: Any, truth: Any, mass: Any, registration: Any, turned: Any) -> dict[str, Any]:
    predicted, std = said.fields[name].reshape(truth.shape), said.std[name].reshape(truth.shape)
    process, kind = model.processes[name], model._kind(name)
    here = turned.forward(truth, kind)
    common = registration.to_common @ here
    back = registration.to_sample @ common
    modes = process.modes
    projected = registration.to_sample @ modes.fields(modes.coefficients(common[None]))[0]
    size = max(float(norms(truth[None], mass)[0]), 1e-300)
    constant = np.asarray(mass.sum(0)).ravel() @ truth / mass.sum()
    peak, peak_std = said.quantities.get(f"peak {name}", (float("nan"), None))
    return {
        "relative_l2": float(norms((predicted - truth)[None], mass)[0]) / size,
        "trivial": float(norms((truth - constant)[None], mass)[0]) / size,
        "morph": float(norms((back - here)[None], mass)[0]) / size,
        "floor": float(norms((projected - here)[None], mass)[0]) / size,
        "error": np.abs(predicted - truth).ravel(),
        "std": std.ravel(),
        "peak": (peak, float("nan") if peak_std is None else peak_std, float(np.linalg.norm(truth, axis=1).max())),
    }


def _together(rows: list[dict[str, Any]]) -> FieldScores:
    error, std = (np.concatenate([r[key] for r in rows]) for key in ("error", "std"))
    inside = error <= NORMAL * std
    thirds = [float(part.mean()) for part in np.array_split(inside[np.argsort(std, kind="stable")], 3)]
    peak, peak_std, true = np.array([r["peak"] for r in rows]).T
    means = {key: float(np.mean([r[key] for r in rows])) for key in ("relative_l2", "trivial", "morph", "floor")}
    several = len(rows) > 1 and np.isfinite(peak).all()
    return FieldScores(
        **means,
        coverage=float(inside.mean()),
        terciles=(thirds[0], thirds[1], thirds[2]),
        width=float(std.mean()),
        rank=_correlation(_ranks(std), _ranks(error)),
        peak_error=float(np.mean(np.abs(peak - true) / np.maximum(true, 1e-300))),
        peak_coverage=float(np.mean(np.abs(peak - true) <= NORMAL * peak_std)) if several else float("nan"),
        peak_correlation=_correlation(peak, true) if several else float("nan"),
    )


def _ranks(x: np.ndarray) -> np.ndarray:
    found = np.empty(len(x))
    found[np.argsort(x, kind="stable")] = np.arange(len(x))
    return found


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")
