"""Pair potentials: known minima, agreement with ASE, smooth ends, mixing, and sums."""

import math

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.lj import LennardJones as AseLennardJones
from ase.calculators.morse import MorsePotential

from surrogates.construct import construct, describe
from surrogates.datasets.adapters.ase import from_ase
from surrogates.physics.atoms.pair import COULOMB, lennard_jones, morse, switch, zbl
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.potentials.sum import Sum
from surrogates.tasks.energy import EnergyForces, energy_forces


def batch(atoms, r_max):
    return from_ase([atoms], dtype=torch.float64).with_edges(r_max)


def dimer(symbols, r):
    return ase.Atoms(symbols, positions=[[0, 0, 0], [r, 0, 0]])


def argon():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_minima_and_curvatures():
    r = torch.tensor([2 ** (1 / 6) * 3.4, 3.4], dtype=torch.float64)
    torch.testing.assert_close(lennard_jones(r, 0.01, 3.4), torch.tensor([-0.01, 0.0], dtype=torch.float64))
    r0 = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    energy = morse(r0, 0.4, 1.3, 2.5)
    (slope,) = torch.autograd.grad(energy, r0, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, r0)
    assert (energy.item(), slope.item(), curvature.item()) == pytest.approx((-0.4, 0.0, 2 * 0.4 * 1.3**2))


def test_zbl_is_bare_coulomb_at_contact_and_screened_further_out():
    z, other = torch.tensor([14, 14, 14]), torch.tensor([6, 6, 6])
    r = torch.tensor([1e-6, 0.5, 1.0], dtype=torch.float64)
    charge = zbl(r, z, other) * r / COULOMB / (14 * 6)
    assert pytest.approx(14.399645, abs=1e-5) == COULOMB
    assert charge[0].item() == pytest.approx(1.0, abs=1e-4)
    assert 1 > charge[1] > charge[2] > 0
    torch.testing.assert_close(zbl(r, z, other), zbl(r, other, z))


def test_switch_has_two_continuous_derivatives_at_both_ends():
    for end in (2.0, 3.0):
        r = torch.tensor([end - 1e-9, end + 1e-9], dtype=torch.float64, requires_grad=True)
        value = switch(r, 2.0, 3.0)
        (first,) = torch.autograd.grad(value.sum(), r, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), r)
        assert torch.stack([value, first, second]).diff(dim=1).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            LennardJones(epsilon=0.0104, sigma=3.4, r_max=8.0, r_switch=8 - 1e-9),
            AseLennardJones(epsilon=0.0104, sigma=3.4, rc=8.0),
        ),
        (
            Morse(depth=0.02, width=1.5, r0=3.8, r_max=8.0, r_switch=8 - 1e-9),
            MorsePotential(epsilon=0.02, rho0=1.5 * 3.8, r0=3.8, rcut1=(8 - 1e-9) / 3.8, rcut2=8 / 3.8),
        ),
    ],
    ids=["LennardJones", "Morse"],
)
def test_forces_and_stress_are_those_of_ase(ours, theirs):
    atoms = argon()
    result = energy_forces(ours, batch(atoms, 8.0), stress=True)
    atoms.calc = theirs
    np.testing.assert_allclose(result.forces.numpy(), atoms.get_forces(), atol=1e-12)
    np.testing.assert_allclose(result.stress[0].numpy(), atoms.get_stress(), atol=1e-12)


