"""The calculator keeps ASE's contract and never answers about yesterday's structure."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.io import read, write

from surrogates.calculator import OutOfDataWarning, SurrogateCalculator
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import LennardJones
from surrogates.simulation import as_surrogate, relax
from surrogates.simulation.charges import UnseenCharge
from surrogates.tasks.energy import EnergyForces, EnergyForcesResult
from surrogates.uncertainty import Ensemble


@pytest.fixture(scope="module")
def potential():
    return LennardJones(epsilon={"Cu": 0.4}, sigma={"Cu": 2.3}, r_max=5.0)


@pytest.fixture
def crystal(potential):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = SurrogateCalculator(potential)
    return atoms


def test_forces_and_stress_are_derivatives(crystal):
    np.testing.assert_allclose(crystal.get_forces(), calculate_numerical_forces(crystal, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(crystal.get_stress(), calculate_numerical_stress(crystal, eps=1e-5), atol=1e-7)
    assert crystal.get_potential_energies().sum() == pytest.approx(crystal.get_potential_energy())


def test_every_part_computes_in_the_precision_asked_for(potential):
    """Forces off by a tenth at steps of 1e-4 Å, when the normaliser alone was float32."""
    task = EnergyForces(potential)
    task.normalise.float()
    found = SurrogateCalculator(task).surrogate
    assert {t.dtype for t in (*found.parameters(), *found.buffers()) if t.is_floating_point()} == {torch.float64}


def test_nothing_stale_comes_back(crystal):
    """After any change the numbers are those of a new calculator."""
    changes = {
        "positions": lambda a: a.positions.__iadd__(np.eye(4, 3) * 0.05),
        "one coordinate": lambda a: a.positions.__setitem__((2, 1), 1.0),
        "cell": lambda a: a.set_cell(a.cell * 1.01),
        "pbc": lambda a: a.set_pbc([True, True, False]),
        "longer": lambda a: a.append("Cu"),
    }
    for change in changes.values():
        crystal.get_forces()
        change(crystal)
        fresh = crystal.copy()
        fresh.calc = SurrogateCalculator(crystal.calc.surrogate)
        assert crystal.calc.calculation_required(crystal, ["energy"])
        if len(crystal) > 4:
            crystal.positions[-1] = [1.8, 1.8, 5.0]
            fresh.positions[-1] = crystal.positions[-1]
        np.testing.assert_array_equal(crystal.get_forces(), fresh.get_forces())
        assert crystal.get_potential_energy() == fresh.get_potential_energy()


class Charged:
    """Energy = charge + 10 multiplicity; notes how often it was asked."""

    r_max, elements, asked = 0.0, (), 0

    def predict(self, atoms, *, stress=False, spread=False):
        self.asked += 1
        energy = atoms.charge.double() + 10 * atoms.multiplicity.double()
        return EnergyForcesResult(energy, torch.zeros_like(atoms.positions))


def test_charge_and_spin_are_read_and_watched():
    atoms = Atoms("He", calculator=SurrogateCalculator(Charged()))
    assert atoms.get_potential_energy() == 10
    atoms.info["charge"] = 2
    assert atoms.get_potential_energy() == 12
    atoms.info["multiplicity"] = 3
    assert atoms.get_potential_energy() == 32
    del atoms.info["charge"], atoms.info["multiplicity"]
    atoms.set_initial_charges([1.0])
    atoms.set_initial_magnetic_moments([1.0])
    assert atoms.get_potential_energy() == 21
    asked = atoms.calc.surrogate.asked
    atoms.get_potential_energy()
    assert atoms.calc.surrogate.asked == asked


@dataclass
class Familiar:
    """Knows when two atoms come closer than 2 Å."""

    inner: object
    r_max: float
    domain: object = None
    elements: tuple = ()

    def predict(self, atoms, **keywords):
        return self.inner.predict(atoms, **keywords)


@dataclass
class Neutral(Familiar):
    """Learnt from neutral structures, and says so."""

    @property
    def provenance(self):
        return {"data": {"charges": [0.0]}}


def test_a_charge_that_training_lacked_is_told_once(potential):
    inner = as_surrogate(potential)
    pair = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=SurrogateCalculator(Neutral(inner, inner.r_max)))
    for charge, expected in ((0, 0), (1, 1), (1, 0), (0, 0)):
        pair.info["charge"] = charge
        pair.rattle(0.01, seed=charge)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            pair.get_forces()
        assert sum(issubclass(w.category, UnseenCharge) for w in found) == expected
    pair.info["charge"] = -1
    with pytest.warns(UnseenCharge, match="total charge -1"):
        relax(pair, Neutral(inner, inner.r_max), steps=0)


def test_a_skin_changes_nothing(potential, crystal):
    bare = crystal.copy()
    bare.calc = SurrogateCalculator(potential, skin=0.0)
    for seed in range(5):
        for atoms in (crystal, bare):
            atoms.rattle(0.1, seed=seed)
        np.testing.assert_array_equal(crystal.get_forces(), bare.get_forces())


def test_hessian_is_the_derivative_of_forces(crystal):
    hessian, step = crystal.calc.get_hessian(crystal), 1e-4
    assert hessian.shape == (12, 12)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    moved = [crystal.copy() for _ in range(2)]
    for sign, atoms in zip((1, -1), moved, strict=True):
        atoms.positions[1, 2] += sign * step
        atoms.calc = crystal.calc
    row = -(moved[0].get_forces() - moved[1].get_forces()).ravel() / (2 * step)
    np.testing.assert_allclose(hessian[5], row, atol=1e-6)


def test_spread_is_kept_outside_results(potential, crystal):
    with pytest.raises(PropertyNotImplementedError, match="calibrate"):
        crystal.calc.get_property("forces_std", crystal)
    other = LennardJones(epsilon={"Cu": 0.5}, sigma={"Cu": 2.3}, r_max=5.0)
    crystal.calc = SurrogateCalculator(Ensemble([as_surrogate(potential), as_surrogate(other)]))
    std = crystal.calc.get_property("forces_std", crystal)
    assert std.shape == (4, 3)
    assert crystal.calc.get_property("energy_std", crystal) > 0
    assert set(crystal.calc.results) <= set(crystal.calc.implemented_properties)
    crystal.rattle(0.05, seed=3)
    assert not np.allclose(crystal.calc.get_property("forces_std", crystal), std)


class Near:
    threshold, false_alarms = 1.0, 0.03

    def score(self, atoms):
        return 2.0 / atoms.vectors().norm(dim=1).min().reshape(1)


def test_foreign_structures_are_warned_of_once(potential):
    inner = as_surrogate(potential)
    calc = SurrogateCalculator(Familiar(inner, inner.r_max, Near()))
    pair = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=calc)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair.get_potential_energy()
    for expected in (1, 0, 0):
        pair.positions[1, 2] = pair.positions[1, 2] - 0.6 if expected else pair.positions[1, 2] - 0.01
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            pair.get_potential_energy()
        assert len([w for w in seen if w.category is OutOfDataWarning]) == expected


def test_errors_say_what_to_do(potential, crystal):
    gold = Atoms("AuCu", [[0, 0, 0], [0, 0, 2.5]], calculator=SurrogateCalculator(potential))
    with pytest.raises(DomainError, match="Au is unknown to this surrogate, which knows Cu"):
        gold.get_forces()
    fused = Atoms("Cu2", [[0, 0, 0], [0, 0, 0.0]], calculator=SurrogateCalculator(potential))
    with pytest.raises(DomainError, match=r"0\.00 Å apart"):
        fused.get_forces()
    crystal.pbc = False
    with pytest.raises(PropertyNotImplementedError, match="periodic"):
        crystal.get_stress()
    with pytest.raises(DomainError, match="float32 or float64"):
        SurrogateCalculator(potential, dtype="float16")


def test_precision_and_description(potential, crystal):
    single = SurrogateCalculator(potential, dtype="float32")
    other = crystal.copy()
    other.calc = single
    np.testing.assert_allclose(other.get_forces(), crystal.get_forces(), atol=1e-4)
    assert not np.array_equal(other.get_forces(), crystal.get_forces())
    assert single.todict() == {"model": "LennardJones", "dtype": "float32"}
    assert next(single.surrogate.parameters()).dtype == torch.float32
    assert next(potential.parameters()).dtype == torch.float64  # the model that was given stays as it was


def test_results_travel_through_files(crystal, tmp_path):
    energy, forces = crystal.get_potential_energy(), crystal.get_forces()
    for name in ("frame.extxyz", "frame.traj"):
        write(tmp_path / name, crystal)
        back = read(tmp_path / name)
        assert back.get_potential_energy() == pytest.approx(energy, abs=1e-7)
        np.testing.assert_allclose(back.get_forces(), forces, atol=1e-7)


def test_a_calculator_serves_as_a_surrogate(crystal):
    inner = as_surrogate(crystal.calc)
    assert inner.r_max == 5.0
    assert replace(Familiar(inner, 5.0)).domain is None
