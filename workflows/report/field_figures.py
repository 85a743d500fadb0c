"""Figures of fields on grids as SVG text: maps, strips, spectra, error growth, work and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.workflows.report.canvas import BLUE, GREY, ORANGE, RED, SHADES, Canvas, plain_numbers, styled
from surrogates.workflows.report.maps import draw, thinned, value_range


@styled
def samples(arrays: Mapping[str, np.ndarray], name: str, *, dim: int) -> str:
    """Input frame's prediction, truth, error and band of the samples shown: curves in 1-D, maps (a middle cut) else."""
    truth = _last(arrays[f"{name}_reference"], dim)
    said = _last(arrays[name], dim)
    std = _last(arrays[f"{name}_std"], dim) if f"{name}_std" in arrays else None
    return _curves(truth, said, std) if truth.ndim == 2 else _maps(truth, said, std)


def _curves(truth: np.ndarray, said: np.ndarray, std: np.ndarray | None) -> str:
    canvas = Canvas(len(truth), width=3.4, height=2.8)
    x = np.arange(truth.shape[1]) / truth.shape[1]
    for k, axis in enumerate(canvas.axes):
        axis.plot(x, truth[k], color=GREY, lw=2.0, label="solver")
        axis.plot(x, said[k], color=BLUE, lw=1.0, label="surrogate")
        if std is not None:
            axis.fill_between(x, said[k] - 1.645 * std[k], said[k] + 1.645 * std[k], color=BLUE, alpha=0.25, lw=0)
        inside = np.isfinite(truth[k])  # of a mask
        norms = [float(np.linalg.norm(x[inside])) for x in (said[k] - truth[k], truth[k])]
        error = norms[0] / max(norms[1], 1e-300)
        axis.set(title=f"relative L2 {100 * error:.2g} %", xlabel="x / L")
    canvas.axes[0].legend()
    return canvas.svg()


def _maps(truth: np.ndarray, said: np.ndarray, std: np.ndarray | None) -> str:
    columns = 3 if std is None else 4
    canvas = Canvas(columns, rows=len(truth), width=2.3, height=1.95 * len(truth))
    titles = ["solver", "surrogate", "difference", "90 % band"]
    for k in range(len(truth)):
        row = canvas.axes[columns * k : columns * (k + 1)]
        low, high = value_range(truth[k])
        difference = said[k] - truth[k]
        most = max(abs(x) for x in value_range(difference)) or 1.0
        panels: list[tuple[np.ndarray, float, float, str]] = [
            (truth[k], low, high, "viridis"),
            (said[k], low, high, "viridis"),
            (difference, -most, most, "RdBu_r"),
        ]
        if std is not None:
            panels.append((1.645 * std[k], 0.0, most, "magma_r"))
        for axis, title, (values, bottom, top, colours) in zip(row, titles, panels, strict=False):
            draw(canvas, axis, values, bottom, top, colours)
            axis.set(xticks=[], yticks=[])
            if k == 0:
                axis.set_title(title)
    return canvas.svg()


