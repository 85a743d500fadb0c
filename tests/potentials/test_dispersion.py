"""Dispersion: the libraries' own numbers, through autograd, in sums, batches, files and simulations."""

import importlib.util

import numpy as np
import pytest
import torch
from ase.build import bulk, graphene, molecule

from surrogates import SurrogateCalculator
from surrogates.construct import construct, describe
from surrogates.datasets.adapters import sample_of
from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.errors import DomainError, MissingExtra
from surrogates.potentials.dispersion import DFTD3, DFTD4
from surrogates.potentials.pair import LennardJones, Morse
from surrogates.potentials.sum import Sum
from surrogates.simulation import relax
from surrogates.tasks.energy import EnergyForces, energy_forces

SHORT = {"disp2": 8.0, "disp3": 5.0, "cn": 5.0}
present = all(importlib.util.find_spec(name) for name in ("dftd3", "dftd4"))
pytestmark = pytest.mark.skipif(not present, reason="dftd3 and dftd4 are not installed (extra dispersion)")


def crystal():
    atoms = bulk("Ar", "fcc", a=5.2)
    skew = np.eye(3) + 0.05 * np.random.default_rng(0).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ skew, scale_atoms=True)
    return atoms


def ammonium():
    atoms = molecule("NH3")
    atoms.append("H")
    atoms.positions[-1] = [0, 0, 1.2]
    atoms.set_initial_charges([1, 0, 0, 0, 0])
    return atoms


def theirs(name, **options):
    return getattr(importlib.import_module(f"{name}.ase"), name.upper())(**options)


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (lambda: DFTD3("pbe"), "dftd3", {"method": "pbe", "damping": "d3bj"}),
        (lambda: DFTD3("b3lyp", damping="zero"), "dftd3", {"method": "b3lyp", "damping": "d3zero"}),
        (
            lambda: DFTD3(parameters={"s8": 0.8, "a1": 0.4, "a2": 4.5}, atm=True, cutoffs={"disp2": 12.0, "width2": 1}),
            "dftd3",
            {
                "damping": "d3bj",
                "params_tweaks": {"s8": 0.8, "a1": 0.4, "a2": 4.5, "s9": 1.0},
                "realspace_cutoff": {"disp2": 12.0, "width2": 1.0},
            },
        ),
        (lambda: DFTD4("pbe", cutoffs=SHORT), "dftd4", {"method": "pbe", "realspace_cutoff": SHORT}),
        (
            lambda: DFTD4("r2scan", model="d4s", atm=False, cutoffs=SHORT),
            "dftd4",
            {"method": "r2scan", "params_tweaks": {"atm": False}, "model": "d4s", "realspace_cutoff": SHORT},
        ),
    ],
    ids=["D3(BJ)", "D3(0)", "D3(BJ)-ATM, own parameters", "D4", "D4S"],
)
@pytest.mark.parametrize("atoms", [molecule("C6H6"), ammonium(), crystal()], ids=["C6H6", "NH4+", "Ar"])
def test_numbers_are_those_of_the_package(ours, name, options, atoms):
    own, reference = atoms.copy(), atoms.copy()
    own.calc, reference.calc = SurrogateCalculator(ours()), theirs(name, **options)
    assert own.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-10)
    assert own.get_potential_energy() < -1e-3
    np.testing.assert_allclose(own.get_forces(), reference.get_forces(), atol=1e-10)
    if atoms.pbc.all():
        np.testing.assert_allclose(own.get_stress(), reference.get_stress(), atol=1e-10)


def test_two_dimensional_crystals_need_no_third_vector():
    sheet = graphene(vacuum=None)
    assert np.linalg.det(sheet.cell.array) == 0
    sheet.rattle(0.05, seed=1)
    boxed = sheet.copy()
    boxed.cell[2] = [0, 0, 30]
    model = DFTD3("pbe")
    found = [energy_forces(model, from_ase([s], dtype=torch.float64)) for s in (sheet, boxed)]
    torch.testing.assert_close(found[0].energy, found[1].energy, rtol=1e-12, atol=0)
    torch.testing.assert_close(found[0].forces, found[1].forces, rtol=1e-12, atol=1e-12)


