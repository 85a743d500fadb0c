"""Burgers' equation from Gaussian random fields: state at time 0 and 1, the data of the FNO paper.

Paper: Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895), section 5.1: unit
interval, periodic, u(0) ~ N(0, 625 (-Laplace + 25)^-2), nu = 0.1.
"""

from __future__ import annotations

from pathlib import Path

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GaussianField, Number, Times, positive
from surrogates.datasets.generators.field_jobs import Progress
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.physics.fields import Grid


def burgers(
    samples: int = 1200,
    points: int = 1024,
    nu: Number = 0.1,
    seed: int = 0,
    *,
    times: Times = (0.0, 1.0),
    tolerance: float = 1e-7,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Field "u" at `times`, parameter "nu" (a number, a pair (low, high) to draw from, or a Range)."""
    return generate_fields(
        "surrogates.physics.fields:burgers",
        samples,
        grid=Grid(points, 1.0),
        times=times,
        initial=GaussianField(alpha=2.0, tau=5.0, sigma=25.0),
        parameters={"nu": positive("nu", nu)},
        tolerance=tolerance,
        seed=seed,
        workers=workers,
        progress=progress,
        directory=directory,
    )
