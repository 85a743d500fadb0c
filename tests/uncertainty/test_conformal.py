"""Calibrated bands: they cover, they follow the errors, they are invariant, they survive the checkpoint."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from linear_density import LinearDensity, label, molecules
from scipy.spatial.transform import Rotation

from surrogates.blocks.quantile import least_groups
from surrogates.evaluation.coverage import spread_scores
from surrogates.evaluation.metrics import evaluate, with_spread
from surrogates.physics.errors import DomainError
from surrogates.tasks.energy import EnergyForces
from surrogates.uncertainty import Ensemble, calibrate, restore
from surrogates.uncertainty.conformal import learning_part


@pytest.fixture(scope="module")
def spread(road):
    """The true task, calibrated."""
    truth, train, calibration, _ = road
    return calibrate(truth, train, calibration)


@pytest.fixture(scope="module")
def road():
    """(train, calibration, test): labels whose noise grows with the stretch of one bond, and the true task."""
    truth = EnergyForces(LinearDensity(seed=5)).double()
    parts = [label(molecules(n, seed=k), truth, seed=k, noise=0.02, wild=8.0) for k, n in enumerate((40, 300, 300))]
    return truth, *parts


def scores(spread, data):
    batch = spread.members[0].collate(data)
    found = spread.predict(batch.atoms, spread=True)
    rows = {n: getattr(found, n).numpy() for n in ("energy", "forces", "energy_std", "forces_std")}
    labels = {"energy_reference": batch.labels.energy.numpy(), "forces_reference": batch.labels.forces.numpy()}
    return spread_scores(rows | labels | {"sizes": np.full(len(data), 5)})


def test_bands_cover_new_frames_and_follow_their_errors(road, spread):
    found = scores(spread, road[-1])
    assert 0.86 <= found.forces.coverage <= 0.94
    assert 0.86 <= found.energy.coverage <= 0.95
    assert min(found.forces.terciles) > 0.8
    assert found.forces.rank_correlation > 0.3
    assert found.forces.informative


def test_an_ensemble_is_calibrated_too(road):
    truth, train, calibration, test = road
    members = [EnergyForces(LinearDensity(seed=5)).double() for _ in range(2)]
    for sign, member in zip((1, -1), members, strict=True):
        member.model.last_layer.weight.data *= 1 + sign * 0.02
    spread = calibrate(members, train, calibration)
    assert 0.85 <= scores(spread, test).forces.coverage <= 0.95
    assert calibrate(Ensemble(members), train, calibration).forces.factor == spread.forces.factor
    atoms = truth.collate(test[:3]).atoms
    torch.testing.assert_close(spread.predict(atoms).forces, Ensemble(members).predict(atoms).forces)
    assert spread.predict(atoms).forces_std is None


def test_the_spread_is_invariant_under_rotation(road, spread):
    truth, _, _, test = road
    turn = Rotation.random(random_state=1).as_matrix()
    turned = [replace(s, positions=s.positions @ turn.T) for s in test[:5]]
    before, after = (spread.predict(truth.collate(d).atoms, spread=True) for d in (test[:5], turned))
    torch.testing.assert_close(after.forces_std.norm(dim=1), before.forces_std.norm(dim=1), rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(after.energy_std, before.energy_std, rtol=1e-8, atol=1e-12)
    assert (before.forces_std > 0).all()


def test_state_goes_through_json_and_back_to_the_bit(road, spread):
    truth, _, _, test = road
    tensors, plain = spread.state()
    assert all(isinstance(t, torch.Tensor) for t in tensors.values())
    again = restore([truth], tensors, json.loads(json.dumps(plain, allow_nan=False)))
    atoms = truth.collate(test[:5]).atoms
    for name in ("energy", "forces", "energy_std", "forces_std"):
        mine, other = (
            getattr(again.predict(atoms, spread=True), name),
            getattr(spread.predict(atoms, spread=True), name),
        )
        torch.testing.assert_close(mine, other, rtol=0, atol=0)
    assert again.domain.threshold == spread.domain.threshold


def test_members_in_single_precision_take_any_batch(road, spread):
    """Batches come in either precision; a float32 copy has the spread of the float64 task to its own accuracy."""
    truth, _, _, test = road
    single = EnergyForces(LinearDensity(seed=5))
    copy = restore([single], *spread.state())
    atoms = truth.collate(test[:4]).atoms
    exact = spread.predict(atoms, spread=True)
    for given in (atoms, atoms.to(dtype=torch.float32)):
        found = copy.predict(given, spread=True)
        assert found.forces_std.dtype == torch.float32
        torch.testing.assert_close(found.forces_std.double(), exact.forces_std, rtol=1e-3, atol=1e-5)


def test_data_without_energies_still_calibrates_forces(road):
    truth, train, calibration, test = road
    spread = calibrate(truth, train, [replace(s, energy=None) for s in calibration])
    found = spread.predict(truth.collate(test[:3]).atoms, spread=True)
    assert found.energy_std is None
    assert found.forces_std is not None


def test_labels_that_some_rows_lack_are_left_out(road):
    truth, train, calibration, test = road

    def holes(data):
        return [
            replace(s, **{("energy", "forces", "group")[k % 3]: (None, None, "")[k % 3]}) for k, s in enumerate(data)
        ]

    spread = calibrate(truth, holes(train), holes(calibration))
    found = with_spread(truth.evaluate(holes(test), predict=partial(spread.predict, spread=True))).spread
    assert found.forces.n == 1000
    assert found.energy.n == 200
    assert 0.84 <= found.forces.coverage <= 0.96
    assert 0.84 <= found.energy.coverage <= 0.97
    assert evaluate(truth, holes(test)).force_mae == truth.evaluate(holes(test)).force_mae


def test_too_little_data_is_refused(road):
    truth, train, calibration, _ = road
    with pytest.raises(DomainError, match="give at least 20"):
        calibrate(truth, train, calibration[:19])
    with pytest.raises(DomainError, match="19 labelled"):
        calibrate(truth, train, calibration[:19] + [replace(s, forces=None) for s in calibration[19:25]])
    with pytest.raises(DomainError, match="training data"):
        calibrate(truth, None, calibration)


def test_the_parts_of_the_split_are_blocks_and_large_enough():
    learn = learning_part(600)
    assert int(learn.sum()) == 200
    assert int((learn[1:] != learn[:-1]).sum()) == 19  # ten runs of twenty consecutive frames
    assert all(int((~learning_part(n)).sum()) >= least_groups(0.9) for n in range(20, 200))


def test_a_potential_without_features_has_a_spread_too(road):
    """No members, no features: what is unusual about the neighbourhood still tells large errors from small ones."""
    truth, train, calibration, test = road
    plain = EnergyForces(WithoutFeatures(truth.model)).double()
    spread = calibrate(plain, train, calibration)
    assert spread.signals.last_layer is None
    found = scores(spread, test)
    assert 0.85 <= found.forces.coverage <= 0.95
    assert found.forces.informative


class WithoutFeatures(torch.nn.Module):
    """The same energies, with nothing said about how they are made."""

    def __init__(self, model):
        super().__init__()
        self.inner, self.r_max, self.elements = model, model.r_max, model.elements

    def forward(self, atoms):
        return self.inner(atoms)
