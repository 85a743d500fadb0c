"""How wrong predicted fields are, beside trivial predictions.

Relative L2, normalised root mean square, largest error, conserved mean and bands of wavenumbers, as in PDEBench: An
Extensive Benchmark for Scientific Machine Learning (arXiv:2210.07182), appendix B.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError

KEPT = 200_000_000  # values of predictions, truths and bands that are kept for pictures and coverage
BANDS = ((0, 5), (5, 13), (13, None))  # wavenumbers below, between and above: low, middle, high, as in PDEBench


@dataclass(frozen=True)
class FieldScores:
    """Errors of an operator on held-out trajectories.

    Args:
        samples: predictions compared. points: grid points of each.
        relative_l2: mean over samples of |error| / |truth|, mean over fields; `by_field` is it for each.
        nrmse: root mean square error over root mean square of the truth, by field. max_error: largest, in its unit.
        relative_l2_trivial: of the mean field of these very data (of those in `arrays`). relative_l2_persistence: of
            the newest input frame, where the field is among the inputs.
        mean_drift: mean |mean(prediction) - mean(truth)| over the truth's root mean square, by field; means over the
            domain, of each frame and component.
        bands: root mean square error of low, middle and high wavenumbers over the truth's, all of its wavenumbers, by
            field: their squares add up to that of `nrmse`. Empty with a mask.
        coverage: how the calibrated band did, by field, where the surrogate has one.
        arrays: for reports, left out of comparison and print: `NAME`, `NAME_reference`, `NAME_std` (kept, frames,
            *space, *components), NaN outside a mask; `sample` and `trajectory` (kept,), which sample of which
            trajectory they are, all of them where that is not too much; `relative_l2` (samples,) of all.
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


@dataclass(frozen=True)
class _Sums:
    """Sums over the values of each sample, all (samples,) but bands (samples, bands); None where it has no meaning.

    Squares of error, truth and of what no change leaves; values; largest error; mean over frames and components of
    |mean of the error over the domain|; power of the error by band, and of the truth.
    """

    error: np.ndarray
    truth: np.ndarray
    count: np.ndarray
    largest: np.ndarray
    drift: np.ndarray
    still: np.ndarray | None
    bands: np.ndarray | None
    power: np.ndarray | None


