"""What every figure of the report is drawn on: one style, colours, panels, SVG text.

matplotlib is driven without pyplot, so that nothing global is touched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_DECADES = 300  # range of an axis from which on there is no room for more than one number a decade
BLUE, ORANGE, GREY, RED = "#2a6f97", "#d9822b", "#8a8f98", "#b3362b"
SHADES = (BLUE, ORANGE, "#4f8a5b", "#7b5ea7", "#a0522d", "#5b7f95")
_STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "surrogates",  # the same figure is the same text in every run
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
}


class Canvas:
    """A figure with `rows` times `columns` panels, of widths in the ratios `shares` if given; `svg()` closes it.

    `width` is that of a panel, `height` that of the figure, in inches; `axes` lists the panels row by row.
    """

    def __init__(
        self,
        columns: int = 1,
        width: float = 4.2,
        height: float = 3.1,
        shares: Sequence[float] | None = None,
        rows: int = 1,
    ) -> None:
        self.figure = Figure(figsize=(width * columns, height), layout="constrained", dpi=110)
        FigureCanvasSVG(self.figure)
        self.axes: list[Axes] = list(self.figure.subplots(rows, columns, squeeze=False, width_ratios=shares).ravel())

    def svg(self) -> str:
        text = io.StringIO()
        self.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL)


def plain_numbers(*axes: Any) -> None:
    """Numbers rather than powers of ten on logarithmic axes: at 1, 2 and 5 of each decade, of many at 1 only."""
    for axis in axes:
        low, high = sorted(float(end) for end in axis.get_view_interval())
        subs = (1,) if low > 0 and high / low > _DECADES else (1, 2, 5)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def styled(draw: Callable[..., str]) -> Callable[..., str]:
    def drawn(*args: Any, **kwargs: Any) -> str:
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    drawn.__doc__ = draw.__doc__
    return drawn
