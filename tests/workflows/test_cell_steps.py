"""Relaxation of cells and constant pressure as steps of a workflow: GPa outside, results with cells."""

import numpy as np
import pytest
from ase import Atoms

from surrogates.datasets import Structures
from surrogates.physics.errors import DomainError
from surrogates.workflows.desk import Desk
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.dynamics import Dynamics, Moved
from surrogates.workflows.steps.relax import Relax, Relaxed
from surrogates.workflows.steps.vibrations import Vibrations
from surrogates.workflows.structure_fields import Structure

EMT = {"use": "ase.calculators.emt:EMT"}


def run(step, folder):
    folder.mkdir(exist_ok=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    return step.finish(desk)


def test_a_cell_relaxes_under_pressure(tmp_path):
    settings = Structure(bulk="Cu", cubic=True, a=3.7)
    found = run(Relax(settings, EMT, cell="full", pressure=5.0, fix_symmetry=True, optimizer="lbfgs"), tmp_path)
    one = found[0]
    assert one.converged
    np.testing.assert_allclose(one.stress[:3], -5, atol=0.02)
    np.testing.assert_allclose(one.cell, [one.cell[0]] * 3 + [90] * 3, rtol=1e-9)
    assert one.volume == pytest.approx(one.cell[0] ** 3)
    assert Structures.open(tmp_path / "minima.h5").atoms[0].get_volume() == pytest.approx(one.volume)
    assert decode(Relaxed, encode(found)) == found
    with pytest.raises(DomainError, match="does nothing"):
        run(Relax(settings, EMT, pressure=5.0), tmp_path / "other")


def test_what_the_reference_said_is_not_asked_again(tmp_path, monkeypatch):
    """Relaxation, certificate and vibrations, of foreign calculators too: no second calculation of a structure."""
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))
    other = {"use": "ase.calculators.lj:LennardJones", "epsilon": 0.4, "sigma": 2.3, "rc": 6.0, "smooth": True}
    pair = Structure(file=str(tmp_path / "pair.xyz"))
    Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4]]).write(tmp_path / "pair.xyz")
    steps = Relax(pair, other, verify=EMT, optimizer="lbfgs"), Vibrations(pair, EMT, fmax=5.0, reference=EMT)
    first = [run(step, tmp_path / f"first{k}") for k, step in enumerate(steps)]
    assert first[0][0].certified.converged
    assert 3 < first[0][0].certified.calls < 20
    assert first[1].calls["all"] >= 12
    monkeypatch.setattr("surrogates.datasets.generators.labels.calculate", None)
    assert [run(step, tmp_path / f"again{k}") for k, step in enumerate(steps)] == first


def test_dynamics_at_constant_pressure(tmp_path):
    settings = Structure(bulk="Cu", cubic=True, a=3.6)
    step = Dynamics(settings, EMT, ensemble="npt", cell="full", pressure=1.0, time=20.0, timestep=2.0, every=2)
    found = run(step, tmp_path)
    rows = np.load(tmp_path / found.surrogate.energies)
    assert rows["volume"].shape == rows["pressure"].shape == rows["conserved"].shape == (6, 1)
    assert found.surrogate.volume[0] == pytest.approx(rows["volume"].mean())
    assert found.surrogate.pressure[0] == pytest.approx(rows["pressure"].mean())
    assert np.abs(rows["conserved"] - rows["conserved"][0]).max() < 0.01
    assert decode(Moved, encode(found)) == found
