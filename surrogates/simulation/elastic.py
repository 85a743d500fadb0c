"""Elastic constants of a crystal, by stresses of strained cells or by second derivatives of the energy.

C_ijkl = (1/V0) d²E/d(eta_ij)d(eta_kl) at the given cell, eta = (F^T F - 1)/2 Lagrangian strain: the thermodynamic
constants of D. C. Wallace. They are the stress-strain coefficients where the cell is free of stress, which is why an
unrelaxed one is refused.

Thermoelasticity of Stressed Materials and Comparison of Various Elastic Constants (doi:10.1103/PhysRev.162.776).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.units import GPA
from surrogates.simulation.arguments import is_number
from surrogates.simulation.crystal import as_crystal, point_group, relaxed_ions, stresses
from surrogates.simulation.elastic_constants import ElasticConstants
from surrogates.simulation.elastic_hessian import SecondDerivatives
from surrogates.simulation.elastic_stress import StressStrain
from surrogates.simulation.foreign import as_surrogate

MAX_STRESS = 0.003  # eV/Å^3, 0.5 GPa: below it B = C ± P is off by less than the fit of a stiff crystal
METHODS = {"stress": StressStrain, "hessian": SecondDerivatives}


def elastic_constants(
    structure: Any,
    surrogate: Any,
    *,
    method: str | StressStrain | SecondDerivatives = "stress",
    ions: str = "relaxed",
    max_stress: float | int = MAX_STRESS,
    fmax: float | int = 1e-4,
    symprec: float | int = 1e-3,
) -> ElasticConstants:
    """Elastic constants of a relaxed crystal in its own Cartesian axes, in float64; the structure stays put.

    Args:
        structure: one crystal (ase.Atoms, pymatgen Structure), relaxed with its cell by this very surrogate.
        surrogate: anything that `as_surrogate` takes; it must have stresses.
        method: "stress": stresses of the fewest strained cells that the point group allows, least squares with error
            bars; "hessian": strain-strain, strain-position and position-position derivatives, analytic for our models
            and central differences for foreign ones. `StressStrain(...)` and `SecondDerivatives(...)` take settings.
        ions: "relaxed" in every strained cell, or "clamped" to their fractional coordinates.
        max_stress: largest component that the cell may still have, eV/Å^3; a higher one lets a stressed cell pass.
        fmax: to which ions are relaxed, eV/Å. symprec: of the search for symmetry, Å; 0 uses none.
    Raises DomainError for a molecule, a cell under stress, constraints, a surrogate without stress.
    """
    chosen = METHODS[method]() if isinstance(method, str) and method in METHODS else method
    if not isinstance(chosen, StressStrain | SecondDerivatives):
        raise DomainError(f"method={method!r} is unknown; choose {' or '.join(METHODS)}, or give one with settings")
    if ions not in ("relaxed", "clamped"):
        raise DomainError(f"ions={ions!r} is unknown; choose relaxed or clamped")
    if not (is_number(max_stress, above=0) and is_number(fmax, above=0) and is_number(symprec) and symprec >= 0):
        raise DomainError(f"max_stress={max_stress!r}, fmax={fmax!r} and symprec={symprec!r}; give numbers above 0")
    model = as_surrogate(surrogate, dtype=torch.float64)
    atoms = as_crystal(structure, model, "elastic constants")
    if ions == "relaxed":
        (atoms,), _ = relaxed_ions([atoms], model, float(fmax))
        atoms.calc = None
    here = stresses([atoms], model)
    worst = float(np.abs(here.stress).max())
    if worst > max_stress:
        raise DomainError(
            f"{atoms.symbols}: the cell is under a stress of {worst / GPA:.2f} GPa, up to {max_stress / GPA:.2f} GPa "
            "is accepted; relax it with its cell by this surrogate first (relax(..., cell='full')), or allow it with "
            f"max_stress={worst * 1.1:.2g} (eV/Å^3)"
        )
    group = point_group(atoms, float(symprec)) if symprec > 0 else ("1", np.eye(3)[None])
    return chosen.measure(
        atoms, model, group=group, stress=here.stress[0], fmax=float(fmax) if ions == "relaxed" else None
    )
