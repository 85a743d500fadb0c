"""The verdict says yes to a good surrogate and no to shuffled forces, twenty frames and a wrong unit.

Samples are canonical at 300 K in the harmonic approximation: copper bound by a Morse potential, displaced along its
modes. The surrogate is the same potential with its depth off by two per cent: its errors are those of a good fit.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk

from surrogates.datasets import Structures
from surrogates.datasets.adapters.ase import from_ase, sample_of
from surrogates.physics.units import KB
from surrogates.potentials.pair import Morse
from surrogates.tasks.energy import EnergyForces
from surrogates.workflows.measures import scores
from surrogates.workflows.report.criteria import criteria
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import judge
from surrogates.workflows.steps.evaluate import Evaluated

KCAL = 23.060548  # kcal/mol in an eV


def scaled(factor: float) -> EnergyForces:
    """A surrogate that learned labels in units `factor` times too small."""
    task = EnergyForces(Morse())
    task.normalise.scale.fill_(0.98 * factor)
    return task.double()


@pytest.fixture(scope="module")
def data() -> Structures:
    exact = EnergyForces(Morse()).double()
    crystal = bulk("Cu", cubic=True)
    batch = from_ase([crystal], dtype=torch.float64).with_edges(exact.r_max)
    curvature, modes = np.linalg.eigh(exact.hessian(batch).numpy())
    stiff = curvature > 1e-6  # all but the translations
    amplitude = np.sqrt(KB * 300.0 / curvature[stiff])
    random = np.random.default_rng(0)
    samples = []
    for k in range(60):
        atoms = crystal.copy()
        atoms.positions += (modes[:, stiff] @ (amplitude * random.normal(size=stiff.sum()))).reshape(-1, 3)
        found = exact.predict(from_ase([atoms], dtype=torch.float64).with_edges(exact.r_max))
        bare = sample_of(atoms, group=f"sample/{k}", row=k)
        samples.append(replace(bare, energy=float(found.energy[0]), forces=found.forces.numpy()))
    return Structures(samples)


def verdict(surrogate, data, tmp_path, *, frames=480):
    surrogate.refit(data)
    found = Evaluated(names=("test",), scores={"test": scores(surrogate, data, tmp_path / "arrays.npz")})
    evaluated = Finished("scores", "evaluate", found, tmp_path, {}, {})
    trained = Finished("potential", "train", SimpleNamespace(train=frames), tmp_path, {}, {})
    return judge(criteria(FinishedRun("run", tmp_path, {}, (trained, evaluated), {}, {})))


def relabelled(data, change):
    return Structures([change(data[k]) for k in range(len(data))])


def test_a_good_surrogate_is_trusted(data, tmp_path):
    found = verdict(scaled(1.0), data, tmp_path)
    assert found.answer == "yes", found.against


def test_shuffled_forces(data, tmp_path):
    order = np.random.default_rng(0).permutation(len(data))
    shuffled = Structures([replace(data[k], forces=data[int(j)].forces) for k, j in enumerate(order)])
    assert verdict(scaled(1.0), shuffled, tmp_path).answer == "no"


def test_twenty_frames(data, tmp_path):
    assert verdict(scaled(1.0), data, tmp_path, frames=20).answer == "no"
    assert verdict(scaled(1.0), data[:20], tmp_path).answer == "no"


def test_both_labels_in_kcal_per_mol(data, tmp_path):
    wrong = relabelled(data, lambda s: replace(s, energy=KCAL * s.energy, forces=KCAL * s.forces))
    found = verdict(scaled(KCAL), wrong, tmp_path)
    assert [c.name for c in found.against] == ["temperature that the forces reveal"]
    assert found.answer == "no"


def test_energies_alone_in_kcal_per_mol(data, tmp_path):
    wrong = relabelled(data, lambda s: replace(s, energy=KCAL * s.energy))
    found = verdict(scaled(1.0), wrong, tmp_path)
    assert "reference energy over predicted, slope" in [c.name for c in found.against]
    assert found.answer == "no"
