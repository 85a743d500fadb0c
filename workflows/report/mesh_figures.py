"""Figures of fields on meshes as SVG text: maps on triangles, strips of frames, errors against geometry."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from PIL import Image

from surrogates.workflows.report.canvas import BLUE, GREY, ORANGE, SHADES, Canvas, plain_numbers, styled
from surrogates.workflows.report.maps import value_range

_COLOURS = 96  # of a picture on the page
_PNG = re.compile(r'(xlink:href="data:image/png;base64,)([^"]+)"')
Arrays = Mapping[str, np.ndarray]
_FIELD, _ERROR, _SIGNED = "viridis", "magma_r", "RdBu_r"


@styled
def fields(arrays: Arrays, keys: Sequence[str], name: str, titles: Sequence[str]) -> str:
    """Truth, prediction, error and 90 % band of a field on the meshes `keys`, a row each, its title at the left."""
    wide = f"{keys[0]}_{name}_std" in arrays
    columns = 4 if wide else 3
    heads = ["solver", "surrogate", "difference", "90 % band"]
    canvas = Canvas(columns, rows=len(keys), width=2.6, height=_height(arrays, keys, 2.6) * len(keys))
    for k, (key, title) in enumerate(zip(keys, titles, strict=True)):
        row = canvas.axes[columns * k : columns * (k + 1)]
        truth, said, error = (arrays[f"{key}_{name}_{part}"] for part in ("truth", "said", "error"))
        low, high = value_range(truth)
        most = max(abs(x) for x in value_range(error)) or 1.0
        panels: list[tuple[np.ndarray, float, float, str]] = [(truth, low, high, _FIELD), (said, low, high, _FIELD)]
        panels.append((error, -most, most, _SIGNED) if error.min() < 0 else (error, 0.0, most, _ERROR))
        if wide:
            panels.append((1.645 * arrays[f"{key}_{name}_std"], 0.0, most, _ERROR))
        for axis, head, (values, bottom, top, colours) in zip(row, heads, panels, strict=False):
            _draw(canvas, axis, arrays, key, values, (bottom, top), colours)
            if k == 0:
                axis.set_title(head)
        row[0].set_ylabel(title, fontsize=8)
    return _slim(canvas.svg())


@styled
def beside(sets: Mapping[str, Arrays], keys: Sequence[str], name: str) -> str:
    """The same meshes by several surrogates: the truth, then prediction and error of each, a row a mesh."""
    first = next(iter(sets.values()))
    columns = 1 + 2 * len(sets)
    canvas = Canvas(columns, rows=len(keys), width=2.2, height=_height(first, keys, 2.2) * len(keys))
    for k, key in enumerate(keys):
        row = canvas.axes[columns * k : columns * (k + 1)]
        truth = first[f"{key}_{name}_truth"]
        ends = value_range(truth)
        errors = [arrays[f"{key}_{name}_error"] for arrays in sets.values()]
        most = max(abs(x) for error in errors for x in value_range(error)) or 1.0
        signed = any(error.min() < 0 for error in errors)
        _draw(canvas, row[0], first, key, truth, ends, _FIELD)
        for n, (arrays, error) in enumerate(zip(sets.values(), errors, strict=True)):
            _draw(canvas, row[1 + 2 * n], arrays, key, arrays[f"{key}_{name}_said"], ends, _FIELD, bar=False)
            limits = (-most, most) if signed else (0.0, most)
            last = n == len(sets) - 1
            _draw(canvas, row[2 + 2 * n], arrays, key, error, limits, _SIGNED if signed else _ERROR, bar=last)
    heads = ["solver", *(h for label in sets for h in (label, f"{label}: error"))]
    for axis, head in zip(canvas.axes, heads, strict=False):
        axis.set_title(head)
    return _slim(canvas.svg())


@styled
def multiples(arrays: Arrays, keys: Sequence[str], name: str, part: str, titles: Sequence[str]) -> str:
    """One picture a mesh, small, with a common range of colours: `part` is "truth", "said" or "error"."""
    columns = min(4, len(keys))
    rows = -(-len(keys) // columns)
    canvas = Canvas(columns, rows=rows, width=2.1, height=(_height(arrays, keys, 2.1) + 0.2) * rows)
    values = [arrays[f"{key}_{name}_{part}"] for key in keys]
    low, high = value_range(np.concatenate(values))
    signed = part == "error" and low < 0
    if part == "error":
        high = max(abs(low), high) or 1.0
        low = -high if signed else 0.0
    colours = _FIELD if part != "error" else _SIGNED if signed else _ERROR
    for k, axis in enumerate(canvas.axes):
        if k < len(keys):
            _draw(canvas, axis, arrays, keys[k], values[k], (low, high), colours, bar=k % columns == columns - 1)
            axis.set_title(titles[k], fontsize=7, fontweight="normal")
        else:
            axis.set_axis_off()
    return _slim(canvas.svg())


@styled
def strip(arrays: Arrays, name: str) -> str:
    """Frames of one rollout: truth above, prediction below it, then the error; a common range for each."""
    times, count = arrays["strip_times"], len(arrays["strip_times"])
    rows = [(arrays[f"strip_{name}_{part}"], part) for part in ("truth", "said", "error")]
    canvas = Canvas(count, rows=3, width=2.3, height=3 * _height(arrays, ["strip"], 2.3))
    ends = value_range(rows[0][0])
    most = max(abs(x) for x in value_range(rows[2][0])) or 1.0
    for r, (values, part) in enumerate(rows):
        signed = part == "error" and values.min() < 0
        limits = ends if part != "error" else (-most if signed else 0.0, most)
        colours = _FIELD if part != "error" else _SIGNED if signed else _ERROR
        for k in range(count):
            axis = canvas.axes[r * count + k]
            _draw(canvas, axis, arrays, "strip", values[k], limits, colours, bar=k == count - 1)
            if r == 0:
                axis.set_title(f"t = {times[k]:.3g}")
        canvas.axes[r * count].set_ylabel(("solver", "surrogate", "difference")[r])
    return _slim(canvas.svg())


@styled
def against(panels: Sequence[tuple[str, np.ndarray]], errors: Mapping[str, np.ndarray], *, ylabel: str) -> str:
    """Error of each mesh (per cent) against numbers of its geometry, a panel each; one colour a surrogate."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    canvas = Canvas(columns, rows=rows, width=2.9, height=2.3 * rows)
    for k, axis in enumerate(canvas.axes):
        if k >= len(panels):
            axis.set_axis_off()
            continue
        title, x = panels[k]
        for n, (label, error) in enumerate(errors.items()):
            axis.scatter(x, 100 * error, s=7, alpha=0.5, color=SHADES[n % 6], linewidths=0, label=label)
        axis.set(yscale="log", xlabel=title, ylabel=ylabel if k % columns == 0 else "")
        plain_numbers(axis.yaxis)
    if len(errors) > 1:
        canvas.axes[0].legend()
    return canvas.svg()


