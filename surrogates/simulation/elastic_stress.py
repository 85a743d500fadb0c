"""Elastic constants from the stresses of strained cells, by least squares.

Cells are deformed by F = sqrt(1 + 2 eta), eta = a p for a few patterns p and amplitudes ±a; the thermodynamic stress
S = det(F) F^-1 sigma F^-1 is fitted by S0 + C eta + q_p a² at once over all cells, C among the tensors that the point
group leaves as they are. S0 and the six curvatures q_p of each pattern (third-order constants) are free. The error of
a constant is that of the fit and, beside it, what a cubic term would change.
"""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from jaxtyping import Float

from surrogates.interfaces import Surrogate
from surrogates.physics.atoms.elastic import strain_matrix, stress_matrix, stress_vector, stretch, thermodynamic_stress
from surrogates.physics.atoms.elastic_symmetry import independent_entries, invariant_constants, strain_patterns
from surrogates.physics.errors import DomainError
from surrogates.simulation.arguments import is_number, is_whole
from surrogates.simulation.crystal import relaxed_ions, stresses
from surrogates.simulation.elastic_constants import ElasticConstants

_LARGEST = 0.1  # strain that is still called small


@dataclass(frozen=True)
class StressStrain:
    """Settings of the stress-strain method.

    Args:
        strain: largest entry of a strain (engineering shears). points: cells of a pattern, half of them each way.
        degree: of the polynomial in the amplitude, 1 or 2; with 1 the third-order constants go into the error.
    """

    strain: float | int = 0.005
    points: int = 4
    degree: int = 2

    def __post_init__(self) -> None:
        if not is_number(self.strain, above=0) or self.strain > _LARGEST:
            raise DomainError(f"strain={self.strain!r}; give a number above 0 and up to {_LARGEST}, 0.005 is usual")
        if (
            not is_whole(self.points, least=4 if self.degree == 2 else 2)
            or self.points % 2
            or self.degree not in (1, 2)
        ):
            raise DomainError(
                f"points={self.points!r}, degree={self.degree!r}; degree is 1 or 2, points an even number from 2 or 4"
            )

    def measure(
        self,
        atoms: ase.Atoms,
        surrogate: Surrogate,
        *,
        group: tuple[str, Float[np.ndarray, "operations 3 3"]],
        stress: Float[np.ndarray, "6"],
        fmax: float | None,
    ) -> ElasticConstants:
        """Elastic constants of `atoms`, whose stress is known; ions are relaxed to `fmax`, clamped where it is None."""
        basis = invariant_constants(group[1])
        patterns = strain_patterns(basis)
        half = np.linspace(0, float(self.strain), self.points // 2 + 1)[1:]
        amplitudes = np.concatenate([-half[::-1], half])
        strains = (patterns[:, None, :] * amplitudes[None, :, None]).reshape(-1, 6)
        deformations = stretch(strain_matrix(strains))
        cells, left = [strained(atoms, d) for d in deformations], 0.0
        if fmax is not None:
            cells, left = relaxed_ions(cells, surrogate, fmax)
        cauchy = stress_matrix(stresses(cells, surrogate).stress)
        second = stress_vector(thermodynamic_stress(cauchy, deformations))
        strains, second = np.vstack([strains, np.zeros(6)]), np.vstack([second, stress])
        sizes = np.append(np.tile(amplitudes / float(self.strain), len(patterns)), 0.0)
        fit = _Fit(basis, strains, second, sizes, self.points)
        constants, errors, residual = fit(self.degree)
        if self.points >= 4:  # what terms of the next odd order would change is an error of truncation
            errors = np.hypot(errors, constants - fit(3)[0])
        return ElasticConstants(
            atoms,
            constants,
            errors,
            stress,
            group[0],
            independent_entries(basis),
            f"stress of {len(cells)} cells strained by up to {self.strain:g}, patterns: {len(patterns)}",
            "clamped" if fmax is None else "relaxed",
            residual,
            None,
            left,
            len(cells),
        )


@dataclass(frozen=True)
class _Fit:
    """Least squares over all cells; `sizes` are their amplitudes over the largest, `points` cells to a pattern."""

    basis: np.ndarray
    strains: np.ndarray
    stresses: np.ndarray
    sizes: np.ndarray
    points: int

    def __call__(self, degree: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Constants, their standard errors and the misfit, with terms up to `degree` in the amplitude."""
        n, cells = len(self.basis), len(self.strains)
        columns = [np.einsum("nij,sj->sin", self.basis, self.strains), np.tile(np.eye(6), (cells, 1, 1))]
        pattern = np.arange(cells - 1) // self.points
        for power in range(2, degree + 1):
            terms = np.zeros((cells, 6, pattern[-1] + 1, 6))
            for s, p in enumerate(pattern):
                terms[s, :, p, :] = self.sizes[s] ** power * np.eye(6)
            columns.append(terms.reshape(cells, 6, -1))
        design = np.concatenate(columns, axis=2).reshape(6 * cells, -1)
        scale = np.linalg.norm(design, axis=0)
        solved, _, rank, _ = np.linalg.lstsq(design / scale, self.stresses.ravel(), rcond=None)
        if rank < design.shape[1]:
            raise DomainError(f"{cells - 1} cells do not determine {design.shape[1]} numbers; raise `points`")
        misfit = self.stresses.ravel() - design / scale @ solved
        variance = misfit @ misfit / max(len(misfit) - design.shape[1], 1)
        inverse = np.linalg.inv((design / scale).T @ (design / scale)) / np.outer(scale, scale)
        constants = np.einsum("n,nij->ij", (solved / scale)[:n], self.basis)
        squares = variance * np.einsum("nij,nm,mij->ij", self.basis, inverse[:n, :n], self.basis)
        return constants, np.sqrt(squares.clip(min=0)), float(np.sqrt(np.mean(misfit**2)))


def strained(atoms: ase.Atoms, deformation: Float[np.ndarray, "3 3"]) -> ase.Atoms:
    """A copy with cell and atoms moved by F: row vectors times F^T."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ deformation.T, scale_atoms=True)
    return copy
