"""What surrogates on meshes and the solver behind the data cost. Imported in workers only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from surrogates.datasets import Meshes
from surrogates.datasets.generators.mesh_solver import mesh_solver_of
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.interpolation import interpolation
from surrogates.tasks.mesh_scores import Errors, mass_matrix
from surrogates.workflows.cpu import cpu_seconds, seconds_a_call
from surrogates.workflows.mesh_inputs import predicted
from surrogates.workflows.steps.evaluate_mesh_surrogate import MeshCosts, MeshSolverCost

_TIMED = 6  # meshes


def costs(surrogate: Any, data: Meshes) -> MeshCosts:
    """CPU seconds a mesh: of one never seen before, whose patterns or morph have to be made, and of a known one."""
    some = data[: min(len(data), _TIMED)]
    list(predicted(surrogate, data[len(data) - 1 :]))  # compiles and allocates
    started = cpu_seconds()
    for k in range(len(some)):
        list(predicted(surrogate, some[k : k + 1]))
    first = (cpu_seconds() - started) / len(some)
    again = seconds_a_call(partial(_all, surrogate, some)) / len(some)
    return MeshCosts(float(np.mean([len(s) for s in some])), max(first, again), again)


def solver(data: Meshes, coarser: Sequence[int]) -> list[MeshSolverCost]:
    """The solver behind the data, meshing and solving with longer and longer edges; [] where it is not known."""
    found = mesh_solver_of(data)
    if found is None:
        return []
    some = data[: min(len(data), _TIMED)]
    found.again(some[0])  # imports and allocates
    rows = []
    for factor in coarser:
        solved = [(sample, found.again(sample, coarser=factor)) for sample in some]
        told = [(sample, answer) for sample, answer in solved if answer is not None]
        if len(told) < len(solved):  # no mesh with such edges
            continue
        rows.append(
            MeshSolverCost(
                coarser=int(factor),
                nodes=float(np.mean([len(answer.sample) for _, answer in told])),
                seconds=float(np.mean([answer.seconds for _, answer in told])),
                error=_errors([(sample, answer.sample) for sample, answer in told]),
            )
        )
    return rows


def _errors(pairs: Sequence[tuple[MeshSample, MeshSample]]) -> dict[str, float]:
    """Relative L2 error by field of solutions on other meshes, interpolated; mean over pairs (truth, solution)."""
    found: dict[str, list[float]] = {}
    for truth, solution in pairs:
        mass, onto = mass_matrix(truth), interpolation(solution.points, solution.cells, truth.points)
        for name, values in solution.fields.items():
            said = onto @ np.asarray(values).reshape(len(solution), -1)
            right = np.asarray(truth.fields[name], dtype=float).reshape(len(truth), -1)
            found.setdefault(name, []).append(Errors.of(said[None], right[None], mass).relative_l2)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _all(surrogate: Any, data: Meshes) -> None:
    list(predicted(surrogate, data))
