"""The surrogate goes first and the solver behind the data finishes: what is certified, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.generators.reference_solver import DarcySolver, EquationSolver, solver_of
from surrogates.physics.errors import DomainError
from surrogates.simulation.certify import certify
from surrogates.simulation.parareal import parareal


@dataclass(frozen=True)
class Verified:
    """Fields that the solver finished from a surrogate's.

    Args:
        how: "conjugate gradients" for a steady problem, "parareal" for one in time.
        values: certified, (samples, *space) or (samples, times, components, *space).
        work: iterations of the solver, or sweeps of the fine solver over all slices, mean over samples. alone: what it
            takes without the surrogate: iterations from zero, or the slices one after another.
        defect: relative, of what was certified, the largest over samples. converged: whether that is within tolerance.
        error: relative L2 distance of the surrogate's answer from the certified one, mean over samples.
    """

    how: str
    values: Tensor
    work: float
    alone: float
    defect: float
    converged: bool
    error: float

    def __str__(self) -> str:
        what = "iterations" if self.how == "conjugate gradients" else "parallel sweeps"
        kept = "certified" if self.converged else "not certified"
        return (
            f"{kept} to {self.defect:.1e} with {self.work:.3g} {what} instead of {self.alone:.3g} ({self.how}); the "
            f"surrogate was {100 * self.error:.2g} % off"
        )


def verify(surrogate: Any, data: Any, *, tolerance: float = 1e-6) -> Verified:
    """Certify what `surrogate` (a Fitted, an OperatorMap) says of the trajectories `data`, by the solver they name.

    A steady problem: its field is the start of conjugate gradients. Steps u[t] to u[t+1]: it is the coarse propagator
    of parareal, the solver the fine one. Raises DomainError where the data name no solver, or for another kind of map.
    """
    task = getattr(surrogate, "members", (surrogate,))[0]
    solver = solver_of(data)
    if isinstance(solver, DarcySolver):
        a = torch.as_tensor(np.stack([t.constants["a"] for t in data]), dtype=torch.float64)
        said = surrogate.predict(data).fields["u"][:, -1].double().cpu()
        found = certify(lambda _: said, a, lambda _, start: solver.finish(data, start, tolerance=tolerance))
        return Verified(
            "conjugate gradients",
            found.values,
            float(found.iterations.double().mean()),
            float(found.from_zero.double().mean()),
            float(found.residual.max()),
            bool(found.converged.all()),
            float(found.error.nanmean()),
        )
    if isinstance(solver, EquationSolver) and _is_step(task, solver):
        return _parareal(surrogate, task, solver, data, tolerance)
    raise DomainError(
        "the solver can finish a steady Darcy problem, or steps 'u[t]' to 'u[t+1]' of all fields of an equation of "
        "surrogates.physics.fields; these data and this map are neither"
    )


def _is_step(task: Any, solver: EquationSolver) -> bool:
    """Whether it maps one frame of all the equation's fields to the next; fields without time may stand beside them."""
    names = tuple(solver.equation.ranks)
    moving = [b for b in task.input_layout.blocks if b.selection.relative]
    one = all(b.frames == 1 for b in (*moving, *task.target_layout.blocks))
    return one and tuple(b.name for b in moving) == names == task.target_layout.names and task.stride == 1


def _parareal(surrogate: Any, task: Any, solver: EquationSolver, data: Any, tolerance: float) -> Verified:
    batch = next(iter(task.rollout_batches(data)))
    members = getattr(surrogate, "members", (surrogate,))
    told, given = batch.parameters.to(task.target_scale), batch.values.to(task.target_scale)

    @torch.no_grad()
    def coarse(state: Tensor, start: float, end: float) -> Tensor:
        values = task.advance(given, state.to(given))  # what has no time stays
        return torch.stack([m.step(values, told) for m in members]).mean(dim=0).to(state)

    blocks = [b for b in task.input_layout.blocks if b.selection.relative]
    moving = [k for b in blocks for k in range(b.start, b.start + b.components)]
    initial = batch.values[:, moving].double().cpu()
    rows = data[: len(initial)]
    fine = solver.propagator(rows, tolerance=0.1 * tolerance)
    found = parareal(coarse, fine, initial, [float(t) for t in data[0].times], tolerance=tolerance)
    first = _rolled(coarse, initial, len(data[0].times))
    error = (first - found.values).flatten(1).norm(dim=1) / found.values.flatten(1).norm(dim=1)
    defect = float(found.defects[-1].max())
    work, alone = float(found.sweeps), float(len(data[0].times) - 1)
    return Verified("parareal", found.values, work, alone, defect, found.converged, float(error.mean()))


def _rolled(coarse: Any, state: Tensor, frames: int) -> Tensor:
    states = [state]
    for _ in range(frames - 1):
        states.append(coarse(states[-1], 0.0, 1.0))
    return torch.stack(states, dim=1)
