"""Two-dimensional flow by its vorticity, decaying or driven, from Gaussian random fields on the unit torus.

Papers: Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895), section 5.3 (forcing
"fno"); Group Equivariant Fourier Neural Operators for Partial Differential Equations (arXiv:2306.05697) (forcing
"symmetric", which quarter turns and mirrors leave alone).
"""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GaussianField, Number, Times, positive
from surrogates.datasets.generators.field_jobs import Progress
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Grid
from surrogates.physics.fields.navier_stokes import diagonal_forcing, kolmogorov_forcing, symmetric_forcing

FORCINGS = {"fno": "fno_forcing", "symmetric": "quarter_turn_forcing", "kolmogorov": "shear_forcing"}


def navier_stokes(
    samples: int = 1000,
    points: int = 64,
    nu: Number = 1e-3,
    seed: int = 0,
    *,
    forcing: str | None = "fno",
    amplitude: Number | None = None,
    times: Times = tuple(range(21)),
    solve_points: int | None = None,
    tolerance: float = 1e-6,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Field "w", the vorticity, parameter "nu", and the constant field "forcing" where there is one.

    Args:
        nu: viscosity: a number, (low, high) or a Range.
        forcing: "fno", "symmetric", "kolmogorov", or None for a decaying flow.
        amplitude: of the forcing; None for the papers' 0.1 (1 for "kolmogorov"). A range is drawn from, and what came
            of it recorded as the parameter "amplitude".
        solve_points: of the solver's grid, a multiple of `points`, of which every n-th is kept.

    The states are drawn as by the FNO paper's program: sqrt(2) times a draw of N(0, 7^3 (-Laplace + 49)^-2.5).
    """
    if forcing is not None and forcing not in FORCINGS:
        raise DomainError(f"forcing={forcing!r} is unknown; choose {', '.join(map(repr, FORCINGS))} or None")
    solve_points = points if solve_points is None else solve_points
    if solve_points % points:
        raise DomainError(f"solve_points={solve_points} is no multiple of points={points}; every n-th point is kept")
    return generate_fields(
        "surrogates.physics.fields:navier_stokes",
        samples,
        grid=Grid((points, points), 1.0),
        times=times,
        initial=GaussianField(alpha=2.5, tau=7.0, sigma=math.sqrt(2) * 7.0**1.5),
        parameters={"nu": positive("nu", nu)},
        forcing=None if forcing is None else f"surrogates.datasets.generators.navier_stokes:{FORCINGS[forcing]}",
        amplitude=(1.0 if forcing == "kolmogorov" else 0.1) if amplitude is None else amplitude,
        refine=solve_points // points,
        tolerance=tolerance,
        seed=seed,
        workers=workers,
        progress=progress,
        directory=directory,
    )


def fno_forcing(grid: Grid) -> Tensor:
    """sin 2 pi (x + y) + cos 2 pi (x + y)."""
    return diagonal_forcing(grid, 1.0)


def quarter_turn_forcing(grid: Grid) -> Tensor:
    """cos 4 pi x + cos 4 pi y."""
    return symmetric_forcing(grid, 1.0)


def shear_forcing(grid: Grid) -> Tensor:
    """Of a force sin 8 pi y along x."""
    return kolmogorov_forcing(grid, 4, 1.0)