@styled
def peaks(panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]) -> str:
    """Numbers of whole meshes, predicted with their 90 % band against the solver's: {title: (truth, said, std)}."""
    canvas = Canvas(len(panels), width=3.2, height=2.8)
    for axis, (title, (truth, said, std)) in zip(canvas.axes, panels.items(), strict=True):
        low, high = float(min(truth.min(), said.min())), float(max(truth.max(), said.max()))
        axis.plot([low, high], [low, high], color=GREY, lw=0.8, zorder=1)
        band = None if std is None else 1.645 * std
        axis.errorbar(truth, said, yerr=band, fmt="o", ms=2.5, color=BLUE, ecolor=ORANGE, elinewidth=0.6, alpha=0.7)
        axis.set(title=title, xlabel="solver", ylabel="surrogate")
        axis.locator_params(axis="x", nbins=4)
        axis.ticklabel_format(useOffset=False)
    return canvas.svg()


@styled
def errors(found: Mapping[str, np.ndarray]) -> str:
    """How errors (per cent) are distributed over meshes, a curve a surrogate: share of meshes at or below."""
    canvas = Canvas(1, width=4.4, height=2.6)
    (axis,) = canvas.axes
    for k, (label, values) in enumerate(found.items()):
        x = np.sort(100 * values)
        axis.step(x, np.arange(1, len(x) + 1) / len(x), where="post", color=SHADES[k % 6], label=label)
    axis.set(xscale="log", xlabel="relative L2 error (%)", ylabel="share of meshes", ylim=(0, 1.02))
    plain_numbers(axis.xaxis)
    if len(found) > 1:
        axis.legend()
    return canvas.svg()


