"""Strain: the derivative of the matrix exponential, spaces of strains."""

import numpy as np
import pytest
import torch
from ase.stress import full_3x3_to_voigt_6_stress
from scipy.linalg import expm_frechet

from surrogates.physics.atoms.strain import (
    common_directions,
    deformation_gradient,
    full_matrix,
    log_strain_gradient,
    projector,
    symmetric_strains,
    voigt_vector,
)


def test_the_gradient_is_that_of_automatic_differentiation_and_of_scipy():
    generator = torch.Generator().manual_seed(0)
    log_strain, by_deformation = (0.4 * torch.randn(4, 3, 3, generator=generator, dtype=torch.float64) for _ in "ab")
    leaf = log_strain.clone().requires_grad_()
    (deformation_gradient(leaf) * by_deformation).sum().backward()
    found = log_strain_gradient(log_strain, by_deformation)
    torch.testing.assert_close(found, leaf.grad, rtol=0, atol=1e-13)
    expected = expm_frechet(log_strain[0].T.numpy(), by_deformation[0].numpy(), compute_expm=False)
    np.testing.assert_allclose(found[0], expected, atol=1e-13)


@pytest.mark.parametrize(("periodic", "many"), [((1, 1, 1), 6), ((1, 1, 0), 3), ((0, 1, 0), 1), ((0, 0, 0), 0)])
def test_symmetric_strains_stay_inside_their_subspace(periodic, many):
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    plane = turn @ torch.diag(torch.tensor(periodic, dtype=torch.float64)) @ turn.T
    found = symmetric_strains(plane)
    assert len(found) == many
    torch.testing.assert_close(found, plane @ found @ plane, rtol=0, atol=1e-12)
    gram = torch.einsum("aij,bij->ab", found, found)
    torch.testing.assert_close(gram, torch.eye(many, dtype=torch.float64), rtol=0, atol=1e-12)
    if many == 6:
        flat = symmetric_strains(torch.diag(torch.tensor([1.0, 1.0, 0.0]).double()))
        assert len(common_directions(torch.stack([projector(found), projector(flat)]))) == 3


def test_voigt_is_that_of_ase():
    stress = torch.arange(6.0).double()
    full = full_matrix(stress)
    np.testing.assert_array_equal(full_3x3_to_voigt_6_stress(full.numpy()), stress)
    assert torch.equal(voigt_vector(full), stress)
