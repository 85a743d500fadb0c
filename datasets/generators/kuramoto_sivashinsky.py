"""Spatio-temporal chaos of the Kuramoto-Sivashinsky equation, from states that have settled on its attractor."""

from __future__ import annotations

from pathlib import Path

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GaussianField, Number, Times, positive
from surrogates.datasets.generators.field_jobs import Progress
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.physics.fields import Grid


def kuramoto_sivashinsky(
    samples: int = 200,
    points: int = 128,
    nu: Number = 1.0,
    seed: int = 0,
    *,
    length: float | int = 64.0,
    times: Times = tuple(range(51)),
    settle: float | int = 100.0,
    tolerance: float = 1e-6,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Field "u" on a periodic line of `length`, parameter "nu" of the fourth derivative.

    The state that is drawn is let run for `settle` before the first frame. Chaos multiplies errors by e about every 11
    time units, so two solvers agree for some of the times only.
    """
    return generate_fields(
        "surrogates.physics.fields:kuramoto_sivashinsky",
        samples,
        grid=Grid(points, length),
        times=times,
        initial=GaussianField(alpha=2.0, tau=0.5),
        parameters={"nu": positive("nu", nu)},
        settle=settle,
        tolerance=tolerance,
        seed=seed,
        workers=workers,
        progress=progress,
        directory=directory,
    )
