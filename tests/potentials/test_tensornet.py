"""TensorNet: the algebra of its parts, covariance of its vectors and tensors, and what O(3) and SO(3) can tell."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.errors import DomainError
from surrogates.potentials.tensornet import (
    PARTS,
    TensorNet,
    anticommutator,
    symmetric_tensors,
    to_coefficients,
    to_matrix,
    twice,
    vectors,
)

PLACES = [[4.1, 2.1, 0.3], [0, 0, 0], [2.4, 0, 0], [0.3, 2.2, 0], [0.2, 0.9, 2.3], [2.0, 1.9, 1.2]]
EVEN = {"I": 1, "A": -1, "S": 1}


@pytest.fixture(scope="module")
def chiral():
    import ase

    return from_ase([ase.Atoms("CuOCu3O", positions=PLACES)], dtype=torch.float64).with_edges(4.0)


def net(group, **kwargs):
    torch.manual_seed(1)
    model = TensorNet(elements=["O", "Cu"], r_max=4.0, channels=8, group=group, **kwargs).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model


def turned(atoms, matrix):
    return replace(atoms, positions=atoms.positions @ matrix.T, shift=atoms.shift @ matrix.T)


def rotation():
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    return q * torch.linalg.det(q)


def random_part(name, seed):
    parts = torch.randn(9, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).split(PARTS)
    kept = [part if n == name else torch.zeros_like(part) for n, part in zip("IAS", parts, strict=True)]
    return torch.cat(kept)


def parts_in(x):
    return {name for name, part in zip("IAS", x.split(PARTS), strict=True) if part.abs().max() > 1e-12}


def test_coefficients_and_matrices_are_one_thing_with_one_norm():
    x = torch.randn(9, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrices = to_matrix(x)
    torch.testing.assert_close(to_coefficients(matrices), x)
    torch.testing.assert_close(matrices.square().sum((0, 1)), x.square().sum(0))
    alone = to_matrix(random_part("A", 0))
    torch.testing.assert_close(alone, -alone.transpose(0, 1))
    alone = to_matrix(random_part("S", 0))
    torch.testing.assert_close(alone, alone.transpose(0, 1))
    assert alone.diagonal(dim1=0, dim2=1).sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("left", "IAS")
@pytest.mark.parametrize("right", "IAS")
def test_parity_table_of_xm_plus_mx(left, right):
    """Products of even with even and odd with odd parts are even, mixed ones odd; 2XM mixes them."""
    x, m = random_part(left, 1), random_part(right, 2)
    sign = EVEN[left] * EVEN[right]
    assert {EVEN[name] for name in parts_in(anticommutator(x, m))} == {sign}
    both_signs = "I" not in (left, right)
    assert ({EVEN[name] for name in parts_in(twice(x, m))} == {1, -1}) == both_signs


def test_products_are_matrix_products():
    x, m = (torch.randn(9, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in (3, 4))
    a, b = (to_matrix(t).permute(2, 3, 0, 1) for t in (x, m))
    torch.testing.assert_close(to_matrix(anticommutator(x, m)).permute(2, 3, 0, 1), a @ b + b @ a)
    torch.testing.assert_close(to_matrix(twice(x, m)).permute(2, 3, 0, 1), 2 * a @ b)


@pytest.mark.parametrize("group", ["O(3)", "SO(3)"])
def test_tensors_turn_with_the_molecule(chiral, group):
    model, turn = net(group), rotation()
    before, after = model.tensors(chiral), model.tensors(turned(chiral, turn))
    torch.testing.assert_close(after, torch.einsum("ia,nabc,jb->nijc", turn, before, turn), rtol=1e-10, atol=1e-10)
    dipole, moved = vectors(before).sum(0), vectors(after).sum(0)
    assert dipole.norm() > 1e-3
    torch.testing.assert_close(moved, turn @ dipole, rtol=1e-10, atol=1e-10)
    s, t = symmetric_tensors(before), symmetric_tensors(after)
    torch.testing.assert_close(t, torch.einsum("ia,nabc,jb->nijc", turn, s, turn), rtol=1e-10, atol=1e-10)


def test_only_o3_makes_polar_vectors_and_keeps_the_energy_in_a_mirror(chiral):
    mirrored = turned(chiral, -rotation())
    for group, keeps in (("O(3)", True), ("SO(3)", False)):
        model = net(group)
        vector, image = vectors(model.tensors(chiral)), vectors(model.tensors(mirrored))
        covariant = torch.einsum("ij,njc->nic", -rotation(), vector)
        assert torch.allclose(image, covariant, rtol=1e-10, atol=1e-10) == keeps
        change = (model(mirrored) - model(chiral)).abs().max()
        assert (change < 1e-12) == keeps


def test_zero_layers_and_lone_atoms_have_energies(chiral):
    lone = replace(chiral, edges=chiral.edges[:, :0], shift=chiral.shift[:0])
    for layers in (0, 1):
        model = net("O(3)", layers=layers)
        energies = model(lone)
        assert torch.isfinite(energies).all()
        assert energies[0] == energies[2] != energies[1]


def test_energies_are_linear_in_the_features(chiral):
    model = net("O(3)")
    assert isinstance(model.last_layer, nn.Linear)
    torch.testing.assert_close(model.last_layer(model.features(chiral))[:, 0], model(chiral))


def test_one_layer_tells_structures_that_distances_to_one_atom_do_not():
    """Equal bond lengths, different angle: the norm of the summed tensors sees it."""
    import ase

    def energy(angle):
        bend = torch.deg2rad(torch.tensor(angle))
        far = [2.0 * torch.cos(bend).item(), 2.0 * torch.sin(bend).item(), 0.0]
        water = ase.Atoms("OCu2", positions=[[0, 0, 0], [2.0, 0, 0], far])
        return net("O(3)", layers=0)(from_ase([water], dtype=torch.float64).with_edges(2.1))[0].item()

    assert abs(energy(90.0) - energy(150.0)) > 1e-6


@pytest.mark.parametrize("wrong", [{"group": "U(1)"}, {"r_max": -1.0}, {"channels": 1}, {"elements": ["Qq"]}])
def test_impossible_arguments_are_refused(wrong):
    with pytest.raises(DomainError):
        TensorNet(**wrong)
