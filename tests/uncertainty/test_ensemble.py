"""Ensembles: mean and variance laws, and forces that belong to the energy."""

from dataclasses import replace

import pytest
import torch
from linear_density import LinearDensity, molecules

from surrogates.physics.errors import DomainError
from surrogates.tasks.energy import EnergyForces, energy_forces
from surrogates.uncertainty import Ensemble


@pytest.fixture
def members():
    return [EnergyForces(LinearDensity(seed=k)).double() for k in range(3)]


def test_mean_and_sample_standard_deviation_of_the_members(members):
    atoms = members[0].collate(molecules(4)).atoms
    each = [m.predict(atoms, stress=False) for m in members]
    found = Ensemble(members).predict(atoms, spread=True)
    forces = torch.stack([r.forces for r in each])
    torch.testing.assert_close(found.energy, torch.stack([r.energy for r in each]).mean(dim=0))
    torch.testing.assert_close(found.forces, forces.mean(dim=0))
    deviation = ((forces - forces.mean(dim=0)).square().sum(dim=0) / 2).sqrt()
    torch.testing.assert_close(found.forces_std, deviation)
    pair = Ensemble(members[:2]).predict(atoms, spread=True)
    torch.testing.assert_close(pair.energy_std, (each[0].energy - each[1].energy).abs() / 2**0.5)
    torch.testing.assert_close(found.energies, torch.stack([r.energies for r in each]).mean(dim=0))


def test_forces_are_the_derivative_of_the_mean_energy(members):
    ensemble = Ensemble(members)
    atoms = members[0].collate(molecules(2)).atoms
    torch.testing.assert_close(ensemble.predict(atoms).forces, energy_forces(ensemble, atoms).forces)
    step = 1e-5
    positions = atoms.positions.clone()
    positions[3, 1] += step
    up = ensemble.predict(replace(atoms, positions=positions)).energy[0]
    positions[3, 1] -= 2 * step
    down = ensemble.predict(replace(atoms, positions=positions)).energy[0]
    assert float(-(up - down) / (2 * step)) == pytest.approx(float(ensemble.predict(atoms).forces[3, 1]), abs=1e-6)


def test_equal_members_have_no_scatter(members):
    atoms = members[0].collate(molecules(2)).atoms
    found = Ensemble([members[0]] * 2).predict(atoms, spread=True)
    assert float(found.forces_std.max()) == 0.0
    torch.testing.assert_close(found.forces, members[0].predict(atoms).forces)


def test_the_hessian_is_the_members_mean(members):
    atoms = members[0].collate(molecules(1)).atoms
    mean = torch.stack([m.hessian(atoms) for m in members]).mean(dim=0)
    torch.testing.assert_close(Ensemble(members).hessian(atoms), mean)


def test_edges_serve_the_longest_cutoff(members):
    longer = EnergyForces(LinearDensity(seed=9, r_max=5.0)).double()
    ensemble = Ensemble([members[0], longer])
    atoms = members[0].collate(molecules(2)).atoms
    own = longer.predict(atoms.with_edges(5.0)).energy + members[0].predict(atoms).energy
    assert ensemble.r_max == 5.0
    torch.testing.assert_close(ensemble.predict(atoms).energy, own / 2)


def test_what_makes_no_ensemble_is_refused(members):
    with pytest.raises(DomainError, match="no members"):
        Ensemble([])
    with pytest.raises(DomainError, match="different elements"):
        Ensemble([members[0], EnergyForces(LinearDensity(elements=(1, 8)))])
    atoms = members[0].collate(molecules(1)).atoms
    with pytest.raises(DomainError, match="one member has no scatter"):
        Ensemble(members[:1]).predict(atoms, spread=True)
