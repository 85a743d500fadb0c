"""One field of MMGP: its modes on the common mesh, a process for each coefficient, a band from what they miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.meshes.band import Band, calibrated
from surrogates.meshes.left_out import left_out
from surrogates.meshes.morphing.register import Registration
from surrogates.meshes.peak import Peak, fit_peak, largest
from surrogates.meshes.pod import Modes, norms, snapshot_pod
from surrogates.meshes.processes import Processes, fit_processes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.mass import consistent_mass

Array = np.ndarray
_LEFT = 1e-3  # of a field's spread that "auto" may leave out
_LEFT_OUT = 250  # training samples left out in turn


@dataclass(frozen=True)
class FieldSummary:
    """modes: kept. truncation, morph, left_out: relative L2 errors, means over the training meshes, of the modes alone,
    of the way to the common mesh and back, and of predictions in leave-one-out. spectrum: share of variance by mode."""

    modes: int
    truncation: float
    morph: float
    left_out: float
    spectrum: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class FieldProcess:
    """Predicts one field of (nodes, components). `residual`: mean square left out in training, on the common mesh."""

    modes: Modes
    processes: Processes
    residual: Float[np.ndarray, "nodes components"]
    band: Band
    peak: Peak | None
    summary: FieldSummary

    def predict(
        self, inputs: Float[np.ndarray, "1 d"], to_sample: Any
    ) -> tuple[Array, Array, tuple[float, float] | None]:
        """Field and standard deviation at a sample's nodes, and its peak."""
        mean, variance = self.processes.predict(inputs)
        said = to_sample @ self.modes.fields(mean)[0]
        std = self.band(_carried(to_sample, self.modes.variance(variance)[0]), _carried(to_sample, self.residual))
        return said, std, None if self.peak is None else self.peak(inputs, largest(said))


def fit_field(
    truths: Sequence[Float[np.ndarray, "_ components"]],
    registrations: Sequence[Registration],
    inputs: Float[np.ndarray, "samples d"],
    mass: Any,
    *,
    modes: str | int | float,
    restarts: int,
    seed: int,
) -> FieldProcess:
    """Fit one field. `modes`: a count, a tolerance (relative, of the field's spread), or "auto": 1e-3, and none beyond
    those that can be told from the inputs."""
    common = np.stack([r.to_common @ truth for r, truth in zip(registrations, truths, strict=True)])
    exact = modes if isinstance(modes, int) else None
    tolerance = _LEFT if modes == "auto" else 0.0 if exact is not None else float(modes)
    found = snapshot_pod(common, mass, modes=exact, tolerance=tolerance)
    if not len(found):
        raise DomainError("the field is the same in all training meshes; there is nothing to predict, leave it out")
    coefficients = found.coefficients(common)
    processes = fit_processes(inputs, coefficients, restarts=restarts, seed=seed, stop=modes == "auto")
    found = found.first(len(processes))
    n = len(common)
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:_LEFT_OUT])
    said, errors, spread = [], [], []
    for k, field, variance in left_out(common, mass, processes.each, rows):
        said.append(registrations[k].to_sample @ field)
        errors.append(said[-1] - truths[k])
        spread.append(_carried(registrations[k].to_sample, variance))
    own = np.stack([np.square(registrations[k].to_common @ e) for k, e in zip(rows, errors, strict=True)])
    residual = own.mean(0)
    others = [  # what the sample itself missed must not widen its band
        _carried(registrations[k].to_sample, (len(own) * residual - o) / (len(own) - 1))
        for k, o in zip(rows, own, strict=True)
    ]
    band = calibrated(*(np.concatenate([x.ravel() for x in part]) for part in (errors, spread, others)))
    peak = fit_peak(said, [truths[k] for k in rows], inputs[rows], restarts, seed)
    chosen = [registrations[k] for k in rows]
    summary = _summary(found, common[rows], chosen, [truths[k] for k in rows], errors)
    return FieldProcess(found, processes, residual, band, peak, summary)


def _summary(
    modes: Modes, common: Array, registrations: Sequence[Registration], truths: Sequence[Array], errors: Sequence[Array]
) -> FieldSummary:
    morph, left = [], []
    for r, values, truth, error in zip(registrations, common, truths, errors, strict=True):
        mass = consistent_mass(r.sample.points, r.sample.cells)
        size = max(float(norms(truth[None], mass)[0]), 1e-300)
        morph.append(float(norms((r.to_sample @ values - truth)[None], mass)[0]) / size)
        left.append(float(norms(error[None], mass)[0]) / size)
    shares = modes.spectrum / modes.spectrum.sum()
    truncation = float(modes.truncation(common).mean())
    return FieldSummary(len(modes), truncation, float(np.mean(morph)), float(np.mean(left)), tuple(map(float, shares)))


def _carried(to_sample: Any, variance: Array) -> Array:
    """A variance on another mesh; quadratic shape functions may make it negative next to jumps."""
    return np.maximum(to_sample @ variance, 1e-3 * variance.min(0, keepdims=True))
