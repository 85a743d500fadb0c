"""Shock tubes: the compressible Euler equations in one dimension from random piecewise constant states.

Two pieces are a Riemann problem, in which shocks, contacts and rarefactions start from one place and are known exactly;
with more of them, waves meet.
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
from surrogates.physics.fields.euler import solve
from surrogates.physics.fields.ideal_gas import conserved

DENSITY, VELOCITY, PRESSURE = (0.125, 1.0), (-0.5, 0.5), (0.1, 1.0)  # ranges of a piece's state; Sod's are at the ends
PLACES = (0.2, 0.8)  # where pieces meet, in lengths of the tube


def euler(
    samples: int = 500,
    points: int = 256,
    gamma: Number = 1.4,
    seed: int = 0,
    *,
    pieces: int = 2,
    times: Times = (0.0, 0.05, 0.1, 0.15, 0.2),
    boundary: str = "transmissive",
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Cell averages of "density", "momentum" (a vector) and "energy" in a tube of length 1; parameter "gamma".

    Args:
        pieces: of the state at the first time, each of constant density, velocity and pressure.
        boundary: of the tube's ends: "transmissive", "reflective" or "periodic".
    """
    if pieces < 1 or points < 8:
        raise DomainError(f"pieces={pieces}, points={points}; give at least one piece and eight points")
    settings = {
        "points": int(points),
        "gamma": plain_number(as_range("gamma", gamma)),
        "seed": int(seed),
        "pieces": int(pieces),
        "times": [float(t) for t in check_times(times)],
        "boundary": boundary,
    }
    job = FieldJob(
        maker="surrogates.datasets.generators.euler:samples_of",
        settings=settings,
        samples=int(samples),
        block=block_size(16 * points),
        provenance={
            "name": "euler",
            "description": f"euler: shock tubes of {pieces} pieces, {points} cells, seed {seed}",
        },
    )
    return make_fields(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Fields:
    """The samples `rows`."""
    grid = Grid(settings["points"], 1.0, periodic=settings["boundary"] == "periodic")
    gamma = draw_numbers({"gamma": as_range("gamma", settings["gamma"])}, settings["seed"], rows)["gamma"]
    start = torch.cat([_states(settings, grid, group)[part] for group, part in groups_of(rows)])
    found = []
    for value in dict.fromkeys(gamma.tolist()):  # the solver takes one gamma at a time
        chosen = np.flatnonzero(gamma == value)
        state = conserved(start[chosen], value)
        values = solve(state, grid=grid, times=settings["times"], gamma=value, boundary=settings["boundary"]).values
        found.append((chosen, values))
    order = np.argsort(np.concatenate([c for c, _ in found]), kind="stable")
    kept = torch.cat([v for _, v in found])[torch.as_tensor(order)].numpy()
    names = {"density": kept[:, :, 0], "momentum": kept[:, :, 1, :, None], "energy": kept[:, :, 2]}
    return Fields.from_arrays(
        {k: np.ascontiguousarray(v) for k, v in names.items()},
        times=settings["times"],
        axes=[grid.axes()[0].numpy()],
        periodic=grid.periodic,
        parameters={"gamma": gamma},
    )


def _states(settings: Mapping[str, Any], grid: Grid, group: int) -> Tensor:
    """Averages over the cells of (density, velocity, pressure) of one group, (GROUP, 3, cells).

    A cell in which two pieces meet has their means by length: of primitive variables, which keeps pressure positive.
    """
    pieces = settings["pieces"]
    random = generator_of("euler state", settings["seed"], group)
    low, high = (
        torch.tensor(end, dtype=torch.float64)[:, None] for end in zip(DENSITY, VELOCITY, PRESSURE, strict=True)
    )
    levels = low + (high - low) * torch.rand(GROUP, pieces, 3, 1, generator=random, dtype=torch.float64)
    ends = torch.rand(GROUP, pieces - 1, generator=random, dtype=torch.float64)
    ends = (PLACES[0] + (PLACES[1] - PLACES[0]) * ends).sort(dim=1).values
    edges = torch.cat([torch.zeros(GROUP, 1), ends, torch.ones(GROUP, 1)], dim=1).double()
    n = grid.shape[0]
    left = torch.arange(n, dtype=torch.float64) / n
    upper = torch.minimum(edges[:, 1:, None], left + 1 / n)
    share = (upper - torch.maximum(edges[:, :-1, None], left)).clamp_min(0) * n  # (GROUP, pieces, cells)
    return torch.einsum("gpc,gpvc->gvc", share, levels.expand(-1, -1, -1, n))
