"""The solver behind a data set, to run again: on coarser grids, or to see by how much fields miss their equation.

A data set made by `generate_fields` or `darcy` names its problem in its provenance; only equations of
`surrogates.physics.fields` are taken from there, since a file must not name code to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.solved_fields import by_field
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Equation, Grid, darcy, residual, solve
from surrogates.physics.fields.named import named_equation
from surrogates.physics.fields.refinement import refined, thinned
from surrogates.physics.fields.sparse_spd import Iterated

_ROOM = "surrogates.physics.fields:"


@dataclass(frozen=True)
class Solved:
    """What the solver says, by field (samples, frames, *space, *components) on the data's grid.

    Args:
        fields: the frames from `start` on, the first one being where it started (a steady field is its one frame).
        seconds: CPU seconds a sample. points: of the grid it was solved on, along each axis.
    """

    fields: dict[str, np.ndarray]
    seconds: float
    points: tuple[int, ...]


@dataclass(frozen=True)
class EquationSolver:
    """Re-solves a data set of a periodic equation from one of its frames."""

    equation: Equation

    @property
    def fields(self) -> tuple[str, ...]:
        """What it solves for."""
        return tuple(self.equation.ranks)

    def run(self, data: Fields, *, coarser: int = 1, start: int = 0, tolerance: float = 1e-5) -> Solved:
        """Solve from frame `start` of each trajectory to its last one, on a grid `coarser` times coarser."""
        grid = grid_of(data).coarser(coarser)
        values = thinned(self._values(data, start), coarser, grid.dim)
        forcing = self._forcing(data)
        if forcing is not None:
            forcing = thinned(forcing, coarser, grid.dim)
        times = torch.as_tensor(np.asarray(data[0].times[start:]), dtype=torch.float64)
        begun = time.process_time()
        found = solve(
            self.equation,
            values,
            grid=grid,
            times=times,
            parameters=self._numbers(data),
            forcing=forcing,
            tolerance=tolerance,
        ).values
        seconds = (time.process_time() - begun) / len(data)
        fine = refined(found, data[0].space)
        fine[:, 0] = self._values(data, start)
        return Solved(by_field(fine, self.equation.ranks, grid.dim), seconds, grid.shape)

    def residual(self, data: Fields, fields: Mapping[str, np.ndarray], frames: Sequence[int] = ()) -> np.ndarray:
        """Root mean square of u_t - L u - N(u) - forcing over that of u_t, of each sample.

        `frames` of the data are those of the fields, the first ones unless given; fields of more frames are cut.
        """
        values = _stacked(fields, self.equation.ranks, len(data[0].axes))
        frames = list(frames) or list(range(values.shape[1]))
        values, times = values[:, : len(frames)], np.asarray(data[0].times)[frames]
        numbers, forcing = self._numbers(data), self._forcing(data)
        missed = residual(self.equation, values, times.tolist(), grid_of(data), numbers, forcing)
        slope = torch.as_tensor(np.gradient(values.numpy(), times, axis=1))
        each = tuple(range(1, values.dim()))
        return (missed.square().mean(each) / slope.square().mean(each).clamp_min(1e-300)).sqrt().numpy()

    def propagator(self, data: Fields, *, tolerance: float = 1e-6) -> Callable[[Tensor, float, float], Tensor]:
        """(state (samples, components, *space), start, end) -> state, for the data's numbers and forcing."""
        numbers, forcing, grid = self._numbers(data), self._forcing(data), grid_of(data)

        def propagate(state: Tensor, start: float, end: float) -> Tensor:
            times = [0.0, end - start]
            found = solve(
                self.equation, state, grid=grid, times=times, parameters=numbers, forcing=forcing, tolerance=tolerance
            )
            return found.values[:, -1]

        return propagate

    def _values(self, data: Fields, start: int) -> Tensor:
        stacks = {name: np.stack([t.fields[name][start : start + 1] for t in data]) for name in self.equation.ranks}
        return _stacked(stacks, self.equation.ranks, len(data[0].axes))[:, 0]

    def _numbers(self, data: Fields) -> dict[str, Tensor]:
        rows = [data[i].parameters for i in range(len(data))]
        return {n: torch.tensor([float(r[n]) for r in rows], dtype=torch.float64) for n in self.equation.parameters}

    def _forcing(self, data: Fields) -> Tensor | None:
        ranks = self.equation.ranks
        names = {n: "forcing" if len(ranks) == 1 else f"forcing_{n}" for n in ranks}
        if not all(name in data[0].constants for name in names.values()):
            return None
        stacks = {n: np.stack([t.constants[name][None] for t in data]) for n, name in names.items()}
        return _stacked(stacks, ranks, len(data[0].axes))[:, 0]