def test_edges_beyond_the_cutoff_add_exactly_nothing():
    for model in (LennardJones(r_max=6.0), Morse(r_max=6.0), ZBL(r_max=6.0)):
        near, skin = (energy_forces(model, batch(argon(), r)) for r in (6.0, 9.0))
        torch.testing.assert_close(skin.forces, near.forces, rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(skin.energy, near.energy, rtol=1e-14, atol=1e-14)


def test_pairs_that_are_not_given_are_mixed():
    mixed = LennardJones(epsilon={"Ar": 0.01, "Kr": 0.04}, sigma={"Ar": 3.4, "Kr": 3.6}, r_max=12.0)
    given = LennardJones(epsilon=0.02, sigma=3.5, r_max=12.0)
    pair = batch(dimer("ArKr", 4.0), 12.0)
    torch.testing.assert_close(mixed(pair), given(pair))
    own = LennardJones(epsilon={"Ar": 0.01, "Kr": 0.04, "Kr-Ar": 0.03}, sigma={"Ar": 3.4, "Kr": 3.6}, r_max=12.0)
    torch.testing.assert_close(own(pair), 1.5 * given(pair))


def test_zbl_ends_at_the_covalent_radii():
    model = ZBL(elements=["C", "H"])
    assert model.r_max == pytest.approx(1.52)
    assert energy_forces(model, batch(dimer("CH", 1.08), 1.52)).energy.item() == 0
    assert energy_forces(model, batch(dimer("CH", 0.5), 1.52)).energy.item() > 10


@pytest.mark.parametrize(
    "make",
    [
        lambda: LennardJones(epsilon=-1.0),
        lambda: LennardJones(r_max=5.0, r_switch=6.0),
        lambda: LennardJones(epsilon={"Ar": 0.01}, sigma={"Kr": 3.4}),
        lambda: ZBL(elements=["Xx"]),
        lambda: ZBL(start=1.0),
        lambda: Sum(ZBL(elements=["C"]), ZBL(elements=["O"])),
    ],
)
def test_impossible_parameters_are_refused(make):
    with pytest.raises(DomainError):
        make()


def test_a_sum_gives_each_part_its_own_cutoff():
    short, long = (
        ZBL(r_max=3.0, elements=["Ar", "Ne"]),
        LennardJones(epsilon={"Ar": 0.01}, sigma={"Ar": 3.4}, r_max=8.0),
    )
    both = Sum(short, long)
    assert (both.r_max, both.elements) == (8.0, (18,))
    atoms = argon()
    atoms.positions[1] = atoms.positions[0] + [0, 1.4, 1.4]
    whole = energy_forces(both, batch(atoms, 8.0))
    parts = [energy_forces(part, batch(atoms, part.r_max)) for part in (short, long)]
    torch.testing.assert_close(whole.forces, parts[0].forces + parts[1].forces)
    assert math.isclose(whole.energy.item(), sum(p.energy.item() for p in parts))
    assert whole.energy.item() > 1


def test_training_a_sum_leaves_the_baseline_alone():
    both = Sum(LennardJones(), Morse())
    assert not any(p.requires_grad for p in both.baseline.parameters())
    assert all(p.requires_grad for p in both.model.parameters())


def test_a_task_scales_what_is_learned_and_not_the_baseline():
    base, learned = LennardJones(r_max=8.0), Morse(r_max=6.0)
    task = EnergyForces(Sum(base, learned)).double()
    task.normalise.set({18: -2.0}, 3.0, 0.5)
    atoms = batch(argon(), 8.0)
    expected = -2.0 + 0.5 + 3.0 * learned(batch(argon(), 6.0)) + base(atoms)
    torch.testing.assert_close(task.predict(atoms).energies, expected)


@pytest.mark.parametrize("nested", ["right", "left", "argument"])
def test_all_baselines_of_nested_sums_stay_unscaled(nested):
    first, second, learned = ZBL(r_max=3.0), LennardJones(r_max=8.0), Morse(r_max=6.0)
    task = {
        "right": lambda: EnergyForces(Sum(first, Sum(second, learned))),
        "left": lambda: EnergyForces(Sum(Sum(first, second), learned)),
        "argument": lambda: EnergyForces(Sum(first, learned), baseline=second),
    }[nested]().double()
    assert task.model is learned
    task.normalise.set({18: -2.0}, 3.0, 0.5)
    atoms = argon()
    atoms.positions[1] = atoms.positions[0] + [0, 1.4, 1.4]
    known = sum(part(batch(atoms, part.r_max)) for part in (first, second))
    assert known.max() > 1
    torch.testing.assert_close(task(batch(atoms, 8.0)), -1.5 + 3.0 * learned(batch(atoms, 6.0)) + known)
    again = construct(describe(task)).double()
    again.load_state_dict(task.state_dict())
    torch.testing.assert_close(again(batch(atoms, 8.0)), task(batch(atoms, 8.0)))
