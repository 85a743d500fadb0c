"""Darcy flow through random rock: permeability "a" to pressure "u", the steady problem of the FNO paper.

Paper: Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895), section 5.2:
-div(a grad u) = 1 on the unit square, u = 0 on its walls, a = 12 or 3 by the sign of a Gaussian random field.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GROUP, generator_of, groups_of
from surrogates.datasets.generators.field_jobs import FieldJob, Progress, block_size, make_fields
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Grid, gaussian_random_field
from surrogates.physics.fields.darcy import fno_permeability, solve

KINDS = ("two-phase", "lognormal")


def darcy(
    samples: int = 1000,
    points: int = 64,
    seed: int = 0,
    *,
    kind: str = "two-phase",
    low: float | int = 3.0,
    high: float | int = 12.0,
    refine: int = 1,
    mask: Any = None,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Constant field "a" and field "u" with one frame, in the centres of points x points cells of the unit square.

    Args:
        kind: "two-phase" for `high` and `low`; "lognormal" for smooth rock, exp of a Gaussian field, from about `low`
            to `high` (as exp(mean +- standard deviation)).
        refine: solve with so many times more cells along each axis (an odd number) and keep the cells in the middle.
        mask: (points, points), True inside; u = 0 on its edges and outside. None for the whole square.
    """
    inside = None if mask is None else np.asarray(mask, dtype=bool)
    _check(kind, points, low, high, refine, inside)
    settings = {
        "points": int(points),
        "seed": int(seed),
        "kind": kind,
        "low": float(low),
        "high": float(high),
        "refine": int(refine),
        "mask": None if inside is None else inside.astype(int).tolist(),
    }
    job = FieldJob(
        maker="surrogates.datasets.generators.darcy:samples_of",
        settings=settings,
        samples=int(samples),
        block=block_size((points * refine) ** 2),
        provenance={"name": "darcy", "description": f"darcy: {kind} permeability on {points} x {points}, seed {seed}"},
    )
    return make_fields(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Fields:
    """The samples `rows`."""
    points, refine = settings["points"], settings["refine"]
    fine = Grid((points * refine,) * 2, 1.0, periodic=False)
    a = torch.cat([_group(settings, fine, group)[part] for group, part in groups_of(rows)])
    mask = None if settings["mask"] is None else torch.tensor(settings["mask"], dtype=torch.bool)
    finer_mask = None if mask is None else mask.repeat_interleave(refine, 0).repeat_interleave(refine, 1)
    u = solve(a, 1.0, fine, mask=finer_mask)
    middle = (slice(None), *[slice(refine // 2, None, refine)] * 2)
    return Fields.from_arrays(
        {"u": np.ascontiguousarray(u[middle][:, None].numpy())},
        times=[0.0],
        axes=[axis.numpy() for axis in Grid((points, points), 1.0, periodic=False).axes()],
        periodic=False,
        constants={"a": np.ascontiguousarray(a[middle].numpy())},
        mask=None if mask is None else mask.numpy(),
    )


def _group(settings: Mapping[str, Any], grid: Grid, group: int) -> Tensor:
    generator = generator_of("darcy a", settings["seed"], group)
    low, high = settings["low"], settings["high"]
    if settings["kind"] == "two-phase":
        return fno_permeability(grid, GROUP, generator=generator, high=high, low=low)
    field = gaussian_random_field(grid, GROUP, alpha=2.0, tau=3.0, generator=generator)
    return torch.exp(0.5 * np.log(low * high) + 0.5 * np.log(high / low) * field / STANDARD)


STANDARD = 0.29  # of this Gaussian field, root mean square over draws and points


def _check(kind: str, points: int, low: float, high: float, refine: int, mask: np.ndarray | None) -> None:
    if kind not in KINDS:
        raise DomainError(f"kind={kind!r} is unknown; choose {' or '.join(map(repr, KINDS))}")
    if points < 2 or not 0 < low <= high:
        raise DomainError(f"points={points}, low={low}, high={high}; give two points or more, and 0 < low <= high")
    if refine < 1 or refine % 2 == 0:
        raise DomainError(f"refine={refine}; give an odd number, so that a fine cell lies in the middle of each")
    if mask is not None and (mask.shape != (points, points) or not mask.any()):
        raise DomainError(f"mask of shape {mask.shape} for {points} x {points} cells; give one with cells inside")
