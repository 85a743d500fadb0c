"""How wrong predicted fields are, beside trivial predictions.

Relative L2, normalised root mean square, largest error, conserved mean and bands of wavenumbers, as in PDEBench: An
Extensive Benchmark for Scientific Machine Learning (arXiv:2210.07182), appendix B.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError

BANDS = ((0, 5), (5, 13), (13, None))  # wavenumbers below, between and above: low, middle, high, as in PDEBench


@dataclass(frozen=True)
class FieldScores:
    """Errors of an operator on held-out trajectories.

    Args:
        samples: predictions compared. points: grid points of each.
        relative_l2: mean over samples of |error| / |truth|, mean over fields; `by_field` is it for each.
        nrmse: root mean square error over root mean square of the truth, by field. max_error: largest, in its unit.
        relative_l2_trivial: of the mean field of these very data. relative_l2_persistence: of the newest input frame,
            where the field is among the inputs.
        mean_drift: mean |mean(prediction) - mean(truth)| over the truth's root mean square, by field.
        bands: root mean square error of low, middle and high wavenumbers over the truth's, all of its wavenumbers, by
            field: their squares add up to that of `nrmse`. Empty with a mask.
        coverage: how the calibrated band did, by field, where the surrogate has one.
        arrays: `NAME`, `NAME_reference`, `NAME_std` (samples, frames, *space, *components) and `relative_l2` (samples,)
            for reports; left out of comparison and print.
    """

    samples: int
    points: int
    relative_l2: float
    by_field: dict[str, float]
    nrmse: dict[str, float]
    max_error: dict[str, float]
    relative_l2_trivial: float
    relative_l2_persistence: float | None = None
    mean_drift: dict[str, float] = field(default_factory=dict)
    bands: dict[str, tuple[float, ...]] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        beside = f"mean field {100 * self.relative_l2_trivial:.3g} %"
        if self.relative_l2_persistence is not None:
            beside += f", no change {100 * self.relative_l2_persistence:.3g} %"
        lines = [
            f"{self.samples} samples of {self.points} points",
            f"relative L2 error {100 * self.relative_l2:.3g} %   ({beside})",
        ]
        for name in self.by_field:
            row = f"{name}  {100 * self.by_field[name]:.3g} %  largest error {self.max_error[name]:.3g}"
            if name in self.bands:
                row += "  low, middle, high wavenumbers " + " ".join(f"{100 * b:.3g}" for b in self.bands[name]) + " %"
            lines.append(row)
        lines += [f"spread of {name}  {found}" for name, found in self.coverage.items()]
        return "\n".join(lines)


def score(task: Any, predict: Callable[..., Any], data: Any) -> FieldScores:
    """Scores of `predict` on every window of a data set of trajectories, for `task`, which knows what is asked."""
    layout_in, layout_out = task.input_layout, task.target_layout
    parts: dict[str, list[np.ndarray]] = {}
    mask = None
    for batch in task.batches(data, targets=True):
        result = predict(batch)
        truth = layout_out.unpack(batch.target[:, : layout_out.count])
        newest = layout_in.unpack(batch.values)
        mask = batch.mask if mask is None else mask
        for name, values in truth.items():
            row = {name: result.fields[name], f"{name}_reference": values}
            if result.std is not None:
                row[f"{name}_std"] = result.std[name]
            if name in newest:
                row[f"{name}_before"] = newest[name][:, -1:].expand_as(values)
            for key, value in row.items():
                parts.setdefault(key, []).append(value.detach().double().cpu().numpy())
    arrays = {key: np.concatenate(values) for key, values in parts.items()}
    inside = None if mask is None else mask[0].cpu().numpy()
    return from_arrays(arrays, layout_out.names, dim=task.dim, mask=inside)


def from_arrays(
    arrays: dict[str, np.ndarray], names: tuple[str, ...], *, dim: int, mask: np.ndarray | None = None
) -> FieldScores:
    """Scores from `NAME`, `NAME_reference` and, where known, `NAME_before`: (samples, frames, *space, *components)."""
    if not arrays or not len(arrays[names[0]]):
        raise DomainError("there is nothing to score: the data set is empty; give at least one trajectory")
    space = arrays[names[0]].shape[2 : 2 + dim]
    each = {
        name: _relative(arrays[name] - arrays[f"{name}_reference"], arrays[f"{name}_reference"], dim, mask)
        for name in names
    }
    rows = {name: _sample_rows(arrays, name, dim, mask) for name in names}
    trivial = [_relative(t - t.mean(0), t, dim, mask).mean() for t in (arrays[f"{n}_reference"] for n in names)]
    before = [n for n in names if f"{n}_before" in arrays]
    still = [
        _relative(arrays[f"{n}_before"] - arrays[f"{n}_reference"], arrays[f"{n}_reference"], dim, mask).mean()
        for n in before
    ]
    together = np.mean([each[name] for name in names], axis=0)
    kept = {k: v for k, v in arrays.items() if not k.endswith("_before")} | {"relative_l2": together}
    return FieldScores(
        samples=len(together),
        points=int(np.prod(space)),
        relative_l2=float(together.mean()),
        by_field={name: float(each[name].mean()) for name in names},
        nrmse={name: _rms(error) / max(_rms(truth), 1e-300) for name, (error, truth) in rows.items()},
        max_error={name: float(np.abs(error).max()) for name, (error, _) in rows.items()},
        relative_l2_trivial=float(np.mean(trivial)),
        relative_l2_persistence=float(np.mean(still)) if len(before) == len(names) else None,
        mean_drift={
            name: float(np.abs(error.mean(axis=1)).mean()) / max(_rms(truth), 1e-300)
            for name, (error, truth) in rows.items()
        },
        bands={} if mask is not None else {name: _bands(arrays, name, dim) for name in names},
        arrays=kept,
    )


def relative_l2(predicted: np.ndarray, truth: np.ndarray, dim: int, mask: np.ndarray | None = None) -> np.ndarray:
    """|predicted - truth| / |truth| of each sample, arrays (samples, frames, *space, *components)."""
    return _relative(predicted - truth, truth, dim, mask)


def _relative(error: np.ndarray, truth: np.ndarray, dim: int, mask: np.ndarray | None) -> np.ndarray:
    above = np.linalg.norm(_flat(error, dim, mask), axis=1)
    return above / np.maximum(np.linalg.norm(_flat(truth, dim, mask), axis=1), 1e-300)


def _sample_rows(
    arrays: dict[str, np.ndarray], name: str, dim: int, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    truth = arrays[f"{name}_reference"]
    return _flat(arrays[name] - truth, dim, mask), _flat(truth, dim, mask)


def _flat(values: np.ndarray, dim: int, mask: np.ndarray | None) -> np.ndarray:
    """(samples, values inside the mask)."""
    if mask is not None:
        values = values[:, :, mask]
    return values.reshape(len(values), -1)


def _bands(arrays: dict[str, np.ndarray], name: str, dim: int) -> tuple[float, ...]:
    """Relative error of the wavenumbers of each band, counted in periods over the domain."""
    axes = tuple(range(2, 2 + dim))
    truth = arrays[f"{name}_reference"]
    space = truth.shape[2 : 2 + dim]
    k = np.sqrt(sum(np.square(x) for x in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in space), indexing="ij")))
    error = np.abs(np.fft.fftn(arrays[name] - truth, axes=axes)) ** 2
    power = np.abs(np.fft.fftn(truth, axes=axes)) ** 2  # periodic extension: exact for periodic fields
    found = []
    for low, high in BANDS:
        here = (k >= low) & (k < (np.inf if high is None else high))
        found.append(float(np.sqrt(error[:, :, here].sum() / max(power.sum(), 1e-300))))
    return tuple(found)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
