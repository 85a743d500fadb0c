"""A surrogate's field on a mesh as the start of the finite element solver: what is certified, and what it saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from surrogates.datasets import Meshes
from surrogates.datasets.generators.mesh_solver import LinearSystem, mesh_solver_of
from surrogates.physics.errors import DomainError
from surrogates.physics.fields.sparse_spd import Iterated, conjugate_gradients, ssor

__all__ = ["VerifiedMeshes", "verify_meshes"]
_ITERATIONS = 20_000


@dataclass(frozen=True)
class VerifiedMeshes:
    """Fields that the solver finished from a surrogate's.

    Args:
        field: its name. fields: certified, (nodes, components) of each mesh. iterations: of conjugate gradients from
            the surrogate's field; alone: from zero; (meshes,). residual: |K u - f| / |f| that is left, (meshes,).
        begun: the same ratio of the surrogate's own field. error: distance of the surrogate's field from the certified
            one in the energy norm, over that of the certified one, (meshes,). converged: all within the tolerance.
    """

    field: str
    fields: list[np.ndarray]
    iterations: np.ndarray
    alone: np.ndarray
    residual: np.ndarray
    begun: np.ndarray
    error: np.ndarray
    converged: bool

    def __str__(self) -> str:
        kept = "certified" if self.converged else "not certified"
        return (
            f"{kept} to {self.residual.max():.1e} with {self.iterations.mean():.3g} iterations instead of "
            f"{self.alone.mean():.3g}; the surrogate was {100 * self.error.mean():.2g} % off in energy"
        )


def verify_meshes(predictions: Iterable[Any], data: Meshes, *, tolerance: float = 1e-8) -> VerifiedMeshes:
    """Certify what a surrogate says of the unknown of these meshes (a displacement), by the solver they name.

    Conjugate gradients with symmetric over-relaxation, from the surrogate's field and from zero, to `tolerance` of the
    load; the certified field does not depend on the surrogate.

    Args:
        predictions: a MeshPrediction for each mesh of `data`, such as `[model.predict(sample) for sample in data]`.
    Raises DomainError where the data name no solver, or the prediction lacks the unknown.
    """
    solver = mesh_solver_of(data)
    if solver is None:
        raise DomainError(
            "these meshes name no solver that is known; the solver can finish what generators.plate made, unchanged"
        )
    rows = []
    for sample, said in zip(data, predictions, strict=True):
        system = solver.system(sample)
        if system.name not in said.fields:
            raise DomainError(
                f"the solver solves for {system.name}, and {', '.join(said.fields)} is predicted; train the surrogate "
                f"on {system.name} too"
            )
        rows.append(_finished(system, np.asarray(said.fields[system.name], dtype=float), tolerance))
    parts = {name: np.array([row[name] for row in rows]) for name in rows[0] if name != "field"}
    converged = bool(parts.pop("converged").all())
    return VerifiedMeshes(system.name, [row["field"] for row in rows], converged=converged, **parts)


def _finished(system: LinearSystem, said: np.ndarray, tolerance: float) -> dict[str, Any]:
    """One mesh."""
    matrix, right = system.free()
    if said.size != len(system.load) or not np.isfinite(said).all():
        raise DomainError(
            f"the predicted {system.name} has shape {said.shape} or values that are not finite; give {system.name} at "
            f"all {len(system.load) // 2} nodes"
        )
    start = said.ravel()[~system.fixed]
    precondition = ssor([matrix])

    def solved(first: np.ndarray) -> Iterated:
        return conjugate_gradients(
            lambda x: torch.from_numpy(matrix @ x[0].numpy())[None],
            torch.from_numpy(right)[None],
            start=torch.from_numpy(np.ascontiguousarray(first))[None],
            precondition=lambda r: torch.from_numpy(precondition(0, r[0].numpy()))[None],
            tolerance=tolerance,
            iterations=_ITERATIONS,
        )

    found, alone = solved(start), solved(np.zeros_like(start))
    values = found.values[0].numpy()
    whole = system.values.copy()
    whole[~system.fixed] = values
    away, size = start - values, max(float(values @ (matrix @ values)), 1e-300)
    return {
        "field": whole.reshape(said.shape),
        "iterations": int(found.iterations[0]),
        "alone": int(alone.iterations[0]),
        "residual": float(found.residual[0]),
        "begun": system.residual(said),
        "error": float(np.sqrt(max(float(away @ (matrix @ away)), 0.0) / size)),
        "converged": bool(found.converged[0]),
    }
