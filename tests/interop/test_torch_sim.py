"""torch-sim: its own check of models, its relaxation and dynamics beside ours. Run where torch-sim is installed."""

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.units import fs

from surrogates import SurrogateCalculator
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import LennardJones
from surrogates.simulation import relax

ts = pytest.importorskip("torch_sim", reason="torch-sim-atomistic is not installed (extra torch-sim)")
TorchSimModel = __import__("surrogates.interop.torch_sim", fromlist=["TorchSimModel"]).TorchSimModel


def argon(seed, a=5.3):
    atoms = bulk("Ar", "fcc", a=a, cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.set_cell(atoms.cell.array @ [[1, 0.1, 0.05], [0, 1, 0.02], [0, 0, 1]], scale_atoms=True)
    return atoms


def state_of(atoms):
    return ts.io.atoms_to_state(atoms, torch.device("cpu"), torch.float64)


def test_torch_sim_accepts_the_model():
    interface = pytest.importorskip("torch_sim.models.interface")
    model = TorchSimModel(LennardJones(epsilon=0.01, sigma=2.5, r_max=5.0))
    interface.validate_model_outputs(model, torch.device("cpu"), torch.float64)


def test_numbers_are_those_of_the_calculator():
    structures = [argon(0), argon(1, 5.5)]
    found = TorchSimModel(LennardJones())(state_of(structures))
    for k, (atoms, forces) in enumerate(zip(structures, found["forces"].split(4), strict=True)):
        atoms.calc = SurrogateCalculator(LennardJones())
        assert found["energy"][k].item() == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(forces.numpy(), atoms.get_forces(), atol=1e-12)
        np.testing.assert_allclose(found["stress"][k].numpy(), atoms.get_stress(voigt=False), atol=1e-14)


def test_relaxation_of_a_batch_ends_where_ours_does():
    structures = [argon(0), argon(1, 5.5)]
    force_tol = ts.generate_force_convergence_fn(force_tol=1e-5, include_cell_forces=False)
    optimizer = ts.Optimizer.fire if hasattr(ts, "Optimizer") else ts.optimizers.fire  # since and before 0.4
    final = ts.optimize(
        system=structures, model=TorchSimModel(LennardJones()), optimizer=optimizer, convergence_fn=force_tol
    )
    ours = relax(structures, LennardJones(), fmax=1e-5)
    np.testing.assert_allclose(final.energy.numpy(), ours.energy, atol=1e-8)


def advance(state, model, step):
    if hasattr(ts.integrators, "nve_step"):  # since 0.4
        return ts.integrators.nve_step(state=state, model=model, dt=step)
    return ts.integrators.nve(model, dt=step, kT=torch.zeros((), dtype=torch.float64))[1](state, step)


def test_nve_is_that_of_ase():
    atoms = argon(2)
    momenta = 0.5 * np.random.default_rng(0).normal(size=(4, 3))
    atoms.set_momenta(momenta - momenta.mean(0))
    model, start = TorchSimModel(LennardJones()), state_of([atoms])
    step = torch.tensor(2.0 * fs, dtype=torch.float64)
    fields = {f: getattr(start, f) for f in ("positions", "masses", "cell", "pbc", "atomic_numbers", "system_idx")}
    found = {name: model(start)[name] for name in ("energy", "forces")}
    state = ts.integrators.MDState(**fields, momenta=torch.tensor(atoms.get_momenta()), **found)
    for _ in range(50):
        state = advance(state, model, step)
    atoms.calc = SurrogateCalculator(LennardJones())
    VelocityVerlet(atoms, 2.0 * fs).run(50)
    assert state.energy.item() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(state.momenta.numpy(), atoms.get_momenta(), atol=1e-8)


def test_unknown_elements_are_refused():
    model = TorchSimModel(LennardJones(epsilon={"Ar": 0.01}, sigma={"Ar": 3.4}, r_max=8.0))
    with pytest.raises(DomainError, match="Cu"):
        model(state_of([bulk("Cu")]))
    assert model(state_of([ase.Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.8]])]))["energy"] < 0
