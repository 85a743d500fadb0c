"""Patterns of a two-species medium between walls: FitzHugh-Nagumo diffusion-reaction from random states.

Paper: PDEBench: An Extensive Benchmark for Scientific Machine Learning (arXiv:2210.07182), section D.4: the box
[-1, 1]^2 with no-flux walls, standard normal noise in each cell, D_u = 1e-3, D_v = 5e-3, k = 5e-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.field_parts.checks import check_times
from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import (
    GROUP,
    GaussianField,
    Number,
    Times,
    as_range,
    draw_numbers,
    generator_of,
    groups_of,
    plain_number,
)
from surrogates.datasets.generators.field_jobs import FieldJob, Progress, block_size, make_fields
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Grid
from surrogates.physics.fields.walled_diffusion_reaction import pdebench_medium, solve

LENGTH = 2.0
STARTS = ("noise", "smooth")


def diffusion_reaction(
    samples: int = 200,
    points: int = 64,
    seed: int = 0,
    *,
    k: Number = 5e-3,
    diffusion_u: Number = 1e-3,
    diffusion_v: Number = 5e-3,
    start: str = "noise",
    times: Times = tuple(range(6)),
    mask: Any = None,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Fields "u" (activator) and "v" (inhibitor), cell averages; parameters "k", "diffusion_u" and "diffusion_v".

    Args:
        start: "noise" as in PDEBench, each cell for itself, so that another grid starts from other states; "smooth" for
            Gaussian random fields of mean square about 1, which are the same on every grid.
        mask: (points, points), True inside; no flux passes its edges, and the fields are 0 outside.
    """
    inside = None if mask is None else np.asarray(mask, dtype=bool)
    if start not in STARTS:
        raise DomainError(f"start={start!r} is unknown; choose {' or '.join(map(repr, STARTS))}")
    if points < 2 or (inside is not None and (inside.shape != (points, points) or not inside.any())):
        shape = None if inside is None else inside.shape
        raise DomainError(f"points={points}, mask of shape {shape}; give two points or more, and a mask of their shape")
    numbers = {"k": k, "diffusion_u": diffusion_u, "diffusion_v": diffusion_v}
    settings = {
        "points": int(points),
        "seed": int(seed),
        "start": start,
        "parameters": {name: plain_number(as_range(name, v)) for name, v in numbers.items()},
        "times": [float(t) for t in check_times(times)],
        "mask": None if inside is None else inside.astype(int).tolist(),
    }
    told = f"diffusion_reaction: FitzHugh-Nagumo between walls on {points} x {points} cells, seed {seed}"
    job = FieldJob(
        maker="surrogates.datasets.generators.diffusion_reaction:samples_of",
        settings=settings,
        samples=int(samples),
        block=block_size(2 * points**2),
        provenance={"name": "diffusion_reaction", "description": told},
    )
    return make_fields(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Fields:
    """The samples `rows`."""
    grid = Grid((settings["points"],) * 2, LENGTH, periodic=False)
    wanted = {name: as_range(name, v) for name, v in settings["parameters"].items()}
    numbers = draw_numbers(wanted, settings["seed"], rows)
    mask = None if settings["mask"] is None else torch.tensor(settings["mask"], dtype=torch.bool)
    start = torch.cat([_states(settings, grid, group)[part] for group, part in groups_of(rows)])
    medium = pdebench_medium(**{name: torch.as_tensor(v) for name, v in numbers.items()})
    values = solve(start, medium, grid=grid, times=settings["times"], mask=mask).values.numpy()
    return Fields.from_arrays(
        {name: np.ascontiguousarray(values[:, :, c]) for c, name in enumerate(("u", "v"))},
        times=settings["times"],
        axes=[axis.numpy() - LENGTH / 2 for axis in grid.axes()],
        periodic=False,
        parameters=numbers,
        mask=None if mask is None else mask.numpy(),
    )


def _states(settings: Mapping[str, Any], grid: Grid, group: int) -> Tensor:
    random = generator_of("diffusion_reaction state", settings["seed"], group)
    if settings["start"] == "noise":
        return torch.randn(GROUP, 2, *grid.shape, generator=random, dtype=torch.float64)
    smooth = GaussianField(alpha=2.5, tau=5.0, sigma=4.0 * 5.0**1.5)
    return torch.stack([smooth(grid, GROUP, random) for _ in range(2)], dim=1)
