"""Waves of the Korteweg-de Vries equation: sums of a few long sines that steepen and fall apart into solitons."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import Number, Times
from surrogates.datasets.generators.field_jobs import Progress
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.physics.fields import Grid

WAVES, LONGEST, HEIGHT = 10, 3, 0.5  # sines a sample, of up to so many wavelengths in the box, of up to this height


def kdv(
    samples: int = 500,
    points: int = 256,
    alpha: Number = 1.0,
    beta: Number = 1.0,
    seed: int = 0,
    *,
    length: float | int = 128.0,
    times: Times = tuple(range(0, 51)),
    tolerance: float = 1e-6,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Field "u" on a periodic line of `length`; parameters "alpha" (steepening) and "beta" (dispersion)."""
    return generate_fields(
        "surrogates.physics.fields:kdv",
        samples,
        grid=Grid(points, length),
        times=times,
        initial="surrogates.datasets.generators.kdv:random_waves",
        parameters={"alpha": alpha, "beta": beta},
        tolerance=tolerance,
        seed=seed,
        workers=workers,
        progress=progress,
        directory=directory,
    )


def random_waves(grid: Grid, samples: int, generator: torch.Generator) -> Tensor:
    """sum over `WAVES` sines A sin(2 pi m x / L + phase): A in +-HEIGHT, m from 1 to LONGEST, any phase."""
    height = HEIGHT * (2 * torch.rand(samples, WAVES, 1, generator=generator, dtype=torch.float64) - 1)
    number = torch.randint(1, LONGEST + 1, (samples, WAVES, 1), generator=generator)
    phase = 2 * torch.pi * torch.rand(samples, WAVES, 1, generator=generator, dtype=torch.float64)
    (x,) = grid.axes()
    return (height * torch.sin(2 * torch.pi * number * x / grid.lengths[0] + phase)).sum(1)
