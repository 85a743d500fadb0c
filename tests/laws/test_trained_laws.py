"""Training breaks no law: the same ones with trained weights, through the public check, also after a checkpoint."""

import numpy as np
import pytest
import torch

import surrogates
from surrogates.calculator import SurrogateCalculator
from surrogates.datasets.adapters.ase import from_ase, sample_of
from surrogates.datasets.store import Structures
from surrogates.potentials.pair import Morse
from surrogates.tasks.energy import EnergyForces, energy_forces
from surrogates.testing import check_surrogate
from surrogates.training import Plan, fit


def labelled(examples, count: int, seed: int) -> Structures:
    """Rattled copies of `examples` with Morse energies and forces."""
    truth, rng, samples = Morse(depth=0.5, width=1.2, r0=2.4, r_max=4.0), np.random.default_rng(seed), []
    for k in range(count):
        atoms = examples[k % 2].copy()
        atoms.positions += rng.normal(scale=0.08, size=(len(atoms), 3))
        result = energy_forces(truth, from_ase([atoms], dtype=torch.float64).with_edges(4.0))
        labels = {"energy": result.energy.item(), "forces": result.forces.numpy()}
        samples.append(sample_of(atoms, group=str(k), **labels))
    return Structures(samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MACE", "TensorNet O(3)"])
def test_trained_models_obey_every_law(name, models, examples, tmp_path):
    torch.manual_seed(0)
    train, valid = labelled(examples, 24, 1), labelled(examples, 6, 2)
    fitted = fit(EnergyForces(models[name]()), train, valid, plan=Plan(epochs=30, lr=0.01), seed=0)
    scores = fitted.evaluate(valid)
    report = check_surrogate(fitted, examples)
    assert {law.verdict for law in report.laws} == {"pass"}, str(report)
    path = fitted.save(tmp_path / "trained.safetensors")
    again = surrogates.check(SurrogateCalculator(path), examples)
    for one, two in zip(report.laws, again.laws, strict=True):
        assert two.verdict in ("pass", "not applicable")
        assert one.scale == pytest.approx(two.scale, nan_ok=True)
    assert scores.force_mae < 0.5
