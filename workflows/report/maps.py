"""Panels that show a field on a plane in colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from surrogates.workflows.report.canvas import Canvas

_MOST = 96  # points an axis of a map; finer fields are thinned for the page


def value_range(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest of what is finite: inside a mask, before a divergence."""
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def thinned(values: np.ndarray) -> np.ndarray:
    """At most 96 points an axis, evenly chosen."""
    step = max(1, -(-max(values.shape) // _MOST))
    return values[::step, ::step]


def draw(canvas: Canvas, axis: Axes, values: np.ndarray, low: float, high: float, colours: str, **picture: Any) -> None:
    """An image of values (x, y) on a panel, x to the right, with its colour bar; `picture` goes to imshow."""
    shown: dict[str, Any] = {"aspect": "equal", **picture}
    drawn = axis.imshow(thinned(values).T, origin="lower", vmin=low, vmax=high, cmap=colours, **shown)
    bar = canvas.figure.colorbar(drawn, ax=axis, fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=6)
    bar.outline.set_visible(False)  # type: ignore[operator]