def test_hessian_is_the_analytic_one_of_the_package():
    atoms = molecule("C2H4")
    analytic = theirs("dftd3", method="pbe", damping="d3bj").get_hessian(atoms.copy())
    atoms.calc = SurrogateCalculator(DFTD3("pbe"))
    np.testing.assert_allclose(atoms.calc.get_hessian(atoms), analytic, atol=1e-9)
    assert np.abs(analytic).max() > 1e-3


def test_second_derivatives_by_the_strain():
    atoms = from_ase([crystal() * (2, 1, 1)], dtype=torch.float64)
    model = DFTD3("pbe", cutoffs={"disp2": 12.0, "cn": 8.0, "width2": 1.0})
    strain = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)

    def energy(strain):
        return model(atoms.strained((strain + strain.mT) / 2)).sum()

    assert torch.autograd.gradcheck(energy, strain, eps=1e-4, atol=1e-7)
    assert torch.autograd.gradgradcheck(energy, strain, eps=1e-4, atol=1e-6)


def test_batches_sums_and_files():
    model = Sum(DFTD3("pbe"), Sum(DFTD4("pbe", cutoffs=SHORT), Morse(depth=0.1, width=1.5, r0=1.4, r_max=4.0)))
    structures = [molecule("C2H4"), crystal(), molecule("CH4")]
    together = energy_forces(model, from_ase(structures, dtype=torch.float64).with_edges(4.0), stress=True)
    parts = (model.baseline, model.model.baseline, model.model.model)
    for k, (atoms, forces) in enumerate(zip(structures, together.forces.split([6, 1, 5]), strict=True)):
        alone = [energy_forces(p, from_ase([atoms], dtype=torch.float64).with_edges(4.0), stress=True) for p in parts]
        assert together.energy[k].item() == pytest.approx(sum(a.energy.item() for a in alone))
        torch.testing.assert_close(forces, sum(a.forces for a in alone))
        torch.testing.assert_close(together.stress[k], sum(a.stress[0] for a in alone), equal_nan=True)
    again = construct(describe(EnergyForces(model).double())).double()
    batch = from_ase(structures, dtype=torch.float64).with_edges(4.0)
    torch.testing.assert_close(again(batch), model(batch))


def test_delta_learning_and_relaxation():
    """A model that learns what is missing beside D3 is scaled and fitted to the rest only."""
    rng = np.random.default_rng(0)
    truth = Sum(DFTD3("pbe"), LennardJones(epsilon=0.01, sigma=3.3, r_max=8.0)).double()
    samples = []
    for _ in range(6):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
        atoms.positions += 0.1 * rng.normal(size=(4, 3))
        label = energy_forces(truth, from_ase([atoms], dtype=torch.float64).with_edges(8.0))
        samples.append(sample_of(atoms, energy=label.energy.item(), forces=label.forces.numpy()))
    task = EnergyForces(
        Sum(DFTD3("pbe"), LennardJones(epsilon=0.01, sigma=3.3, r_max=8.0)), isolated={"Ar": 0}
    ).double()
    task.prepare(samples)
    task.normalise.set({18: 0.0}, 1.0, 0.0)
    errors = task.evaluate(samples)
    assert errors.force_mae < 1e-9
    loss, _ = task.loss(task.collate(samples), {"energy": 1.0, "forces": 1.0})
    loss.backward(inputs=[p for p in task.parameters() if p.requires_grad])
    start = bulk("Ar", "fcc", a=5.3, cubic=True)
    start.rattle(0.1, seed=3)
    assert bool(np.all(relax([start, start], task, fmax=0.001).converged))


@pytest.mark.parametrize(
    "make",
    [
        DFTD3,
        lambda: DFTD3("no-such-functional"),
        lambda: DFTD3("pbe", damping="rational"),
        lambda: DFTD3("pbe", parameters={"s8": 1.0}),
        lambda: DFTD3(parameters={"s8": 1.0}),
        lambda: DFTD3("pbe", cutoffs={"pairs": 10.0}),
        lambda: DFTD4("no-such-functional"),
        lambda: DFTD4("pbe", model="d5"),
        lambda: DFTD4("pbe")(from_ase([graphene(vacuum=8.0)], dtype=torch.float64)),
    ],
)
def test_what_is_unknown_is_refused(make):
    with pytest.raises(DomainError):
        make()


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dftd3", None)
    with pytest.raises(MissingExtra, match=r"surrogates\[dispersion\]"):
        DFTD3("pbe")