@styled
def errors(values: np.ndarray) -> str:
    """Histogram of the samples' errors."""
    canvas = Canvas(1, height=2.4)
    (axis,) = canvas.axes
    axis.hist(100 * values, bins=min(30, max(5, len(values) // 4)), color=BLUE)
    axis.set(xlabel="relative L2 error (%)", ylabel="samples")
    return canvas.svg()


@styled
def growth(curves: Mapping[str, Sequence[float]], quantiles: Sequence[tuple[float, float]]) -> str:
    """Relative errors by step on a logarithmic axis; the first curve with its quantiles shaded."""
    canvas = Canvas(1, width=5.2)
    (axis,) = canvas.axes
    steps = np.arange(1, len(quantiles) + 1)
    low, high = np.array(quantiles).T
    axis.fill_between(steps, np.maximum(low, 1e-12), high, color=BLUE, alpha=0.2, lw=0)
    for k, (name, values) in enumerate(curves.items()):
        y = np.maximum(np.asarray(values, dtype=float), 1e-12)
        style: Any = {"color": SHADES[k % len(SHADES)], "lw": 1.4 if k == 0 else 1.0, "marker": "o", "ms": 2}
        axis.plot(np.arange(1, len(y) + 1), y, label=name, **style)
    axis.set(yscale="log", xlabel="step", ylabel="relative L2 error")
    axis.legend()
    return canvas.svg()


@styled
def strip(arrays: Mapping[str, np.ndarray], name: str) -> str:
    """Frames of one trajectory, truth above and prediction below."""
    truth, said = arrays[f"{name}_reference"], arrays[name]
    said = said[: len(truth)]
    times, shown = arrays["times"], arrays["shown"]
    flat = [_scalar(x, int(arrays["dim"])) for x in (truth, said)]
    if flat[0].ndim == 2:
        canvas = Canvas(len(truth), width=2.4, height=2.3)
        for k, axis in enumerate(canvas.axes):
            axis.plot(flat[0][k], color=GREY, lw=2.0, label="solver")
            axis.plot(flat[1][k], color=BLUE, lw=1.0, label="surrogate")
            axis.set(title=f"t = {times[shown[k]]:.3g}", xticks=[])
        canvas.axes[0].legend()
        return canvas.svg()
    canvas = Canvas(len(truth), rows=2, width=2.0, height=4.0)
    for k in range(len(truth)):
        low, high = value_range(flat[0][k])
        for row, values in enumerate(flat):
            axis = canvas.axes[row * len(truth) + k]
            axis.imshow(thinned(_cut(values[k])).T, origin="lower", vmin=low, vmax=high, cmap="viridis", aspect="equal")
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(f"t = {times[shown[k]]:.3g}")
    canvas.axes[0].set_ylabel("solver")
    canvas.axes[len(truth)].set_ylabel("surrogate")
    return canvas.svg()


@styled
def spectra(truth: np.ndarray, said: np.ndarray) -> str:
    """Power by wavenumber, truth and prediction."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    k = np.arange(1, len(truth))
    floor = 1e-12 * max(float(truth[1:].max(initial=0.0)), 1e-300)
    axis.plot(k, np.maximum(truth[1:], floor), color=GREY, lw=2.0, label="solver")
    axis.plot(k, np.maximum(said[1:], floor), color=BLUE, lw=1.0, label="surrogate")
    axis.set(xscale="log", yscale="log", xlabel="wavenumber (periods over the domain)", ylabel="power")
    axis.legend()
    return canvas.svg()


@styled
def work_precision(found: Mapping[str, Any]) -> str:
    """Relative error against CPU time a sample: the solver's curve, the operator's points."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    solver = [s for s in found["solver"] if s["error"] > 1e-9]
    axis.plot([1e3 * s["seconds"] for s in solver], [s["error"] for s in solver], "o-", color=GREY, label="solver")
    for s in solver:
        place = (1e3 * s["seconds"], s["error"])
        axis.annotate(str(s["points"]), place, fontsize=7, xytext=(3, 3), textcoords="offset points")
    axis.plot(1e3 * found["surrogate"], found["error"], "s", color=ORANGE, label="surrogate, alone")
    axis.plot(1e3 * found["batch"], found["error"], "D", color=RED, label="surrogate, 32 at once")
    axis.set(xscale="log", yscale="log", xlabel="CPU ms a sample", ylabel="relative L2 error")
    plain_numbers(axis.xaxis)
    axis.legend()
    return canvas.svg()


def _last(values: np.ndarray, dim: int) -> np.ndarray:
    """Last frame, first component, a middle cut of 3-D: (samples, frames, *space, ...) -> (samples, x[, y])."""
    scalar = _scalar(values, 1 + dim)[:, -1]
    return np.stack([_cut(sample) for sample in scalar])


def _scalar(values: np.ndarray, axes: int) -> np.ndarray:
    """The first component of whatever lies behind the first `axes` + 1 axes."""
    return values.reshape(*values.shape[: axes + 1], -1)[..., 0]


def _cut(values: np.ndarray) -> np.ndarray:
    while values.ndim > 2:
        values = values[..., values.shape[-1] // 2]
    return values
