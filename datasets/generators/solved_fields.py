"""Samples of an equation on a periodic grid: states and numbers drawn, solved, thinned to the grid asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GROUP, GaussianField, Range, draw_numbers, generator_of, groups_of
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Equation, Grid, solve
from surrogates.physics.fields.refinement import thinned

Initial = Callable[[Grid, int, torch.Generator], Tensor]
"""(grid, samples, generator) -> (samples, components, *space), or without the components' axis where there is one."""


@dataclass(frozen=True)
class Problem:
    """Everything that determines a set of solved samples.

    Args:
        equation: what is solved. grid: of the frames that are kept, all axes periodic.
        times: of the frames; the state that was drawn belongs to times[0] - settle.
        initial: draws the states, or all of them on the solver's grid.
        parameters: of the equation, by name; ranges are drawn for each sample.
        forcing: (grid) -> (1, components, *space), of amplitude 1, and `amplitude` its factor.
        refine: how many times finer the grid of the solver is. tolerance: of the solver. settle: time before the first
            frame. seed: of everything drawn.
    """

    equation: Equation
    grid: Grid
    times: tuple[float, ...]
    initial: Initial | Tensor
    parameters: Mapping[str, float | Range] = field(default_factory=dict)
    forcing: Callable[[Grid], Tensor] | None = None
    amplitude: float | Range = 1.0
    refine: int = 1
    tolerance: float = 1e-8
    settle: float = 0.0
    seed: int = 0


def solved(problem: Problem, rows: range) -> Fields:
    """The samples `rows` of a problem, in memory; errors name the sample by its number in the whole set."""
    equation, fine = problem.equation, problem.grid.finer(problem.refine)
    start = drawn(problem, fine, rows)
    wanted = dict(problem.parameters)
    if isinstance(problem.amplitude, Range):
        wanted["amplitude"] = problem.amplitude
    numbers = draw_numbers(wanted, problem.seed, rows)
    force = None
    if problem.forcing is not None:
        size = torch.as_tensor(numbers.get("amplitude", [problem.amplitude]), dtype=torch.float64)
        force = problem.forcing(fine) * size.reshape(-1, *[1] * (fine.dim + 1))
    times = [problem.times[0] - problem.settle, *problem.times] if problem.settle else list(problem.times)
    try:
        found = solve(
            equation,
            start,
            grid=fine,
            times=times,
            parameters={k: _number(problem.parameters[k], numbers[k]) for k in equation.parameters},
            forcing=force,
            tolerance=problem.tolerance,
        )
    except DomainError as error:
        if rows.start == 0:
            raise
        raise DomainError(f"{error} (samples count from {rows.start} here)") from None
    values = found.values[:, 1:] if problem.settle else found.values
    ranks = equation.ranks
    return Fields.from_arrays(
        by_field(thinned(values, problem.refine, fine.dim), ranks, fine.dim),
        times=problem.times,
        axes=[axis.numpy() for axis in problem.grid.axes()],
        periodic=True,
        parameters=numbers,
        constants={} if force is None else _named_forcing(thinned(force, problem.refine, fine.dim), ranks, fine.dim),
    )


def drawn(problem: Problem, grid: Grid, rows: range) -> Tensor:
    """The initial states of `rows` on a grid, (samples, components, *space)."""
    equation, parts = problem.equation, []
    if isinstance(problem.initial, Tensor):
        return problem.initial[rows.start : rows.stop]
    expected = (GROUP, equation.components, *grid.shape)
    for group, part in groups_of(rows):
        generator = generator_of(f"initial {equation.name}", problem.seed, group)
        if isinstance(problem.initial, GaussianField):
            made = torch.stack([problem.initial(grid, GROUP, generator) for _ in range(equation.components)], dim=1)
        else:
            made = torch.as_tensor(problem.initial(grid, GROUP, generator), dtype=torch.float64)
        if made.shape == (GROUP, *grid.shape):
            made = made[:, None]
        if tuple(made.shape) != expected:
            raise DomainError(
                f"the initial states of {equation.name} have shape {tuple(made.shape)}; initial(grid, samples, "
                f"generator) must return (samples, components, *space) = {expected}"
            )
        parts.append(made[part])
    return torch.cat(parts)


def by_field(values: Tensor, ranks: Mapping[str, int], dim: int) -> dict[str, np.ndarray]:
    """(samples, times, components, *space) -> by field (samples, times, *space, *components)."""
    found, first = {}, 0
    for name, rank in ranks.items():
        part = values[:, :, first : first + dim**rank]
        first += dim**rank
        moved = part.movedim(2, -1)
        found[name] = np.ascontiguousarray(moved.reshape(*moved.shape[:-1], *[dim] * rank).numpy())
    return found


def imported(use: str) -> Any:
    """What "module:name" names. Raises DomainError."""
    module, _, name = use.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DomainError(
            f"{use!r} cannot be imported ({error}); write module:function, of a module that Python finds"
        ) from error


def _number(given: float | Range, drawn: np.ndarray) -> float | Tensor:
    """A number for each sample only where they differ: else the solver's weights are the same for all."""
    return torch.as_tensor(drawn) if isinstance(given, Range) else float(given)


def _named_forcing(force: Tensor, ranks: Mapping[str, int], dim: int) -> dict[str, np.ndarray]:
    """The force on each field as a constant: "forcing", or "forcing_NAME" where there are several fields."""
    parts = {k: v[:, 0] for k, v in by_field(force[:, None], ranks, dim).items()}
    shared = {k: v[0] if len(v) == 1 else v for k, v in parts.items()}
    return {"forcing" if len(ranks) == 1 else f"forcing_{k}": v for k, v in shared.items()}
