"""Heat conduction from Gaussian random fields on a periodic box, in one to three dimensions; solved exactly."""

from __future__ import annotations

from pathlib import Path

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GaussianField, Number, Times, positive
from surrogates.datasets.generators.field_jobs import Progress
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.physics.fields import Grid


def heat(
    samples: int = 1200,
    points: int = 128,
    kappa: Number = 0.01,
    seed: int = 0,
    *,
    dim: int = 1,
    times: Times = (0.0, 1.0),
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Field "u" on the unit box, `points` along each axis; parameter "kappa", the diffusivity."""
    return generate_fields(
        "surrogates.physics.fields:heat",
        samples,
        grid=Grid((points,) * dim, 1.0),
        times=times,
        initial=GaussianField(alpha=2.5, tau=7.0),
        parameters={"kappa": positive("kappa", kappa)},
        seed=seed,
        workers=workers,
        progress=progress,
        directory=directory,
    )
