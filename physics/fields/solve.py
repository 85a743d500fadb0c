"""Solve an equation on a periodic grid: exponential time differencing, with the step chosen from its own error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.equation import Equation
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.march import Problem, march
from surrogates.physics.fields.spectral import Spectral

Forcing = Tensor | Callable[[float], Tensor]
CACHE = 2**17  # point values of all components that are advanced together on a CPU, to stay in its cache


@dataclass(frozen=True)
class Solution:
    """What a solve returns.

    Args:
        values: (samples, times, components, *space); the first frame is the initial state as it was given.
        times: (times,).
        steps: accepted time steps of each sample.
        rejected: steps that were tried again with a shorter dt.
        error: sum over the steps of the estimated relative local errors of each sample; NaN where dt was given.
    """

    values: Float[Tensor, "samples times components *space"]
    times: Float[Tensor, "times"]
    steps: Tensor
    rejected: Tensor
    error: Tensor


@torch.no_grad()
def solve(
    equation: Equation,
    initial: Float[Tensor, "samples components *space"],
    *,
    grid: Grid,
    times: Float[Tensor, "times"] | Sequence[float | int],
    parameters: Mapping[str, float | int | Tensor] | None = None,
    forcing: Forcing | None = None,
    dt: float | int | None = None,
    tolerance: float = 1e-8,
) -> Solution:
    """Advance samples of initial states to each of the times.

    Modes that the products would alias are no part of the solution (the 2/3 rule for quadratic terms): what the
    initial state holds of them is dropped after the first frame. Use a finer grid to keep them. Samples are advanced
    in chunks that depend on the grid alone; those of a chunk share the steps that the neediest of them asks for.

    Args:
        initial: the state at times[0], real, float64 unless you mean otherwise.
        grid: periodic along every axis.
        times: increasing; the first one belongs to `initial`.
        parameters: of the equation by name: one number, or one for each sample.
        forcing: added to the right-hand side: (samples or 1, components, *space), or a function of time that gives it.
        dt: longest time step; None lets the error estimate choose.
        tolerance: without a dt, aimed at as the relative error (in the mean-square norm) at the last time.
    Raises:
        DomainError: shapes or names that do not fit, a value that is not finite (names the sample), a solution that
            leaves the finite numbers (names sample and time, the step limit and a safe dt).
    """
    moments = _moments(times)
    k = equation.modes(grid, initial.dtype, initial.device)
    _check(equation, initial, grid, dt, tolerance)
    numbers = equation.numbers(parameters, len(initial), initial)
    source = _source(forcing, k, initial)
    room = CACHE if initial.device.type == "cpu" else 256 * CACHE
    chunk = max(1, room // (math.prod(k.shape) * equation.components))
    parts = []
    for at in range(0, len(initial), chunk):
        rows = slice(at, at + chunk)
        some = {name: number[rows] if len(number) > 1 else number for name, number in numbers.items()}
        problem = Problem(equation, k, some, _part(source, rows), isinstance(forcing, Tensor))
        parts.append(march(problem, initial[rows], moments, dt, tolerance, at))
    return Solution(
        torch.cat([part.values for part in parts]),
        torch.tensor(moments, dtype=initial.dtype, device=initial.device),
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("steps", "rejected", "error")),
    )


def _part(source: Callable[[float], Tensor] | None, rows: slice) -> Callable[[float], Tensor] | None:
    return None if source is None else partial(_rows, source, rows)


def _rows(source: Callable[[float], Tensor], rows: slice, time: float) -> Tensor:
    spectra = source(time)
    return spectra[rows] if len(spectra) > 1 else spectra


def _source(forcing: Forcing | None, k: Spectral, initial: Tensor) -> Callable[[float], Tensor] | None:
    """Time -> spectra of the forcing, which are formed once where it is constant."""
    if forcing is None:
        return None

    def spectra(values: Tensor) -> Tensor:
        shape = tuple(values.shape)
        if shape[1:] != initial.shape[1:] or shape[0] not in (1, len(initial)):
            raise DomainError(
                f"forcing of shape {shape} for initial states of shape {tuple(initial.shape)}; "
                "give (samples or 1, components, *space)"
            )
        if not bool(torch.isfinite(values).all()):
            raise DomainError("the forcing is not finite everywhere; mask or mend its points")
        return k.spectrum(values.to(initial))

    if isinstance(forcing, Tensor):
        constant = spectra(forcing)
        return lambda time: constant
    return lambda time: spectra(forcing(time))


def _moments(times: Tensor | Sequence[float | int]) -> list[float]:
    moments = [float(t) for t in times]
    if not moments or not all(math.isfinite(t) for t in moments) or any(b <= a for a, b in pairwise(moments)):
        raise DomainError(f"times {moments[:6]}; give increasing numbers, of which the first belongs to `initial`")
    return moments


def _check(equation: Equation, initial: Tensor, grid: Grid, dt: float | None, tolerance: float) -> None:
    expected = (equation.components, *grid.shape)
    if initial.dim() != len(expected) + 1 or tuple(initial.shape[1:]) != expected or not initial.is_floating_point():
        raise DomainError(
            f"initial states of shape {tuple(initial.shape)} and {initial.dtype} for {equation.name} on a grid of "
            f"{grid.shape}; give real numbers of shape (samples, {', '.join(map(str, expected))})"
        )
    if len(initial) == 0:
        raise DomainError("no initial state was given; give at least one sample")
    finite = torch.isfinite(initial).flatten(1).all(1)
    if not bool(finite.all()):
        row = int(finite.logical_not().nonzero()[0])
        raise DomainError(f"sample {row} of the initial states is not finite everywhere; mend it or leave it out")
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise DomainError(f"dt = {dt}; give a positive time step, or None to have it chosen")
    if not 0 < tolerance < 1:
        raise DomainError(f"tolerance = {tolerance}; it is a relative error, between 0 and 1")
