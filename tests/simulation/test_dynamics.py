"""Molecular dynamics: conserved quantities, temperature, restart to the bit, failures."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms, FixBondLength

from surrogates.physics.errors import DomainError, FileError
from surrogates.physics.units import FS
from surrogates.simulation import Langevin, as_surrogate, dynamics

NVE = dict(time=150.0, timestep=5.0, every=1, temperature=150.0)


def test_energy_error_is_of_second_order(potential, clusters):
    worst = []
    for timestep in (16.0, 8.0, 4.0):
        run = dynamics(clusters, potential, **(NVE | {"timestep": timestep, "time": 320.0}))
        worst.append(np.abs(run.total - run.total[0]).max(axis=0))
    np.testing.assert_allclose(np.log2(worst[1] / worst[2]), 2, atol=0.3)
    assert (np.abs(run.drift) < 0.5).all()


def test_nve_conserves_momentum_and_angular_momentum(potential, clusters):
    for last in dynamics(clusters, potential, **NVE).final:
        assert np.abs(last.get_momenta().sum(axis=0)).max() < 1e-10
        assert np.abs(last.get_angular_momentum()).max() < 1e-8


def test_nve_runs_backwards(potential, clusters):
    there = dynamics(clusters, potential, **NVE)
    for atoms in there.final:
        atoms.set_momenta(-atoms.get_momenta())
    back = dynamics(there, potential, **(NVE | {"temperature": None}))
    for start, end in zip(clusters, back.final, strict=True):
        np.testing.assert_allclose(end.positions, start.positions, rtol=0, atol=1e-9)


def test_temperature_counts_the_freedoms_that_move(potential, clusters):
    """Drawn momenta have the temperature asked for on average, rigid motions taken out or atoms held."""
    clusters[1].set_constraint(FixAtoms([0, 1]))
    drawn = [dynamics(clusters, potential, **(NVE | {"time": 0.0}), seed=s).temperature[0] for s in range(40)]
    freedoms = np.array([3, 9, 12, 6])
    error = 150 * np.sqrt(2 / freedoms / 40)
    assert (np.abs(np.mean(drawn, axis=0) - 150) < 4 * error).all()


def test_langevin_keeps_its_temperature(potential, clusters):
    many, kelvin = [clusters[k % 4] for k in range(64)], [80.0] * 32 + [160.0] * 32
    run = dynamics(many, potential, Langevin(friction=0.02), temperature=kelvin, time=1000.0, timestep=5.0, every=10)
    mean = run.temperature[6:].reshape(-1, 2, 32).mean(axis=(0, 2))  # about 10 * 32 * 13.5 independent freedoms
    np.testing.assert_allclose(mean, [80, 160], rtol=0.06)


@pytest.mark.parametrize("ensemble", ["nve", "langevin"])
@pytest.mark.parametrize("suffix", [".extxyz", ".traj"])
def test_an_interrupted_run_continues_to_the_bit(potential, clusters, tmp_path, ensemble, suffix):
    whole = dynamics(clusters, potential, ensemble, **NVE, trajectory=tmp_path / f"whole{suffix}")
    files = {"trajectory": tmp_path / f"part{suffix}", "checkpoint": tmp_path / "part.safetensors"}
    for time in (40.0, 75.0, 150.0):
        run = dynamics(clusters, potential, ensemble, **(NVE | {"time": time}), **files)
    assert np.array_equal(run.energy, whole.energy)
    for k in range(4):
        assert np.array_equal(run.final[k].positions, whole.final[k].positions)
        assert np.array_equal(run.final[k].get_momenta(), whole.final[k].get_momenta())
        assert (tmp_path / f"part.{k}{suffix}").read_bytes() == (tmp_path / f"whole.{k}{suffix}").read_bytes()
        assert len(run.frames(k)) == 31
    with pytest.raises(FileError, match="another simulation"):
        dynamics(clusters, potential, ensemble, **NVE, seed=1, checkpoint=files["checkpoint"])


def test_frames_carry_energy_forces_and_momenta(potential, clusters, tmp_path):
    run = dynamics(clusters[0], potential, **NVE, trajectory=tmp_path / "one.traj")
    frames = run.frames()
    np.testing.assert_array_equal([f.get_potential_energy() for f in frames], run.energy[:, 0])
    np.testing.assert_allclose([f.get_kinetic_energy() for f in frames], run.kinetic[:, 0], rtol=1e-12)
    assert frames[2].info["time"] == 10.0
    memory = dynamics(clusters[0], potential, **NVE)
    np.testing.assert_array_equal(memory.positions[0][-1], frames[-1].positions)


def test_constraints_hold(potential, clusters):
    clusters[1].set_constraint([FixAtoms([0]), FixBondLength(1, 2)])
    for ensemble in ("nve", "langevin"):
        run = dynamics(clusters, potential, ensemble, **NVE)
        last, bond = run.final[1], clusters[1].get_distance(1, 2)
        np.testing.assert_array_equal(last.positions[0], clusters[1].positions[0])
        assert last.get_distance(1, 2) == pytest.approx(bond, abs=1e-9)
        assert np.ptp(run.positions[1][:, 3], axis=0).max() > 0.01
    assert np.abs(dynamics(clusters, potential, **NVE).drift[1]) < 0.5


class Explosive:
    """Throws structures of five atoms apart after some calls."""

    elements = ()

    def __init__(self, potential, push):
        self.inner, self.push, self.calls = as_surrogate(potential), push, 0
        self.r_max = self.inner.r_max

    def predict(self, atoms, *, stress=False, spread=False):
        from dataclasses import replace

        self.calls += 1
        found = self.inner.predict(atoms)
        five = (torch.bincount(atoms.structure) == 5)[atoms.structure] & (self.calls > 10)
        return replace(found, forces=torch.where(five[:, None], self.push, found.forces))


@pytest.mark.parametrize(("push", "reason"), [(torch.nan, "not finite"), (1e4, "in one step")])
def test_a_failing_structure_does_not_touch_the_rest(potential, clusters, push, reason):
    run = dynamics(clusters, Explosive(potential, push), "langevin", **NVE)
    good = dynamics(clusters, potential, "langevin", **NVE)
    assert reason in run.failure[1]
    assert run.failure[0] is None
    for k in (0, 2, 3):
        np.testing.assert_allclose(run.final[k].positions, good.final[k].positions, rtol=0, atol=1e-9)
    assert np.isnan(run.energy[-1, 1])
    assert np.isfinite(run.final[1].positions).all()
    assert len(run.frames(1)) < len(run.frames(0))


def test_skin_changes_nothing(potential, clusters):
    with_skin, without = (dynamics(clusters, potential, **NVE, skin=skin) for skin in (0.8, 0.0))
    assert np.array_equal(with_skin.energy, without.energy)


def test_time_units(potential, clusters):
    """A free atom moves by p/m t."""
    atom = clusters[0][:1]
    atom.set_momenta([[1.0, 0, 0]])
    run = dynamics(atom, potential, **(NVE | {"temperature": None}))
    moved = run.final[0].positions[0, 0] - atom.positions[0, 0]
    assert moved == pytest.approx(150 * FS / atom.get_masses()[0])


def test_wrong_arguments(potential, clusters):
    with pytest.raises(DomainError, match="nve or langevin or nose-hoover or nvt or npt"):
        dynamics(clusters, potential, "nph")
    with pytest.raises(DomainError, match="one for each of the 4"):
        dynamics(clusters, potential, temperature=[300.0, 200.0])
    with pytest.raises(DomainError, match="momenta"):
        dynamics(clusters, potential, "langevin", temperature=None)
    with pytest.raises(DomainError, match="friction"):
        Langevin(friction=0.0)
    with pytest.raises(DomainError, match="timestep"):
        dynamics(clusters, potential, timestep=0.0)


def test_a_trajectory_of_nothing_but_failures_has_no_mean_temperature(recwarn):
    class Broken(Calculator):
        implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            self.results = {"energy": 0.0, "forces": np.full((len(atoms), 3), np.nan)}

    text = str(dynamics([molecule("H2O")], Broken(), "nve", temperature=100, time=2, timestep=1))
    assert "structure 0 (OH2)" in text
    assert " K" not in text
    assert not [w for w in recwarn if w.category is RuntimeWarning]
