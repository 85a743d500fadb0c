"""Strain, stress and elastic tensors in Voigt's and Mandel's notation, and the measures of finite strain.

Voigt's order is xx yy zz yz xz xy, as ASE's. A strain vector holds engineering shears (2 e_yz), a stress vector plain
components, so that energy density = stress . strain. In Mandel's notation both carry sqrt(2) on the shears: rotations
are orthogonal matrices there, and the norm is that of the tensor.

Paper: Thermoelasticity of Stressed Materials and Comparison of Various Elastic Constants (doi:10.1103/PhysRev.162.776),
D. C. Wallace: Lagrangian strain, thermodynamic stress, stress-strain coefficients.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_ROWS, _COLUMNS = (np.array(x) for x in zip(*VOIGT, strict=True))
_PLACE = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # Voigt index of a pair of axes
_MANDEL = np.array([1, 1, 1, np.sqrt(2), np.sqrt(2), np.sqrt(2)])
_SHEAR = np.array([1, 1, 1, 2, 2, 2])


def strain_matrix(strain: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Symmetric matrix of a strain vector with engineering shears."""
    return (strain / _SHEAR)[..., _PLACE]


def strain_vector(strain: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 6"]:
    """Strain vector with engineering shears; the antisymmetric part of the matrix is dropped."""
    return stress_vector(strain) * _SHEAR


def stress_matrix(stress: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Symmetric matrix of a stress vector."""
    return stress[..., _PLACE]


def stress_vector(stress: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 6"]:
    """Stress vector; the antisymmetric part of the matrix is dropped."""
    return (stress[..., _ROWS, _COLUMNS] + stress[..., _COLUMNS, _ROWS]) / 2


def elastic_tensor(constants: Float[np.ndarray, "6 6"]) -> Float[np.ndarray, "3 3 3 3"]:
    """C_ijkl of a Voigt matrix."""
    return constants[_PLACE[:, :, None, None], _PLACE[None, None, :, :]]


def elastic_matrix(tensor: Float[np.ndarray, "3 3 3 3"]) -> Float[np.ndarray, "6 6"]:
    """Voigt matrix of C_ijkl, which has both minor symmetries."""
    return tensor[_ROWS[:, None], _COLUMNS[:, None], _ROWS[None, :], _COLUMNS[None, :]]


def to_mandel(constants: Float[np.ndarray, "*batch 6 6"]) -> Float[np.ndarray, "*batch 6 6"]:
    """Mandel's matrix of Voigt's: eigenvalues are those of the tensor as a map of strains to stresses."""
    return constants * np.outer(_MANDEL, _MANDEL)


def from_mandel(constants: Float[np.ndarray, "*batch 6 6"]) -> Float[np.ndarray, "*batch 6 6"]:
    """Voigt's matrix of Mandel's."""
    return constants / np.outer(_MANDEL, _MANDEL)


def mandel_rotation(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "6 6"]:
    """Orthogonal matrix that turns Mandel vectors as e -> R e R^T turns symmetric tensors."""
    units = np.eye(6) / _MANDEL  # unit Mandel vectors as stress vectors
    turned = rotation @ stress_matrix(units) @ rotation.T
    return (stress_vector(turned) * _MANDEL).T


def rotate(constants: Float[np.ndarray, "6 6"], rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "6 6"]:
    """The Voigt matrix of a crystal turned by `rotation`: C'_ijkl = R_ia R_jb R_kc R_ld C_abcd."""
    turn = mandel_rotation(rotation)
    return from_mandel(turn @ to_mandel(constants) @ turn.T)


def stretch(lagrangian: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Symmetric deformation F = sqrt(1 + 2 eta) with Lagrangian strain eta = (F^T F - 1)/2."""
    values, axes = np.linalg.eigh(np.eye(3) + 2 * lagrangian)
    return np.einsum("...ij,...j,...kj->...ik", axes, np.sqrt(values), axes)


def thermodynamic_stress(
    cauchy: Float[np.ndarray, "*batch 3 3"], deformation: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, "*batch 3 3"]:
    """Second Piola-Kirchhoff stress det(F) F^-1 sigma F^-T = (1/V0) dE/d(eta), positive under tension."""
    inverse = np.linalg.inv(deformation)
    volume = np.linalg.det(deformation)[..., None, None]
    return volume * (inverse @ cauchy @ np.swapaxes(inverse, -1, -2))


def stress_strain_coefficients(
    constants: Float[np.ndarray, "6 6"], stress: Float[np.ndarray, "6"]
) -> Float[np.ndarray, "6 6"]:
    """Wallace's B_ijkl: what governs sound, stability and moduli of a crystal under `stress`.

    B_ijkl = C_ijkl + (s_ik d_jl + s_il d_jk + s_jk d_il + s_jl d_ik - 2 s_ij d_kl)/2, C from second derivatives of the
    energy by Lagrangian strain; under a pressure P: C11 - P, C12 + P, C44 - P. B = C where nothing is stressed. The
    matrix is symmetric under hydrostatic stress only.
    """
    one, s = np.eye(3), stress_matrix(stress)
    parts = [np.einsum(f"{pair},{other}->ijkl", s, one) for pair, other in _PAIRS]
    return constants + elastic_matrix((sum(parts[:4]) - 2 * parts[4]) / 2)


_PAIRS = (("ik", "jl"), ("il", "jk"), ("jk", "il"), ("jl", "ik"), ("ij", "kl"))
