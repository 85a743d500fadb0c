"""Ewald and particle mesh sums: known crystals, independence of the splitting, stated tolerances, derivatives."""

import math

import pytest
import torch
from ase.build import bulk, make_supercell

from surrogates.physics.atoms.ewald import direct, ewald, split, volume_of
from surrogates.physics.atoms.pme import pme
from surrogates.physics.errors import DomainError
from surrogates.physics.units import COULOMB

# by nearest-neighbour distance; the On-Line Encyclopedia of Integer Sequences, A085469, A181152, A182566
MADELUNG = {
    "rocksalt": ("NaCl", 1.747564594633182, 1 / 2),
    "cesiumchloride": ("CsCl", 1.762674773070988, math.sqrt(3) / 2),
    "zincblende": ("ZnS", 1.638055053388789, math.sqrt(3) / 4),
}


def tensors(atoms, charges):
    x, q, cell = (torch.tensor(v, dtype=torch.float64) for v in (atoms.positions, charges, atoms.cell.array))
    return x, q, cell


def disordered(n=60, seed=0, neutral=True):
    generator = torch.Generator().manual_seed(seed)
    side = (n / 0.06) ** (1 / 3)
    x = side * torch.rand(n, 3, dtype=torch.float64, generator=generator)
    q = torch.randn(n, dtype=torch.float64, generator=generator)
    cell = side * (
        torch.eye(3, dtype=torch.float64) + 0.15 * torch.randn(3, 3, dtype=torch.float64, generator=generator)
    )
    return x, q - neutral * q.mean(), cell


def forces(sum_, x, q, cell, **options):
    leaf = x.clone().requires_grad_()
    return -torch.autograd.grad(sum_(leaf, q, cell, **options).sum(), leaf)[0]


def rms(vectors):
    return vectors.square().sum(1).mean().sqrt().item()


@pytest.mark.parametrize("structure", MADELUNG)
@pytest.mark.parametrize("alpha", [None, 0.25, 0.7])
def test_madelung_constants(structure, alpha):
    formula, constant, distance = MADELUNG[structure]
    atoms = bulk(formula, structure, a=5.0)
    energy = ewald(*tensors(atoms, [1.0, -1.0]), tolerance=1e-11, alpha=alpha).sum().item()
    assert -energy * 5.0 * distance / COULOMB == pytest.approx(constant, abs=1e-9)


def test_particle_mesh_reaches_the_madelung_constant_too():
    energy = pme(*tensors(bulk("NaCl", "rocksalt", a=5.0), [1.0, -1.0]), tolerance=1e-10, order=10).sum().item()
    assert -energy * 5.0 / 2 / COULOMB == pytest.approx(MADELUNG["rocksalt"][1], abs=1e-9)


@pytest.mark.parametrize("neutral", [True, False])
def test_energy_does_not_depend_on_the_splitting(neutral):
    x, q, cell = disordered(neutral=neutral)
    q = q + (not neutral)  # a charge of some 60 e: without the background the splitting would show
    energies = torch.stack([ewald(x, q, cell, tolerance=1e-9, alpha=a) for a in (0.25, 0.4, 0.6)])
    assert (energies - energies[0]).abs().max() < 1e-8
    assert abs(energies[0].sum()) > 1


def test_supercells_and_other_cells_of_one_lattice_have_the_same_energy_per_atom():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    small = ewald(*tensors(atoms, [1.0, -0.5]), tolerance=1e-10)  # charged on purpose
    large = make_supercell(atoms, [[2, 1, 0], [0, 1, 0], [1, 0, 3]])
    charges = [1.0 if s == "Na" else -0.5 for s in large.symbols]
    for sum_, options in ((ewald, {"tolerance": 1e-10}), (pme, {"tolerance": 1e-9, "order": 10})):
        energies = sum_(*tensors(large, charges), **options)
        for charge, expected in zip((1.0, -0.5), small, strict=True):
            mine = energies[torch.tensor(charges) == charge]
            torch.testing.assert_close(mine, expected.expand_as(mine), rtol=0, atol=1e-8)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_errors_of_forces_are_the_stated_tolerance(tolerance):
    x, q, cell = disordered(100, seed=1)
    exact = forces(ewald, x, q, cell, tolerance=1e-11)
    assert 0.3 < rms(forces(ewald, x, q, cell, tolerance=tolerance) - exact) / tolerance < 2
    for order in (4, 6, 8, 10):
        if order > 4 or tolerance > 1e-5:
            assert rms(forces(pme, x, q, cell, tolerance=tolerance, order=order) - exact) < 2 * tolerance


def test_derivatives_by_positions_cell_and_charges():
    x, q, cell = disordered(4, seed=2)
    for sum_, options in ((ewald, {"tolerance": 1e-9, "alpha": 0.5}), (pme, {"tolerance": 1e-7, "order": 10})):

        def energy(x, q, strain, sum_=sum_, options=options):
            deform = torch.eye(3, dtype=torch.float64) + strain
            return sum_(x @ deform, q, cell @ deform, **options).sum()

        inputs = [t.requires_grad_() for t in (x.clone(), q.clone(), torch.zeros(3, 3, dtype=torch.float64))]
        # parameters follow volume and charges, so differences see noise of the size of the tolerance
        assert torch.autograd.gradcheck(energy, inputs, eps=1e-4, atol=1e-5, rtol=1e-5)
        assert torch.autograd.gradgradcheck(energy, inputs, eps=1e-4, atol=1e-4, rtol=1e-4, fast_mode=True)


def test_charges_far_apart_are_those_of_a_molecule():
    """A dipole p in a cube of side L: its images and the conductor around them add -2 pi p^2/(3 L^3)."""
    x, q = torch.tensor([[0.0, 0, 0], [0, 0, 1.0]], dtype=torch.float64), torch.tensor([1.0, -1.0], dtype=torch.float64)
    alone = direct(x, q).sum().item()
    assert alone == pytest.approx(-COULOMB)
    for side in (20.0, 40.0):
        crystal = ewald(x, q, side * torch.eye(3, dtype=torch.float64), tolerance=1e-10).sum().item()
        expected = -2 * math.pi / 3 * COULOMB / side**3
        assert crystal - alone == pytest.approx(expected, rel=0.02)


def test_parameters_follow_the_tolerance():
    _, q, cell = disordered(100)
    loose, tight = (split(q, volume_of(cell), t) for t in (1e-2, 1e-8))
    assert loose.alpha == tight.alpha
    assert loose.r_cut < tight.r_cut
    assert loose.k_cut < tight.k_cut


def test_odd_splines_are_refused():
    with pytest.raises(DomainError, match="order=5"):
        pme(*disordered(4), order=5)