def score(task: Any, predict: Callable[..., Any], data: Any) -> FieldScores:
    """Scores of `predict` on every window of a data set of trajectories, for `task`, which knows what is asked.

    Arrays are kept of as many samples, evenly spread, as hold KEPT values.
    """
    if not len(data):
        raise DomainError("there is nothing to score: the data set is empty; give at least one trajectory")
    layout_in, layout_out = task.input_layout, task.target_layout
    windows = len(task.gather(data))
    every = max(1, -(-windows * 3 * layout_out.count * int(np.prod([len(x) for x in data[0].axes])) // KEPT))
    sums: dict[str, list[_Sums]] = {name: [] for name in layout_out.names}
    parts: dict[str, list[np.ndarray]] = {}
    begun = 0
    for batch in task.batches(data, targets=True):
        result = predict(batch)
        newest = layout_in.unpack(batch.values)
        mask = None if batch.mask is None else batch.mask.cpu().numpy()
        shown = slice(-begun % every, None, every)
        for name, values in layout_out.unpack(batch.target[:, : layout_out.count]).items():
            truth, said = values.cpu().numpy(), result.fields[name].detach().cpu().numpy()
            before = newest[name][:, -1:].cpu().numpy() if name in newest else None
            sums[name].append(_sums(said, truth, before, task.dim, mask))
            kept = {name: said, f"{name}_reference": truth}
            if result.std is not None:
                kept[f"{name}_std"] = result.std[name].detach().cpu().numpy()
            for key, array in kept.items():
                inside = None if mask is None else _like(mask[shown], array[shown])
                parts.setdefault(key, []).append(
                    array[shown].copy() if inside is None else np.where(inside, array[shown], np.nan)
                )
        begun += len(batch.values)
    arrays = {key: np.concatenate(values) for key, values in parts.items()}
    arrays["sample"] = np.arange(0, windows, every)
    arrays["trajectory"] = arrays["sample"] // (windows // len(data))
    return _scores({name: _joined(found) for name, found in sums.items()}, arrays, task.dim, data[0].mask is None)


def _scores(sums: dict[str, _Sums], arrays: dict[str, np.ndarray], dim: int, whole: bool) -> FieldScores:
    each = {name: _ratio(s.error, s.truth) for name, s in sums.items()}
    still = [float(_ratio(s.still, s.truth).mean()) for s in sums.values() if s.still is not None]
    together = np.mean(list(each.values()), axis=0)
    unit = {name: max(float(np.sqrt(s.truth.sum() / s.count.sum())), 1e-300) for name, s in sums.items()}
    return FieldScores(
        samples=len(together),
        points=int(np.prod(arrays[next(iter(sums))].shape[2 : 2 + dim])),
        relative_l2=float(together.mean()),
        by_field={name: float(e.mean()) for name, e in each.items()},
        nrmse={name: float(_ratio(s.error.sum(), s.truth.sum())) for name, s in sums.items()},
        max_error={name: float(s.largest.max()) for name, s in sums.items()},
        relative_l2_trivial=float(np.mean([_trivial(arrays[f"{name}_reference"]) for name in sums])),
        relative_l2_persistence=float(np.mean(still)) if len(still) == len(sums) else None,
        mean_drift={name: float(s.drift.mean()) / unit[name] for name, s in sums.items()},
        bands={name: _banded(s) for name, s in sums.items()} if whole else {},
        arrays=arrays | {"relative_l2": together},
    )


def _sums(said: np.ndarray, truth: np.ndarray, before: np.ndarray | None, dim: int, mask: np.ndarray | None) -> _Sums:
    """Of arrays (samples, frames, *space, *components); errors are taken in double precision."""
    truth, each = truth.astype(np.float64), tuple(range(1, truth.ndim))
    inside = np.ones((1,) * truth.ndim, dtype=bool) if mask is None else _like(mask, truth)
    error, truth = np.where(inside, said - truth, 0.0), np.where(inside, truth, 0.0)
    space = tuple(range(2, 2 + dim))
    points = np.prod(error.shape[2 : 2 + dim]) if mask is None else mask.reshape(len(mask), -1).sum(axis=1)
    values = points * np.full(len(error), error[0].size / np.prod(error.shape[2 : 2 + dim]))
    bands, power = (None, None) if mask is not None else _bands(error, truth, dim)
    drift = np.abs(error.sum(axis=space)).reshape(len(error), -1).mean(axis=1) / np.maximum(points, 1)
    return _Sums(
        error=np.square(error).sum(axis=each),
        truth=np.square(truth).sum(axis=each),
        count=values,
        largest=np.abs(error).max(axis=each),
        drift=drift,
        still=None if before is None else np.square(np.where(inside, before - truth, 0.0)).sum(axis=each),
        bands=bands,
        power=power,
    )


def _joined(parts: list[_Sums]) -> _Sums:
    def column(name: str) -> Any:
        found = [getattr(p, name) for p in parts]
        return None if found[0] is None else np.concatenate(found)

    return _Sums(**{entry.name: column(entry.name) for entry in dataclass_fields(_Sums)})


def relative_l2(predicted: np.ndarray, truth: np.ndarray, dim: int, mask: np.ndarray | None = None) -> np.ndarray:
    """|predicted - truth| / |truth| of each sample, arrays (samples, frames, *space, *components).

    `mask` (samples, *space), or (*space) for all of them; True inside.
    """
    error, inside = predicted - truth, None if mask is None else _like(mask if mask.ndim > dim else mask[None], truth)
    each = tuple(range(1, truth.ndim))
    error, truth = (x if inside is None else np.where(inside, x, 0.0) for x in (error, truth))
    return _ratio(np.square(error).sum(axis=each), np.square(truth).sum(axis=each))


def _ratio(above: Any, below: Any) -> np.ndarray:
    """Of two sums of squares, as norms."""
    return np.asarray(np.sqrt(above) / np.maximum(np.sqrt(below), 1e-300))


def _like(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(samples, *space) with axes of one for frames and components."""
    return mask.reshape(len(mask), 1, *mask.shape[1:], *[1] * (values.ndim - 1 - mask.ndim))


def _trivial(truth: np.ndarray) -> float:
    """Relative error of the mean over samples; NaN outside a mask. A sample at a time, since there may be many."""
    inside = np.isfinite(truth)
    middle = np.sum(truth, axis=0, where=inside, dtype=np.float64) / np.maximum(inside.sum(axis=0), 1)
    pairs = (
        (np.sum(np.square(t - middle), where=here), np.sum(np.square(t), where=here, dtype=np.float64))
        for t, here in zip(truth, inside, strict=True)
    )
    return float(np.mean([_ratio(above, below) for above, below in pairs]))


def _banded(sums: _Sums) -> tuple[float, ...]:
    assert sums.bands is not None
    assert sums.power is not None
    return tuple(float(_ratio(x, sums.power.sum())) for x in sums.bands.sum(axis=0))


def _bands(error: np.ndarray, truth: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Power of the error in each band of wavenumbers, counted in periods over the domain, and of the truth in all."""
    axes, space = tuple(range(2, 2 + dim)), truth.shape[2 : 2 + dim]
    k = np.sqrt(sum(np.square(x) for x in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in space), indexing="ij")))
    power = np.abs(np.fft.fftn(error, axes=axes)) ** 2  # periodic extension: exact for periodic fields
    bands = []
    for low, high in BANDS:
        here = (k >= low) & (k < (np.inf if high is None else high))
        bands.append(power[:, :, here].reshape(len(error), -1).sum(axis=1))
    whole = np.square(truth).reshape(len(truth), -1).sum(axis=1) * np.prod(space)  # Parseval
    return np.stack(bands, axis=1), whole
