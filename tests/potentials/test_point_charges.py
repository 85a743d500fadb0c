"""Point charges as a potential: batches, parts that make charges, fitting, files, refusals."""

import numpy as np
import pytest
import torch
from ase.build import bulk, graphene, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from torch import nn

from surrogates import SurrogateCalculator
from surrogates.blocks.charges import TotalCharge
from surrogates.construct import construct, describe
from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import ZBL
from surrogates.potentials.point_charges import PME, Ewald, PointCharges
from surrogates.potentials.sum import Sum
from surrogates.tasks.energy import EnergyForces, energy_forces


def salt():
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    skew = np.eye(3) + 0.05 * np.random.default_rng(0).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ skew, scale_atoms=True)
    return atoms


def batch(*structures):
    return from_ase(structures, dtype=torch.float64)


@pytest.mark.parametrize("summation", [Ewald(tolerance=1e-9), PME(tolerance=1e-8, order=10)], ids=["Ewald", "PME"])
def test_calculator_forces_stress_and_hessian(summation):
    atoms = salt()
    atoms.calc = SurrogateCalculator(PointCharges({"Na": 1, "Cl": -1}, summation=summation))
    np.testing.assert_allclose(calculate_numerical_forces(atoms, 1e-3, iatoms=[0]), atoms.get_forces()[:1], atol=2e-6)
    np.testing.assert_allclose(calculate_numerical_stress(atoms, 1e-4), atoms.get_stress(), atol=2e-7)
    hessian, rows = atoms.calc.get_hessian(atoms), []
    for step in (1e-3, -1e-3):
        moved = atoms.copy()
        moved.positions[1, 2] += step
        moved.calc = atoms.calc
        rows.append(moved.get_forces().ravel())
    np.testing.assert_allclose(hessian[5], (rows[1] - rows[0]) / 2e-3, atol=1e-5)
    assert np.abs(hessian).max() > 1


def test_molecules_and_crystals_in_one_batch_are_as_alone():
    model = PointCharges({"Na": 1.0, "Cl": -1.0})
    structures = [molecule("NaCl"), salt(), molecule("NaCl")]
    together = energy_forces(model, batch(*structures), stress=True)
    alone = [energy_forces(model, batch(s), stress=True) for s in structures]
    torch.testing.assert_close(together.energy, torch.cat([r.energy for r in alone]))
    torch.testing.assert_close(together.forces, torch.cat([r.forces for r in alone]))
    torch.testing.assert_close(together.stress[1], alone[1].stress[0])
    assert together.stress[0].isnan().all()


def test_charges_of_atoms_and_of_a_module():
    atoms = batch(salt(), salt())
    by_element = PointCharges({"Na": 1.0, "Cl": -1.0})(atoms)
    torch.testing.assert_close(PointCharges([1.0, -1.0, 1.0, -1.0])(atoms), by_element)

    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

        def forward(self, atoms):
            return self.weight * atoms.numbers.to(torch.float64)

    model = PointCharges(TotalCharge(Learned()))
    torch.testing.assert_close(model.charges(atoms).sum(), torch.zeros((), dtype=torch.float64), atol=1e-12, rtol=0)
    forces = energy_forces(model, atoms, create_graph=True).forces
    forces.square().sum().backward()
    assert model.charges.charges.weight.grad.abs() > 1e-3


def test_as_baseline_they_stay_and_as_model_they_are_fitted():
    salt_charges = PointCharges({"Na": 1.0, "Cl": -1.0})
    assert any(p.requires_grad for p in salt_charges.parameters())
    assert not any(p.requires_grad for p in Sum(salt_charges, ZBL()).baseline.parameters())


def test_file_round_trip():
    model = Sum(PointCharges({"Na": 1.0, "Cl": -1.0}, summation=PME(order=6)), ZBL())
    again = construct(describe(EnergyForces(model).double())).double()
    torch.testing.assert_close(again(batch(salt()).with_edges(4.0)), model(batch(salt()).with_edges(4.0)))


def test_what_cannot_be_summed_is_refused():
    model = PointCharges({"C": 0.1})
    with pytest.raises(DomainError, match="periodic in 2 of 3"):
        model(batch(graphene(vacuum=5.0)))
    with pytest.raises(DomainError, match="2 charges for structures of"):
        PointCharges([1.0, -1.0])(batch(salt()))
    for wrong in ({}, [], {"Xx": 1.0}):
        with pytest.raises(DomainError):
            PointCharges(wrong)
    with pytest.raises(DomainError):
        Ewald(tolerance=0.0)
