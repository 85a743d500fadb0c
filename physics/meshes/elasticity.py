"""What plane stress and solids share: named boundaries, prescribed displacements, the solution, stress at nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, LinearForm

from surrogates.physics.errors import DomainError

Array = np.ndarray
_FREE = "it can move as a rigid body; fix more of its boundary"


def check_material(young: float | int, poisson: float | int) -> None:
    """Raises DomainError for numbers without a stable solid."""
    if not young > 0 or not -1 < poisson < 0.5:
        raise DomainError(f"young={young}, poisson={poisson}; give young > 0 and -1 < poisson < 0.5")


def check_names(mesh: Any, names: Mapping[str, Any]) -> None:
    """Raises DomainError for a boundary that the mesh does not have."""
    known = dict(mesh.boundaries or {})
    for name in names:
        if name not in known:
            raise DomainError(f"there is no boundary {name!r}; the mesh has {', '.join(known) or 'none with a name'}")


def solve(
    basis: Basis, matrix: Any, load: Array, fixed: Mapping[str, Sequence[float | int | None]], young: float | int
) -> tuple[Array, float]:
    """u with K u = f where it is free, and |K u - f| / |f| there; fixed: components by boundary, None for a free one.

    Raises DomainError where nothing is fixed, or too little to keep it from moving as a rigid body.
    """
    u, known = np.zeros(basis.N), []
    for name, values in fixed.items():
        for part, value in enumerate(values):
            if value is not None:
                dofs = basis.get_dofs(name).all(f"u^{part + 1}")
                u[dofs] = value
                known.append(dofs)
    if not known:
        raise DomainError("nothing is fixed; fix a displacement on a boundary")
    free = np.setdiff1d(np.arange(basis.N), np.concatenate(known))
    size = float(np.ptp(basis.mesh.p, axis=1).max())
    stretch = np.abs(load).sum() / young / size ** (basis.mesh.dim() - 2) + np.abs(u).max() + 1e-12 * size
    right = (load - matrix @ u)[free]
    try:
        u[free] = splu(matrix[free][:, free].tocsc()).solve(right)
    except RuntimeError as error:
        raise DomainError(_FREE) from error
    if not np.abs(u).max() < 1e8 * stretch:
        raise DomainError(_FREE)
    return u, float(np.linalg.norm((matrix @ u - load)[free]) / (np.linalg.norm(right) or 1.0))


def at_nodes(scalar: Basis, parts: Sequence[Array]) -> Array:
    """L2 projection of fields given at quadrature points onto continuous functions, (degrees of freedom, parts)."""
    mass = splu(BilinearForm(lambda a, b, _: a * b).assemble(scalar).tocsc())
    loads = [LinearForm(lambda v, w: w["s"] * v).assemble(scalar, s=np.asarray(part)) for part in parts]
    found: Array = mass.solve(np.stack(loads, axis=1))
    return found
