"""Figures of solved equations as SVG text: maps of a plane, cuts, losses by part, unknown numbers, characteristics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from surrogates.workflows.report.canvas import BLUE, GREY, ORANGE, SHADES, Canvas, styled
from surrogates.workflows.report.maps import draw, value_range

_WIDTH = 2.95  # inches of a map; three stand side by side on a wide page


def maps(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """(what, SVG) of each map of a plane: reference, network, difference, size of the residual, band."""
    values, reference = arrays["map_values"], arrays.get("map_reference")
    low, high = value_range(values if reference is None else reference)
    if reference is not None:
        yield "the known solution", _map(arrays, reference, low, high, "viridis")
    yield "the network", _map(arrays, values, low, high, "viridis")
    most = 0.0
    if reference is not None:
        most = max(abs(x) for x in value_range(values - reference)) or 1.0
        yield "network minus solution", _map(arrays, values - reference, -most, most, "RdBu_r")
    residual = np.log10(np.maximum(arrays["map_residual"], 1e-12))
    bottom, top = value_range(residual)
    yield "size of the residual, powers of ten", _map(arrays, residual, max(bottom, top - 4), top, "magma_r")
    for name in sorted(n for n in arrays if n.startswith("map_band_")):
        band = arrays[name]
        yield f"90 % band, {name[9:]}", _map(arrays, band, 0.0, most or value_range(band)[1], "magma_r")


@styled
def _map(arrays: Mapping[str, np.ndarray], values: np.ndarray, low: float, high: float, colours: str) -> str:
    """A map with the time, if there is one, to the right."""
    canvas = Canvas(1, width=_WIDTH, height=2.5)
    (axis,) = canvas.axes
    names = [str(n) for n in arrays["map_names"]]
    ends = [float(e) for key in ("map_x", "map_y") for e in (arrays[key][0], arrays[key][-1])]
    timed = names[1] == "t"
    shown = values.T if timed else values
    extent = (*ends[2:], *ends[:2]) if timed else tuple(ends)
    draw(canvas, axis, shown, low, high, colours, extent=extent, aspect="auto")
    axis.set(xlabel=names[1 if timed else 0], ylabel=names[0 if timed else 1])
    return canvas.svg()


@styled
def cuts(arrays: Mapping[str, np.ndarray]) -> str:
    """Values along lines through the middle of the domain, with the last of the bands."""
    count = sum(name.endswith("_name") and name.startswith("line") for name in arrays)
    canvas = Canvas(count, width=3.6, height=2.8)
    for k, axis in enumerate(canvas.axes):
        x, values = arrays[f"line{k}_x"], arrays[f"line{k}_values"]
        if f"line{k}_reference" in arrays:
            axis.plot(x, arrays[f"line{k}_reference"], color=GREY, lw=2.0, label="known solution")
        axis.plot(x, values, color=BLUE, lw=1.0, label="network")
        bands = [name for name in arrays if name.startswith(f"line{k}_band_")]
        if bands:
            width = arrays[sorted(bands)[0]]
            axis.fill_between(x, values - width, values + width, color=BLUE, alpha=0.25, lw=0, label="90 % band")
        axis.set(title=str(arrays[f"line{k}_name"]), xlabel="distance from the middle", ylabel="u")
    canvas.axes[0].legend()
    return canvas.svg()


@styled
def losses(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], polish: int | None) -> str:
    """Parts of the loss {name: (step, value)} on a logarithmic axis; a line where L-BFGS takes over."""
    canvas = Canvas(1, width=5.2)
    (axis,) = canvas.axes
    for k, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, np.maximum(y, 1e-300), color=SHADES[k % 6], ls="-" if k < 6 else "--", label=name, lw=1.2)
    if polish is not None:
        axis.axvline(polish, color=GREY, lw=0.8, ls=":")
        axis.annotate("L-BFGS", (polish, 0.02), xycoords=("data", "axes fraction"), fontsize=7, color=GREY)
    axis.set(yscale="log", xlabel="step", ylabel="mean square")
    axis.legend()
    return canvas.svg()


@styled
def unknown(paths: Sequence[tuple[Sequence[float], Sequence[float]]], name: str, truth: float | None) -> str:
    """An unknown number along the training of each member, and its truth."""
    canvas = Canvas(1, width=4.2)
    (axis,) = canvas.axes
    for k, (x, y) in enumerate(paths):
        axis.plot(x, y, color=SHADES[k % 6], lw=1.2, label=f"member {k}")
    if truth is not None:
        axis.axhline(truth, color=GREY, lw=0.8, label="truth")
    axis.set(xlabel="step", ylabel=name)
    if all(v > 0 for _, y in paths for v in y):
        axis.set_yscale("log")
    axis.legend()
    return canvas.svg()


@styled
def characteristics(paths: np.ndarray, times: np.ndarray) -> str:
    """Paths (times, labels) of the particles of a Lagrangian network."""
    canvas = Canvas(1, width=4.2)
    (axis,) = canvas.axes
    axis.plot(times, paths, color=BLUE, lw=0.7)
    axis.set(xlabel="t", ylabel="x(label, t)")
    return canvas.svg()


@styled
def by_region(rows: Mapping[str, Sequence[float | None]], names: Sequence[str], ylabel: str) -> str:
    """A number by region for several solutions, {solution: values}, on a logarithmic axis."""
    canvas = Canvas(1, width=4.6, height=2.8)
    (axis,) = canvas.axes
    places = np.arange(len(names))
    for k, (name, values) in enumerate(rows.items()):
        shown: Any = [np.nan if v is None else max(v, 1e-12) for v in values]
        axis.plot(places, shown, "o-", color=(BLUE, ORANGE, *SHADES[2:])[k % 6], lw=1, ms=4, label=name)
    axis.set_xticks(places, [name.partition(" from ")[2] or name for name in names], fontsize=7)
    axis.set(yscale="log", ylabel=ylabel, xlabel=names[0].partition(" from ")[0] if names else "")
    if len(rows) > 1:
        axis.legend()
    return canvas.svg()
