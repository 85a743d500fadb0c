"""Elastic constants from second derivatives of the energy by strain and positions.

C = (1/V0) (E_ee - E_ex H^+ E_xe): e Lagrangian strain, x positions, H^+ the inverse of the Hessian in the space without
translations; the second term is what ions give way (M. Born, K. Huang, Dynamical Theory of Crystal Lattices, 1954,
section 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from jaxtyping import Float

from surrogates.interfaces import Surrogate
from surrogates.physics.atoms.elastic import strain_matrix, stress_matrix, stress_vector, stretch, thermodynamic_stress
from surrogates.physics.atoms.elastic_symmetry import independent_entries, invariant_constants, symmetrise
from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number
from surrogates.simulation.crystal import differentiable, stresses
from surrogates.simulation.elastic_constants import ElasticConstants
from surrogates.simulation.elastic_stress import strained
from surrogates.simulation.foreign import placement
from surrogates.simulation.hessian import STEP, derivatives
from surrogates.simulation.structures import as_batch
from surrogates.tasks.second_derivatives import strain_derivatives

_SOFT = 1e-6  # a stiffness below this share of the largest counts as none


@dataclass(frozen=True)
class SecondDerivatives:
    """Settings of the method of second derivatives.

    Args:
        by: "autograd", "differences" (central, of stresses and forces), or "auto": autograd where it is possible.
        strain, step: of the differences; no unit, and Å.
    """

    by: str = "auto"
    strain: float | int = 1e-3
    step: float | int = STEP

    def __post_init__(self) -> None:
        if self.by not in ("auto", "autograd", "differences"):
            raise DomainError(f"by={self.by!r} is unknown; choose auto, autograd or differences")
        if not is_number(self.strain, above=0) or not is_number(self.step, above=0):
            raise DomainError(f"strain={self.strain!r}, step={self.step!r} Å; both are above 0")

    def measure(
        self,
        atoms: ase.Atoms,
        surrogate: Surrogate,
        *,
        group: tuple[str, Float[np.ndarray, "operations 3 3"]],
        stress: Float[np.ndarray, "6"],
        fmax: float | None,
    ) -> ElasticConstants:
        """Elastic constants of `atoms`, whose ions are at rest; they stay clamped where `fmax` is None."""
        potential = None if self.by == "differences" else differentiable(surrogate)
        if self.by == "autograd" and potential is None:
            raise DomainError("this calculator cannot be differentiated; use by='differences'")
        second, mixed = (
            self._differences(atoms, surrogate) if potential is None else _exact(atoms, surrogate, potential)
        )
        left, cells = 0.0, 12 if potential is None else 1
        if fmax is not None:
            source: Any = _Forces(surrogate) if potential is None else surrogate
            found = derivatives(atoms, source, np.arange(len(atoms)), step=float(self.step))
            second, left = second - _given_way(found.hessian, mixed), found.fmax
            cells += 6 * len(atoms) if not hasattr(source, "hessian") else 0
        raw = (second + second.T) / 2 / atoms.get_volume()
        constants = symmetrise(raw, group[1])
        return ElasticConstants(
            atoms,
            constants,
            _spread(raw, constants),
            stress,
            group[0],
            independent_entries(invariant_constants(group[1])),
            "second derivatives by " + ("central differences" if potential is None else "differentiation"),
            "clamped" if fmax is None else "relaxed",
            None,
            float(np.abs(raw - constants).max()),
            left,
            cells,
        )

    def _differences(self, atoms: ase.Atoms, surrogate: Surrogate) -> tuple[np.ndarray, np.ndarray]:
        """E_ee and E_ex by central differences of thermodynamic stress and of forces in the undeformed frame."""
        h = float(self.strain)
        strains = np.concatenate([h * np.eye(6), -h * np.eye(6)])
        deformations = stretch(strain_matrix(strains))
        found = stresses([strained(atoms, d) for d in deformations], surrogate)
        second = stress_vector(thermodynamic_stress(stress_matrix(found.stress), deformations)) * atoms.get_volume()
        slope = -np.einsum("sai,sij->saj", found.forces, deformations).reshape(12, -1)
        return (second[:6] - second[6:]) / (2 * h), (slope[:6] - slope[6:]) / (2 * h)


class _Forces:
    """A surrogate whose own Hessian is not to be used."""

    def __init__(self, surrogate: Surrogate) -> None:
        self.task = surrogate  # where `placement` looks for weights
        self.r_max, self.elements, self.predict = surrogate.r_max, surrogate.elements, surrogate.predict


def _exact(atoms: ase.Atoms, surrogate: Surrogate, potential: Any) -> tuple[np.ndarray, np.ndarray]:
    device, dtype = placement(surrogate)
    batch = as_batch([atoms]).with_edges(surrogate.r_max).to(device, dtype)
    found = strain_derivatives(potential, batch)

    def numbers(tensor: torch.Tensor) -> np.ndarray:
        return tensor.double().cpu().numpy()

    return numbers(found.second), numbers(found.mixed)


def _given_way(hessian: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """E_ex H^+ E_xe without translations; DomainError where ions are not at a minimum."""
    n = len(hessian)
    shifts = np.tile(np.eye(3), (n // 3, 1)) / np.sqrt(n // 3)
    inner = np.linalg.svd(shifts, full_matrices=True)[0][:, 3:]
    if inner.shape[1] == 0:
        return np.zeros((6, 6))
    values, vectors = np.linalg.eigh(inner.T @ hessian @ inner)
    if values[0] <= _SOFT * values[-1]:
        raise DomainError(
            f"a displacement of the ions has the stiffness {values[0]:.3g} eV/Å^2: they are at no minimum; rattle the "
            "structure and relax it, or ask for clamped ions"
        )
    coupling = mixed @ inner @ vectors
    return (coupling / values) @ coupling.T


def _spread(raw: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """What symmetrisation changed is the error of an entry; of an entry and its mirror image the larger."""
    change = np.abs(raw - constants)
    return np.maximum(change, change.T)
