"""Figures of the report as SVG text: vector axes, rasterised clouds, one style.

Arrays in, SVG out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.workflows.report.canvas import BLUE, GREY, ORANGE, SHADES, Canvas, plain_numbers, styled


@styled
def parity(panels: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> str:
    """Predicted against reference, a panel for each (title with unit, reference, predicted)."""
    canvas = Canvas(len(panels))
    for axis, (title, reference, predicted) in zip(canvas.axes, panels, strict=True):
        low, high = float(min(reference.min(), predicted.min())), float(max(reference.max(), predicted.max()))
        axis.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=1)
        axis.scatter(reference, predicted, s=3, alpha=0.35, color=BLUE, linewidths=0, rasterized=True, zorder=2)
        axis.set(title=title, xlabel="reference", ylabel="surrogate")
        axis.ticklabel_format(useOffset=False)
    return canvas.svg()


@styled
def bars(groups: Mapping[str, Mapping[str, float]], *, ylabel: str, title: str = "") -> str:
    """Grouped bars: {series: {category: value}}."""
    canvas = Canvas()
    (axis,) = canvas.axes
    categories = sorted({c for values in groups.values() for c in values}, key=lambda c: (len(c), c))
    width = 0.8 / max(len(groups), 1)
    for k, (name, values) in enumerate(groups.items()):
        place = np.arange(len(categories)) + (k - (len(groups) - 1) / 2) * width
        axis.bar(place, [values.get(c, np.nan) for c in categories], width, label=name, color=SHADES[k % 6])
    axis.set_xticks(range(len(categories)), categories)
    axis.set(ylabel=ylabel, title=title)
    if len(groups) > 1:
        axis.legend()
    return canvas.svg()


@styled
def spread_against_error(sets: Mapping[str, tuple[np.ndarray, np.ndarray]], *, unit: str) -> str:
    """Predicted band against the error that was made, a panel a data set, with the running 90 % quantile."""
    canvas = Canvas(len(sets))
    for axis, (name, (width, error)) in zip(canvas.axes, sets.items(), strict=True):
        axis.scatter(width, error, s=3, alpha=0.3, color=BLUE, linewidths=0, rasterized=True)
        order = np.argsort(width)
        bins = [b for b in np.array_split(order, 12) if len(b)]
        x = [np.median(width[b]) for b in bins]
        axis.plot(x, [np.quantile(error[b], 0.9) for b in bins], color=ORANGE, marker="o", ms=3, label="90 % of errors")
        ends = [max(width.min(), 1e-6), width.max()]
        axis.plot(ends, ends, color=GREY, lw=0.8, label="the promise")
        axis.set(xscale="log", yscale="log", title=name, xlabel=f"90 % band ({unit})", ylabel=f"error ({unit})")
        axis.set_xlim(left=max(np.quantile(width, 0.005), 1e-6))
        axis.set_ylim(bottom=max(np.quantile(error, 0.005), 1e-6))
        plain_numbers(axis.xaxis, axis.yaxis)
        axis.legend()
    return canvas.svg()


@styled
def coverage_by_tercile(rows: Mapping[str, tuple[float, Sequence[float]]], *, level: float) -> str:
    """Coverage of the band: all, and by third of its width, for each data set."""
    canvas = Canvas()
    (axis,) = canvas.axes
    labels = ["all", "narrow", "middle", "wide"]
    for k, (name, (everything, terciles)) in enumerate(rows.items()):
        axis.plot(labels, [everything, *terciles], "o-", color=SHADES[k % 6], label=name, lw=1)
    axis.axhline(level, color=GREY, lw=0.8)
    axis.set(ylim=(0, 1.02), ylabel="share of errors inside", title=f"Coverage of the {100 * level:.0f} % band")
    axis.legend()
    return canvas.svg()


@styled
def history(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, xlabel: str, ylabel: str) -> str:
    """Curves {name: (x, y)} on a logarithmic ordinate."""
    canvas = Canvas()
    (axis,) = canvas.axes
    for k, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, y, color=SHADES[k % 6], label=name, lw=1.2)
    axis.set(yscale="log", xlabel=xlabel, ylabel=ylabel)
    if len(curves) > 1:
        axis.legend()
    return canvas.svg()


@styled
def learning_curve(
    samples: Sequence[float],
    errors: Sequence[float],
    law: tuple[float, float] | None,
    *,
    xlabel: str = "training frames",
    ylabel: str = "force MAE (meV/Å)",
) -> str:
    """Error against training samples with the fitted power law (amplitude, exponent)."""
    canvas = Canvas()
    (axis,) = canvas.axes
    axis.plot(samples, errors, "o", color=BLUE)
    if law is not None:
        x = np.geomspace(min(samples), 8 * max(samples), 50)
        axis.plot(x, law[0] * x ** (-law[1]), color=ORANGE, lw=1, label=f"n^(-{law[1]:.2f})")
        axis.legend()
    axis.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    plain_numbers(axis.xaxis, axis.yaxis)
    return canvas.svg()


@styled
def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, xlabel: str, ylabel: str, title: str = ""
) -> str:
    """Curves {name: (x, y)} on plain axes."""
    canvas = Canvas(width=5.2)
    (axis,) = canvas.axes
    for k, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, y, color=SHADES[k % 6], label=name, lw=1.0)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.ticklabel_format(axis="y", useOffset=False)
    if len(curves) > 1:
        axis.legend()
    return canvas.svg()


@styled
def sticks(up: Sequence[float], down: Sequence[float] | None, *, xlabel: str, names: tuple[str, str]) -> str:
    """Two line spectra back to back (wavenumbers in 1/cm): the surrogate's upwards, the reference's downwards."""
    canvas = Canvas(width=6.4, height=2.6)
    (axis,) = canvas.axes
    axis.vlines(up, 0, 1, color=BLUE, lw=1.2, label=names[0])
    if down is not None and len(down):
        axis.vlines(down, -1, 0, color=ORANGE, lw=1.2, label=names[1])
    axis.axhline(0, color=GREY, lw=0.7)
    axis.set(xlabel=xlabel, yticks=[], ylim=(-1.1, 1.5))
    axis.spines["left"].set_visible(False)
    axis.legend(loc="upper center", ncols=2)
    return canvas.svg()


@styled
def fitted(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], *, xlabel: str, ylabel: str
) -> str:
    """Points with the curve through them: {name: (x, y, fine x, fitted y)}."""
    canvas = Canvas(width=5.2)
    (axis,) = canvas.axes
    for k, (name, (x, y, fine, fit)) in enumerate(curves.items()):
        axis.plot(fine, fit, color=SHADES[k % 6], lw=1.0)
        axis.plot(x, y, "o" if k == 0 else "s", color=SHADES[k % 6], ms=4, mfc="none", label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend()
    return canvas.svg()


@styled
def bands(sets: Mapping[str, Mapping[str, np.ndarray]], *, labels: Sequence[tuple[float, str]]) -> str:
    """Phonon bands (x, bands in THz) over each other, their densities of states (dos_frequencies, dos) beside them.

    The first set decides about the path and its `labels` (x, name); others are stretched to its length.
    """
    canvas = Canvas(2, width=4.0, height=3.6, shares=[3.4, 1.0])
    along, beside = canvas.axes
    length = next(iter(sets.values()))["x"][-1]
    for k, (name, found) in reversed(list(enumerate(sets.items()))):  # the first on top
        style: Any = {"color": SHADES[k % 6], "lw": 1.2 if k == 0 else 1.6, "ls": "-" if k == 0 else (0, (3, 2))}
        along.plot(found["x"] * (length / found["x"][-1]), found["bands"], **style)
        beside.plot(found["dos"], found["dos_frequencies"], label=name, **style)
    for x, _ in labels:
        along.axvline(x, color=GREY, lw=0.5)
    along.axhline(0, color=GREY, lw=0.5)
    along.set_xticks([x for x, _ in labels], [name for _, name in labels])
    along.set(xlim=(0, length), ylabel="frequency (THz)")
    beside.set(xlim=(0, None), ylim=along.get_ylim(), yticks=[], xticks=[], xlabel="density of states")
    handles, names = beside.get_legend_handles_labels()
    canvas.figure.legend(handles[::-1], names[::-1], loc="outside upper left", ncols=2)
    return canvas.svg()


@styled
def times(names: Sequence[str], seconds: Sequence[float], *, title: str) -> str:
    """Time a call on a logarithmic axis, one horizontal bar each, from the power of ten below half the shortest."""
    canvas = Canvas(height=0.6 + 0.42 * len(names))
    (axis,) = canvas.axes
    axis.barh(list(names), [1e3 * s for s in seconds], color=[SHADES[k % 6] for k in range(len(names))])
    axis.set(xscale="log", xlabel="CPU ms a call", title=title)
    axis.set_xlim(left=10.0 ** np.floor(np.log10(500 * min(seconds))))
    plain_numbers(axis.xaxis)
    axis.invert_yaxis()
    return canvas.svg()
