"""Matrices of irreps: a representation, orthogonal, with the right signs."""

import torch
from e3nn import o3
from scipy.spatial.transform import Rotation

from surrogates.equivariance.wigner import wigner_d

IRREPS = ((0, 1), (0, -1), (1, -1), (1, 1), (3, -1))
A, B = (torch.as_tensor(Rotation.random(random_state=k).as_matrix()) for k in (1, 2))


def test_homomorphism_of_orthogonal_matrices():
    a, b = wigner_d(IRREPS, A), wigner_d(IRREPS, -B)
    torch.testing.assert_close(wigner_d(IRREPS, -A @ B), a @ b, rtol=0, atol=1e-12)
    torch.testing.assert_close(b @ b.T, torch.eye(len(b), dtype=b.dtype), rtol=0, atol=1e-12)


def test_inversion_gives_the_parity_and_vectors_turn_as_vectors():
    inversion = wigner_d(IRREPS, -torch.eye(3, dtype=torch.float64)).diagonal()
    parities = [float(p) for l, p in IRREPS for _ in range(2 * l + 1)]
    torch.testing.assert_close(inversion, torch.tensor(parities, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(wigner_d([(1, -1)], A), A, rtol=0, atol=1e-12)


def test_agrees_with_e3nn_to_its_precision():
    expected = o3.Irreps([(1, irrep) for irrep in IRREPS]).D_from_matrix(-A)
    torch.testing.assert_close(wigner_d(IRREPS, -A), expected, rtol=0, atol=1e-5)
