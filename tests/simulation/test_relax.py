"""Relaxation: ASE's steps, many at once, failures left behind, interrupted and continued."""

import ase.optimize
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength, Hookean

from surrogates.calculator import SurrogateCalculator
from surrogates.physics.errors import DomainError, FileError
from surrogates.potentials.pair import LennardJones
from surrogates.simulation import FIRE, relax
from surrogates.simulation.frames import read_frames


def by_ase(atoms, potential, optimizer="FIRE", fmax=0.01):
    atoms = atoms.copy()
    atoms.calc = SurrogateCalculator(potential)
    run = getattr(ase.optimize, optimizer)(atoms, logfile=None)
    run.run(fmax=fmax, steps=300)
    return atoms, run.nsteps


@pytest.mark.parametrize(("name", "theirs"), [("fire", "FIRE"), ("lbfgs", "LBFGS")])
def test_every_step_is_that_of_ase(potential, clusters, name, theirs):
    found = relax(clusters, potential, fmax=0.01, optimizer=name)
    assert found.converged.all()
    for k, start in enumerate(clusters):
        expected, steps = by_ase(start, potential, theirs)
        assert found.steps[k] == steps
        np.testing.assert_allclose(found[k].positions, expected.positions, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.energy[k], expected.get_potential_energy(), rtol=0, atol=1e-10)


def test_structures_leave_when_they_are_done(potential, clusters):
    seen = []
    relax(clusters, potential, fmax=0.01, progress=lambda p: seen.append(p.active))
    assert seen[0] == 4
    assert sorted(seen, reverse=True) == seen
    assert seen[-1] == 0


@pytest.mark.parametrize(
    "constraints",
    [[FixAtoms([0, 3])], [FixBondLength(0, 1)], [FixAtoms([4]), FixBondLength(0, 1)], [Hookean(0, 1, 5.0, 3.0)]],
    ids=["fixed atoms", "bond length", "both", "spring"],
)
def test_constraints_hold_as_in_ase(potential, clusters, constraints):
    held = clusters[1]
    held.set_constraint(constraints)
    found = relax([clusters[0], held], potential, fmax=0.02)
    expected, steps = by_ase(held, potential, fmax=0.02)
    assert found.steps[1] == steps
    np.testing.assert_allclose(found[1].positions, expected.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.energy[1], expected.get_potential_energy(), rtol=0, atol=1e-10)
    assert len(found[1].constraints) == len(constraints)


class Moody:
    """Fails for structures of five atoms; NaN for those of six."""

    elements = ()

    def __init__(self, potential):
        from surrogates.simulation import as_surrogate

        self.inner = as_surrogate(potential)
        self.r_max = self.inner.r_max

    def predict(self, atoms, *, stress=False, spread=False):
        from dataclasses import replace

        sizes = torch.bincount(atoms.structure)
        if bool((sizes == 5).any()):
            raise RuntimeError("no convergence")
        found = self.inner.predict(atoms, stress=stress)
        return replace(found, energy=torch.where(sizes == 6, torch.nan, found.energy))


def test_a_failure_is_reported_and_left_behind(potential, clusters):
    broken = clusters[0].copy()
    broken.positions[0] = np.nan
    found = relax([*clusters, broken], Moody(potential), fmax=0.01)
    np.testing.assert_array_equal(found.converged, [True, False, False, True, False])
    assert found.failure[0] is None
    assert "RuntimeError: no convergence" in found.failure[1]
    assert "not finite" in found.failure[2]
    assert "positions are finite" in found.failure[4]
    alone = relax(clusters[3], potential, fmax=0.01)
    np.testing.assert_allclose(found[3].positions, alone[0].positions, rtol=0, atol=1e-10)
    assert "3 failed" in str(found)


def test_an_unknown_element_is_reported():
    known = LennardJones(epsilon={"Ar": 1.0}, sigma={"Ar": 3.4})
    found = relax([Atoms("Kr2", [[0, 0, 0], [0, 0, 4]]), Atoms("Ar2", [[0, 0, 0], [0, 0, 4]])], known)
    assert "Kr is unknown" in found.failure[0]
    assert found.converged.tolist() == [False, True]


def test_any_ase_calculator_serves():
    found = relax(Atoms("Cu3", [[0, 0, 0], [2.4, 0, 0], [0, 2.5, 0.1]]), EMT(), fmax=0.01, optimizer="lbfgs")
    assert found.converged.all()
    assert found[0].get_potential_energy() == pytest.approx(found.energy[0])


def test_steps_run_out(potential, clusters):
    found = relax(clusters, potential, fmax=1e-6, steps=3)
    assert not found.converged.any()
    assert found.steps.tolist() == [3] * 4
    assert found.failure == (None,) * 4


@pytest.mark.parametrize("suffix", [".extxyz", ".traj"])
def test_an_interrupted_run_ends_in_the_same_bits(potential, clusters, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("surrogates.simulation.resume.SECONDS", -1.0)
    whole = relax(clusters, potential, fmax=0.01, trajectory=tmp_path / f"whole{suffix}")
    files = {"trajectory": tmp_path / f"part{suffix}", "checkpoint": tmp_path / "part.safetensors"}

    def stop(progress):
        if progress.step in (7, 30):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            relax(clusters, potential, fmax=0.01, progress=stop, **files)
    found = relax(clusters, potential, fmax=0.01, **files)
    for k in range(4):
        assert np.array_equal(found[k].positions, whole[k].positions)
        assert len(read_frames(tmp_path / f"part.{k}{suffix}")) == found.steps[k] + 1
        ours, theirs = ((tmp_path / f"{name}.{k}{suffix}") for name in ("part", "whole"))
        np.testing.assert_array_equal(read_frames(ours)[-1].positions, read_frames(theirs)[-1].positions)
    with pytest.raises(FileError, match="another simulation"):
        relax(clusters[:2], potential, checkpoint=files["checkpoint"])


def test_wrong_arguments(potential, clusters):
    with pytest.raises(DomainError, match="fire or lbfgs"):
        relax(clusters, potential, optimizer="bfgs")
    with pytest.raises(DomainError, match="fmax"):
        relax(clusters, potential, fmax=0.0)
    with pytest.raises(DomainError, match="no energies"):
        relax(clusters, 3.0)
    with pytest.raises(DomainError, match="extxyz"):
        relax(clusters, potential, trajectory="frames.pdb")


def test_a_saboteur_is_caught(potential, clusters):
    """Steps that mix structures (here: a maxstep over the whole batch) would differ from ASE's."""
    one = relax(clusters[:1], potential, optimizer=FIRE(maxstep=0.05))
    many = relax(clusters, potential, optimizer=FIRE(maxstep=0.05))
    np.testing.assert_allclose(one[0].positions, many[0].positions, rtol=0, atol=1e-10)
    assert not np.array_equal(one.steps, relax(clusters[:1], potential, optimizer=FIRE(maxstep=0.02)).steps)