@dataclass(frozen=True)
class DarcySolver:
    """Re-solves Darcy data, -div(a grad u) = 1 with u = 0 on the walls."""

    fields = ("u",)

    def run(self, data: Fields, *, coarser: int = 1, start: int = 0, tolerance: float = 1e-5) -> Solved:
        """Solve on cells `coarser` times coarser, the permeability averaged over each; solved directly."""
        grid = grid_of(data).coarser(coarser)
        a = torch.as_tensor(np.stack([t.constants["a"] for t in data]), dtype=torch.float64)
        mask = None if data[0].mask is None else torch.as_tensor(np.asarray(data[0].mask))
        if coarser > 1 and mask is not None:
            raise DomainError("a masked domain is not solved on a coarser grid; compare on the whole square")
        begun = time.process_time()
        u = darcy.solve(_averaged(a, coarser), 1.0, grid, mask=mask)
        seconds = (time.process_time() - begun) / len(data)
        if coarser > 1:
            u = torch.nn.functional.interpolate(u[:, None], size=tuple(a.shape[1:]), mode="bilinear")[:, 0]
        return Solved({"u": u[:, None].numpy()}, seconds, grid.shape)

    def residual(self, data: Fields, fields: Mapping[str, np.ndarray], frames: Sequence[int] = ()) -> np.ndarray:
        """Norm of 1 + div(a grad u) over that of 1, of each sample."""
        a = torch.as_tensor(np.stack([t.constants["a"] for t in data]), dtype=torch.float64)
        u = torch.as_tensor(fields["u"][:, 0], dtype=torch.float64)
        mask = None if data[0].mask is None else torch.as_tensor(np.asarray(data[0].mask))
        missed = darcy.residual(u, a, 1.0, grid_of(data), mask=mask)
        return missed.flatten(1).square().mean(1).sqrt().numpy()

    def finish(self, data: Fields, start: Tensor, *, tolerance: float = 1e-6) -> Iterated:
        """Conjugate gradients from pressures (samples, *space) to a relative residual of `tolerance`."""
        a = torch.as_tensor(np.stack([t.constants["a"] for t in data]), dtype=torch.float64)
        mask = None if data[0].mask is None else torch.as_tensor(np.asarray(data[0].mask))
        return darcy.refine(start.double(), a, 1.0, grid_of(data), mask=mask, tolerance=tolerance)


Solver = EquationSolver | DarcySolver


def solver_of(data: Fields | Sequence[Trajectory]) -> Solver | None:
    """The solver that the provenance of a data set names; None for data of unknown origin."""
    provenance = getattr(data, "provenance", {})  # a list of trajectories has none
    if provenance.get("name") == "darcy":
        return DarcySolver() if "a" in data[0].constants and "u" in data[0].fields else None
    settings = provenance.get("settings")
    asked = settings.get("equation") if isinstance(settings, Mapping) else None
    named = asked.get("use", "") if isinstance(asked, Mapping) else ""
    if not isinstance(named, str) or not named.startswith(_ROOM):
        return None
    try:
        equation = named_equation(named.removeprefix(_ROOM), len(data[0].axes))
    except DomainError:
        return None
    lacks = set(equation.ranks) - set(data[0].fields) or set(equation.parameters) - set(data[0].parameters)
    return None if lacks else EquationSolver(equation)


def grid_of(data: Fields) -> Grid:
    """The grid of a data set; an axis of one point has length 1."""
    axes = data[0].axes
    lengths = [float(a[1] - a[0]) * len(a) if len(a) > 1 else 1.0 for a in axes]
    return Grid([len(a) for a in axes], lengths, tuple(bool(p) for p in data[0].periodic))


def _averaged(a: Tensor, n: int) -> Tensor:
    if n == 1:
        return a
    return torch.nn.functional.avg_pool2d(a[:, None], n)[:, 0]


def _stacked(fields: Mapping[str, np.ndarray], ranks: Mapping[str, int], dim: int) -> Tensor:
    """By field (samples, frames, *space, *components) -> (samples, frames, components, *space), float64."""
    parts = []
    for name in ranks:
        x = np.asarray(fields[name], dtype=np.float64)
        parts.append(np.moveaxis(x.reshape(*x.shape[: 2 + dim], -1), -1, 2))
    return torch.from_numpy(np.concatenate(parts, axis=2))
