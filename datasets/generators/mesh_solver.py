"""The solver behind a data set of meshes, to run again: with longer edges, or to finish what a surrogate began.

A data set names its generator and settings in its provenance; only generators of ours are known, and nothing that
stands in a file is run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skfem import MeshTri2

from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.generators.plate import meshed, plate_designs
from surrogates.datasets.mesh_sample import Array, MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Plate, plane_stress
from surrogates.physics.meshes.from_cells import mesh_of_triangles
from surrogates.physics.meshes.indicator import Indicator, plane_stress_indicator
from surrogates.physics.meshes.plane_stress import plane_stress_system

_HELD = {"left": (0.0, 0.0)}
_GROUP = re.compile(r"plate (\d+) (\d+)")


@dataclass(frozen=True)
class SolvedAgain:
    """A design solved once more: `sample` on its new mesh, and CPU `seconds` for meshing and solving."""

    sample: MeshSample
    seconds: float


@dataclass(frozen=True)
class LinearSystem:
    """K u = f of one mesh: `matrix` and `load` over all unknowns, node by node, in the order of the field `name`'s
    (nodes, components); `fixed` marks what is prescribed, with its `values` (0 where free)."""

    name: str
    matrix: Any
    load: Array
    fixed: Array
    values: Array

    def free(self) -> tuple[Any, Array]:
        """Matrix and right-hand side of the free unknowns."""
        rows = ~self.fixed
        return self.matrix[rows][:, rows], (self.load - self.matrix @ self.values)[rows]

    def residual(self, field: Array) -> float:
        """|K u - f| over |f| of the free unknowns, where what is fixed has its values."""
        u = np.where(self.fixed, self.values, np.asarray(field, dtype=float).ravel())
        right = self.free()[1]
        return float(np.linalg.norm((self.matrix @ u - self.load)[~self.fixed]) / (np.linalg.norm(right) or 1.0))


@dataclass(frozen=True)
class PlateSolver:
    """Plane stress of the designs of `generators.plate`."""

    settings: Mapping[str, Any]
    unknown = "displacement"

    def again(self, sample: MeshSample, *, coarser: float | int = 1) -> SolvedAgain | None:
        """The design of `sample` on edges `coarser` times longer; None where it is none of ours or has no such mesh."""
        design = self._design(sample)
        if design is None:
            return None
        started = time.process_time()
        try:
            mesh = meshed(design, coarser * float(self.settings["size"]), coarser * float(self.settings["near"]))
            found = plane_stress(mesh, fixed=_HELD, traction=_traction(sample), **_material(sample))
        except DomainError:
            return None
        seconds = time.process_time() - started
        fields = {"displacement": found.displacement, "stress": found.stress, "von_mises": found.von_mises}
        return SolvedAgain(from_skfem(mesh, fields=fields), seconds)

    def system(self, sample: MeshSample) -> LinearSystem:
        """The equations of `sample` on its own mesh. Raises DomainError for a mesh that is not a plate's."""
        mesh, place = _triangles(sample)
        matrix, load = plane_stress_system(mesh, traction=_traction(sample), **_material(sample))
        rows = (2 * place[:, None] + np.arange(2)).ravel()
        matrix, load = matrix[rows][:, rows], load[rows]
        fixed = np.repeat(np.asarray(sample.tags["left"], dtype=bool), 2)
        return LinearSystem(self.unknown, matrix, load, fixed, np.zeros(len(fixed)))

    def indicator(self, sample: MeshSample, field: Array) -> Indicator:
        """What physics says of a displacement (nodes, 2) that somebody predicts for `sample`."""
        mesh, place = _triangles(sample)
        u = np.asarray(field, dtype=float)[np.argsort(place)]
        return plane_stress_indicator(mesh, u, fixed=_HELD, traction=_traction(sample), **_material(sample))

    def _design(self, sample: MeshSample) -> Plate | None:
        """The outline of a sample that this generator made with these settings."""
        match = _GROUP.fullmatch(sample.group)
        if match is None or int(match[1]) != self.settings.get("seed"):
            return None
        row = int(match[2])
        design = plate_designs(self.settings, range(row, row + 1))[0]
        same = all(np.isclose(sample.parameters.get(n, np.nan), v, rtol=1e-12) for n, v in design.loads.items())
        return design.plate if same else None


def mesh_solver_of(data: Meshes) -> PlateSolver | None:
    """The solver that a data set names; None where it names none that is known."""
    provenance = getattr(data, "provenance", {})
    settings = provenance.get("settings")
    if provenance.get("name") != "plate" or not isinstance(settings, Mapping) or not len(data):
        return None
    solver = PlateSolver(settings)
    try:
        return solver if solver._design(data[0]) is not None else None
    except (KeyError, TypeError, ValueError, DomainError):  # settings of another version, or of nobody's
        return None


def _material(sample: MeshSample) -> dict[str, Any]:
    return {name: float(sample.parameters[name]) for name in ("young", "poisson")}


def _traction(sample: MeshSample) -> dict[str, tuple[float, float]]:
    along, across, shear = (sample.parameters[name] for name in ("tension", "transverse", "shear"))
    return {"right": (along, shear), "top": (shear, across), "bottom": (-shear, -across)}


def _triangles(sample: MeshSample) -> tuple[MeshTri2, Array]:
    """The mesh for scikit-fem, and the place in it of each node of the sample."""
    cells = sample.cells.get("triangle6")
    if cells is None or sample.dim != 2:
        raise DomainError(f"the mesh has {', '.join(sample.cells)} cells; the solver of plates wants triangle6")
    mesh, order = mesh_of_triangles(sample.points, cells, sample.tags)
    return mesh, np.argsort(order)
