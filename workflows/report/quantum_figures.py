"""Figures of chains and circuits as SVG text: energies by variance, light cones, entanglement, fidelity by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from surrogates.workflows.report.canvas import BLUE, GREY, ORANGE, SHADES, Canvas, styled
from surrogates.workflows.report.maps import draw, value_range

_LEAST = 1e-16  # on logarithmic axes
_FLAT = 1e-6  # of a profile
Curve = tuple[Sequence[float], Sequence[float]]


@styled
def energies(
    points: Sequence[tuple[float, float, int]], zero: float | None, others: Mapping[str, tuple[float, float]]
) -> str:
    """(variance, energy, chi) of one search with the line to variance zero, and where other starts ended."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    last = min(e for _, e, _ in points) if zero is None else zero
    shown = [(v, e - last, chi) for v, e, chi in points if v > 0 and e > last]
    axis.plot([v for v, _, _ in shown], [e for _, e, _ in shown], "o", color=BLUE, ms=5, label="bond dimensions")
    for v, e, chi in shown:
        axis.annotate(f"{chi}", (v, e), textcoords="offset points", xytext=(6, -3), fontsize=7, color=BLUE)
    if zero is not None and shown:
        v, e, _ = shown[-1]
        x = np.geomspace(v / 3, 3 * max(v for v, _, _ in shown), 30)
        axis.plot(x, e / v * x, color=GREY, lw=1.0, label="proportional to the variance")
    for k, (name, (v, e)) in enumerate(others.items()):
        axis.plot([v], [e - last], "x", color=SHADES[1 + k % 5], ms=7, label=f"from {name}")
    if shown:
        axis.set(xscale="log", yscale="log")
    axis.set(xlabel="variance", ylabel="energy above the " + ("lowest" if zero is None else "extrapolated one"))
    axis.legend()
    return canvas.svg()


@styled
def sweeps(curves: Mapping[str, np.ndarray], lowest: float) -> str:
    """Energy above the lowest one, sweep by sweep, of each start."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    for k, (name, curve) in enumerate(curves.items()):
        x = np.arange(1, len(curve) + 1)
        above = np.maximum(curve - lowest, _LEAST)
        axis.plot(
            x, np.where(above > _LEAST, above, np.nan), "o-", ms=3, lw=1, color=SHADES[k % 6], label=f"from {name}"
        )
    axis.set(yscale="log", xlabel="sweep", ylabel="energy above the lowest")
    axis.legend()
    return canvas.svg()


@styled
def profile(values: Mapping[str, np.ndarray], xlabel: str, ylabel: str, first: int = 0) -> str:
    """Numbers along the chain."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    for k, (name, y) in enumerate(values.items()):
        axis.plot(np.arange(first, first + len(y)), y, "o-", ms=2.5, lw=0.9, color=SHADES[k % 6], label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if max(float(np.abs(y).max()) for y in values.values()) < _FLAT:
        axis.set_ylim(-0.1, 0.1)  # what is zero by symmetry looks so
    if len(values) > 1:
        axis.legend()
    return canvas.svg()


@styled
def correlation(values: np.ndarray) -> str:
    """Size of connected correlations with the middle site, by distance to the right, on logarithmic axes."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    middle = len(values) // 2
    y = np.abs(values[middle + 1 :])
    axis.plot(np.arange(1, len(y) + 1), np.where(y > _LEAST, y, np.nan), "o-", ms=3, lw=1, color=BLUE)
    axis.set(xscale="log", yscale="log", xlabel="distance from the middle site", ylabel="|connected correlation|")
    return canvas.svg()


@styled
def raster(values: np.ndarray, times: np.ndarray, ylabel: str, *, signed: bool, first: int = 0) -> str:
    """Numbers (times, sites) as a picture, the time upwards."""
    canvas = Canvas(1, width=4.6, height=3.6)
    (axis,) = canvas.axes
    low, high = value_range(values)
    if signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    extent = (first - 0.5, first + values.shape[1] - 0.5, float(times[0]), float(times[-1]))
    draw(canvas, axis, values.T, low, high, "RdBu_r" if signed else "magma", extent=extent, aspect="auto")
    axis.set(xlabel=ylabel, ylabel="time")
    return canvas.svg()


@styled
def growth(curves: Mapping[str, Curve], limit: float | None) -> str:
    """Entanglement of the middle cut in time, and the most that the bond dimension can hold."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    for k, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, y, color=(BLUE, ORANGE, SHADES[2])[k % 3], lw=1.3, ls="-" if k == 0 else "--", label=name)
    most = max((max(y) for _, y in curves.values()), default=0.0)
    if limit is not None and limit < 2.5 * most:
        axis.axhline(limit, color=GREY, lw=0.8, ls=":", label="log of the bond dimension")
    axis.set(xlabel="time", ylabel="entropy of the middle cut")
    axis.legend()
    return canvas.svg()


@styled
def logarithmic(curves: Mapping[str, Curve], xlabel: str, ylabel: str, *, marks: str = "-") -> str:
    """Positive numbers on a logarithmic axis."""
    canvas = Canvas(1, width=4.6)
    (axis,) = canvas.axes
    for k, (name, (x, y)) in enumerate(curves.items()):
        shown = [v if v > _LEAST else np.nan for v in y]
        axis.plot(x, shown, marks, ms=4, lw=1.2, color=(BLUE, GREY, ORANGE, *SHADES[2:])[k % 6], label=name)
    axis.set(yscale="log", xlabel=xlabel, ylabel=ylabel)
    if any(v > _LEAST for _, y in curves.values() for v in y):
        axis.legend()
    return canvas.svg()


@styled
def counts(found: Mapping[str, int], shots: int) -> str:
    """Share of the shots of the most frequent results."""
    found = dict(sorted(found.items(), key=lambda pair: -pair[1]))
    names = [n if len(n) <= 24 else f"{n[:10]}...{n[-10:]}" for n in found]
    canvas = Canvas(1, width=5.0, height=0.8 + 0.22 * len(names))
    (axis,) = canvas.axes
    axis.barh(np.arange(len(names)), [n / shots for n in found.values()], color=BLUE)
    axis.set_yticks(np.arange(len(names)), names, fontsize=7, family="monospace")
    axis.invert_yaxis()
    axis.set(xlabel="share of shots")
    return canvas.svg()