@styled
def decay(curves: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str) -> str:
    """Shares that fall off along a count from 1, on a logarithmic axis."""
    canvas = Canvas(1, width=4.2, height=2.6)
    (axis,) = canvas.axes
    for k, (label, values) in enumerate(curves.items()):
        y = np.maximum(np.asarray(values, dtype=float), 1e-12)
        axis.plot(np.arange(1, len(y) + 1), y, color=SHADES[k % 6], label=label, lw=1.2)
    axis.set(yscale="log", xlabel=xlabel, ylabel=ylabel)
    if len(curves) > 1:
        axis.legend()
    return canvas.svg()


def _draw(
    canvas: Canvas,
    axis: Axes,
    arrays: Arrays,
    key: str,
    values: np.ndarray,
    limits: tuple[float, float],
    colours: str,
    *,
    bar: bool = True,
) -> None:
    """Values at the nodes of one mesh in colours, rasterised."""
    points, triangles = arrays[f"{key}_points"].astype(float), arrays[f"{key}_triangles"].astype(int)
    values = np.nan_to_num(np.asarray(values, dtype=float))
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    style: Any = {"cmap": colours, "rasterized": True}
    if f"{key}_solid" in arrays:  # triangles behind others: drawn one over the other, flat
        means = values[triangles].mean(axis=1)
        shown: Any = PolyCollection(points[triangles], array=means, edgecolors="face", linewidths=0.2, **style)
        shown.set_clim(low, high)
        axis.add_collection(shown)
        axis.autoscale_view()
    else:
        x, y = points.T
        style |= {"triangles": triangles, "shading": "gouraud", "vmin": low, "vmax": high}
        shown = axis.tripcolor(x, y, values, **style)
    axis.set(xticks=[], yticks=[], aspect="equal")
    for side in axis.spines.values():
        side.set_visible(False)
    if bar:
        drawn = canvas.figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.02)
        drawn.ax.tick_params(labelsize=6)
        drawn.outline.set_visible(False)  # type: ignore[operator]


def _height(arrays: Arrays, keys: Sequence[str], width: float) -> float:
    """Height of a row of pictures `width` inches wide: the tallest mesh fits."""
    sides = [np.ptp(arrays[f"{key}_points"].astype(float), axis=0) for key in keys]
    tall = max(float(s[1] / max(s[0], 1e-12)) for s in sides)
    return float(np.clip(0.8 * width * tall + 0.25, 0.5, 1.3 * width))


def _slim(svg: str) -> str:
    """The same with its pictures in fewer colours, which are a quarter of the size."""

    def fewer(match: re.Match[str]) -> str:
        with Image.open(io.BytesIO(base64.b64decode(match[2]))) as picture:
            found = io.BytesIO()
            slim = picture.convert("RGBA").quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
            slim.save(found, format="PNG", optimize=True)
        return f'{match[1]}{base64.b64encode(found.getvalue()).decode("ascii")}"'

    return _PNG.sub(fewer, svg)
