"""The task of a potential: normalisation, loss, closing refit, derivatives, scores."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk

from surrogates.datasets.adapters.ase import sample_of
from surrogates.datasets.collate import collate
from surrogates.datasets.sample import Sample
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace import MACE
from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.tasks.atomic_energies import DegenerateFit, fit_isolated
from surrogates.tasks.charges import MixedStates
from surrogates.tasks.energy import EnergyForces, energy_forces, hessian
from surrogates.tasks.energy_scores import from_arrays
from surrogates.tasks.labels import mean_neighbors

ALONE = {"Cu": -3.0, "Au": -5.0}


@pytest.fixture
def truth():
    return Morse(depth=0.5, width=1.2, r0=2.6, r_max=6.0).double()


@pytest.fixture
def samples(truth):
    """Eight copper-gold clusters with the Morse potential's labels on top of the isolated atoms'."""
    rng, rows = np.random.default_rng(0), []
    for k in range(8):
        n = 3 + k % 3
        z = np.array([29, 79, 29, 79, 79])[:n] if k % 2 else np.full(n, 29)
        places = 2.7 * np.stack(np.meshgrid(*[[0.0, 1.0]] * 3), -1).reshape(-1, 3)[:n] + rng.normal(0, 0.15, (n, 3))
        bare = Sample(z, places, np.zeros((3, 3)), np.zeros(3, bool))
        found = energy_forces(truth, collate([bare], r_max=6.0, dtype=torch.float64).atoms)
        own = -3.0 * np.sum(z == 29) - 5.0 * np.sum(z == 79)
        rows.append(replace(bare, energy=found.energy.item() + own, forces=found.forces.numpy(), row=k))
    return rows


def task(model=None, **arguments):
    return EnergyForces(model or Morse(depth=1.0, width=1.0, r0=2.9, r_max=6.0), **arguments).double()


def test_before_training_a_task_is_its_potential(truth, samples):
    atoms = collate(samples, r_max=6.0, dtype=torch.float64).atoms
    torch.testing.assert_close(task(truth).predict(atoms).energies, truth(atoms))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_task_computes_in_its_potential_s_precision(samples, dtype):
    atoms = collate(samples, r_max=6.0, dtype=torch.float64).atoms
    potential = Morse(depth=1.0, width=1.0, r0=2.9, r_max=6.0).to(dtype)
    assert EnergyForces(potential).predict(atoms).energy.dtype == dtype
    assert EnergyForces(ZBL()).predict(atoms).energy.dtype == torch.float64


def test_given_isolated_atoms_are_taken(samples):
    chosen = task(isolated=ALONE)
    chosen.prepare(samples)
    assert chosen.normalise.isolated[[29, 79]].tolist() == [-3.0, -5.0]
    rms = np.sqrt(np.mean(np.concatenate([s.forces.ravel() for s in samples]) ** 2))
    assert chosen.normalise.scale.item() == pytest.approx(rms, rel=1e-12)
    with pytest.raises(DomainError, match="no energy for Au"):
        task(isolated={"Cu": -3.0}).prepare(samples)
    with pytest.raises(DomainError, match="'Xx'"):
        task(isolated={"Xx": -3.0}).prepare(samples)


def test_least_squares_finds_isolated_atoms_from_several_compositions():
    counts = np.array([[2, 1], [1, 1], [3, 1], [1, 4]])
    found = fit_isolated(counts @ np.array([-13.6, -432.0]), counts, [1, 8])
    assert found[1] == pytest.approx(-13.6, abs=1e-8)
    assert found[8] == pytest.approx(-432.0, abs=1e-8)


def test_one_composition_warns_that_isolated_atoms_are_a_guess():
    counts = np.array([[6, 1], [6, 1]])
    with pytest.warns(DegenerateFit, match=r"1 composition cannot tell .* H, O apart.*isolated="):
        found = fit_isolated(np.array([-70.0, -70.2]), counts, [1, 8])
    assert 6 * found[1] + found[8] == pytest.approx(-70.1, abs=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, energy=float("nan")), "training row 0: energy not finite"),
        (lambda s: replace(s, forces=np.full_like(s.forces, np.inf)), "training row 0: forces not finite"),
        (lambda s: replace(s, numbers=np.full(len(s), 18)), "has Ar.*built for Cu, Au"),
    ],
)
def test_bad_labels_and_unknown_elements_are_told(samples, change, message):
    known = task(LennardJones(epsilon={"Cu": 0.4, "Au": 0.4}, sigma={"Cu": 2.3, "Au": 2.6}))
    with pytest.raises(DomainError, match=message):
        known.prepare([change(samples[0]), *samples[1:]])


def test_states_that_a_model_cannot_tell_apart_are_told(samples):
    ion = [replace(s, charge=1.0) for s in samples]
    with pytest.warns(MixedStates, match="charge 0 with multiplicity 1, charge 1 with"):
        task().prepare(samples + ion)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixedStates)
        task().prepare(ion)
        task(ChargeReader()).prepare(samples + ion)


class ChargeReader(Morse):
    """A potential that knows its structure's charge."""

    def forward(self, atoms):
        return super().forward(atoms) + atoms.charge[atoms.structure]


def test_refit_leaves_no_mean_error_in_any_element(samples):
    fitted = task()
    fitted.prepare(samples)
    fitted.normalise.correct({29: 1.0, 79: -4.0}, 0.3)
    fitted.refit(samples * 2)
    scores = fitted.evaluate(samples)
    error = (scores.arrays["energy"] - scores.arrays["energy_reference"]) / scores.arrays["sizes"]
    shares = np.array([[np.mean(s.numbers == z) for z in (29, 79)] for s in samples])
    np.testing.assert_allclose(shares.T @ error, 0.0, atol=1e-9)  # normal equations of the closed form


def test_refit_does_not_touch_isolated_atoms_that_were_given(samples):
    fitted = task(isolated={"Cu": -2.0, "Au": -9.0})
    fitted.prepare(samples)
    before = fitted.normalise.shift.item()
    fitted.normalise.correct({}, 0.7)
    fitted.refit(samples * 2)
    assert fitted.normalise.isolated[[29, 79]].tolist() == [-2.0, -9.0]
    scores = fitted.evaluate(samples)
    error = (scores.arrays["energy"] - scores.arrays["energy_reference"]) / scores.arrays["sizes"]
    assert np.mean(error) == pytest.approx(0.0, abs=1e-9)  # the shift did what was left to do
    assert fitted.normalise.shift.item() != before


def test_loss_is_the_weighted_sum_of_its_parts_in_their_units(samples):
    chosen = task(isolated=ALONE)
    chosen.prepare(samples)
    weights = {"energy": 3.0, "forces": 7.0, "stress": 1.0}
    batch = chosen.collate(samples)
    loss, parts = chosen.loss(batch, weights)
    result = chosen.predict(batch.atoms)
    sizes = torch.tensor([len(s) for s in samples])
    energy = ((result.energy - batch.labels.energy) / sizes).square().mean()
    forces = (result.forces - batch.labels.forces).square().mean()
    torch.testing.assert_close(loss.detach(), 3 * energy + 7 * forces)
    torch.testing.assert_close(parts["energy"], energy)
    assert set(parts) == {"energy", "forces"}


def test_the_gradient_of_the_loss_is_its_derivative(samples):
    chosen = task(isolated=ALONE)
    chosen.prepare(samples)
    batch, width = chosen.collate(samples), chosen.model.width
    chosen.loss(batch, {"energy": 1.0, "forces": 10.0})[0].backward()
    values = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            width += step
            values.append(chosen.loss(batch, {"energy": 1.0, "forces": 10.0})[0].item())
            width -= step
    assert width.grad.item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


def test_energies_alone_suffice(samples):
    bare = [replace(s, forces=None) for s in samples]
    chosen = task(isolated=ALONE)
    chosen.prepare(bare)
    assert set(chosen.loss(chosen.collate(bare), {"energy": 1.0, "forces": 1.0})[1]) == {"energy"}
    chosen.refit(bare)
    scores = chosen.evaluate(bare)
    assert scores.force_mae is None
    assert scores.energy_mae < 0.5


def test_a_label_that_some_rows_lack_is_left_out_there(samples):
    mixed = [replace(s, forces=None) if k % 2 else s for k, s in enumerate(samples)]
    chosen = task(isolated=ALONE)
    chosen.prepare(mixed)
    weights = {"energy": 1.0, "forces": 1.0}
    found, expected = (chosen.loss(chosen.collate(rows), weights)[1]["forces"] for rows in (mixed, mixed[::2]))
    torch.testing.assert_close(found, expected)
    scores = chosen.evaluate(mixed)
    assert scores.force_mae == pytest.approx(chosen.evaluate(mixed[::2]).force_mae)
    assert scores.energy_mae == pytest.approx(chosen.evaluate(samples).energy_mae)


def test_stress_is_learnt_from_strained_crystals(truth):
    rows = []
    for strain in (0.0, 0.02, -0.01):
        cell = np.full((3, 3), 1.9) * (1 - np.eye(3)) * (1 + strain) + strain * np.eye(3)
        bare = Sample(np.array([29]), np.zeros((1, 3)), cell, np.ones(3, bool))
        found = energy_forces(truth, collate([bare], r_max=6.0, dtype=torch.float64).atoms, stress=True)
        labels = {"forces": found.forces.numpy(), "stress": found.stress[0].numpy()}
        rows.append(replace(bare, energy=found.energy.item(), **labels))
    known, wrong = task(truth), task()
    weights = {"energy": 1.0, "forces": 1.0, "stress": 100.0}
    assert known.loss(known.collate(rows), weights)[0].item() < 1e-24
    loss, parts = wrong.loss(wrong.collate(rows), weights)
    assert parts["stress"] > 1e-5
    loss.backward()
    assert wrong.model.r0.grad.isfinite()
    assert known.evaluate(rows).stress_mae < 1e-12


def test_molecules_and_strained_crystals_share_a_batch(samples):
    fitted = task()
    crystal = sample_of(bulk("Cu", cubic=True), energy=-1.0, forces=np.zeros((4, 3)), stress=np.full(6, 0.01))
    loss, _ = fitted.loss(fitted.collate([crystal, *samples]), {"energy": 1.0, "forces": 1.0, "stress": 1.0})
    loss.backward()
    assert all(p.grad.isfinite().all() for p in fitted.model.parameters())
    stress = fitted.predict(fitted.collate([crystal, *samples]).atoms, stress=True).stress
    assert stress[0].isfinite().all()
    assert stress[1:].isnan().all()


def test_neighbours_are_counted_within_the_models_own_cutoff(samples):
    model = MACE(elements=["Cu", "Au"], r_max=3.0, hidden="2x0e", edge_l_max=0, radial_widths=[4])
    task(model, baseline=LennardJones(r_max=6.0)).prepare(samples)
    assert model.avg_num_neighbors.item() == pytest.approx(mean_neighbors(samples, 3.0))


def test_a_known_baseline_leaves_nothing_to_learn(truth, samples):
    delta = task(Morse(depth=1e-12, r_max=6.0), baseline=truth, isolated=ALONE)
    delta.prepare(samples)
    scores = delta.evaluate(samples)
    assert scores.energy_mae < 1e-10
    assert scores.force_mae < 1e-10
    assert delta.normalise.scale.item() == 1.0  # no forces are left to set a scale


def test_hessian_is_the_derivative_of_forces_structure_by_structure(truth, samples):
    chosen = task(truth)
    atoms = collate(samples[3:5], r_max=6.0, dtype=torch.float64).atoms
    found, n, h = chosen.hessian(atoms), atoms.positions.numel(), 1e-5
    numeric = torch.zeros(n, n, dtype=torch.float64)
    for k in range(n):
        step = torch.zeros(n, dtype=torch.float64).index_fill_(0, torch.tensor(k), h).reshape(-1, 3)
        plus, minus = (
            energy_forces(chosen, replace(atoms, positions=atoms.positions + s)).forces for s in (step, -step)
        )
        numeric[k] = -((plus - minus) / (2 * h)).reshape(-1)
    torch.testing.assert_close(found, numeric, rtol=1e-6, atol=1e-7)
    assert torch.equal(found, found.T)
    first = 3 * len(samples[3])
    assert found[:first, first:].abs().max() == 0
    torch.testing.assert_close(
        found[:first, :first], chosen.hessian(collate(samples[3:4], r_max=6.0, dtype=torch.float64).atoms)
    )


def test_a_part_that_cannot_be_batched_gives_the_same_hessian(truth, samples):
    class Unbatched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            if torch._C._functorch.is_batchedtensor(grad):
                raise RuntimeError("no batching rule")
            return grad

    atoms = collate(samples[:1], r_max=6.0, dtype=torch.float64).atoms
    single = hessian(lambda a: truth(replace(a, positions=Unbatched.apply(a.positions))), atoms)
    torch.testing.assert_close(single, hessian(truth, atoms))


def test_scores_are_the_textbook_ones():
    arrays = {
        "numbers": np.array([1, 1, 8, 1]),
        "sizes": np.array([3, 1]),
        "energy": np.array([-10.0, -1.0]),
        "energy_reference": np.array([-10.3, -1.2]),
        "forces": np.zeros((4, 3)),
        "forces_reference": np.array([[0.3, 0, 0], [0, 0, 0], [0, 0, -0.6], [0, 0, 0]]),
    }
    scores = from_arrays(arrays)
    assert scores.energy_mae == pytest.approx(0.15)
    assert scores.energy_rmse == pytest.approx(np.sqrt(0.025))
    assert scores.force_mae == scores.force_mae_trivial == pytest.approx(0.9 / 12)
    assert scores.force_mae_by_element == pytest.approx({"H": 0.3 / 9, "O": 0.2})
    assert scores.energy_mae_trivial == pytest.approx(0.0, abs=1e-12)  # two compositions, two elements
    for word in ("2 structures, 4 atoms", "meV/atom", "meV/Å", "O 200"):
        assert word in str(scores)


class Once(torch.autograd.Function):
    """What torch.compile makes of a model: a gradient that refuses to be differentiated, in torch's words."""

    @staticmethod
    def forward(ctx, x):
        return x.square().sum(1)

    @staticmethod
    def backward(ctx, g):
        if torch.is_grad_enabled():
            raise RuntimeError("This backward function was compiled with non-empty donated buffers which requires ...")
        return torch.ones(len(g), 3, dtype=g.dtype)


def test_forces_of_a_compiled_model_are_not_differentiated(samples):
    atoms = collate(samples[:1], r_max=6.0, dtype=torch.float64).atoms
    assert energy_forces(lambda a: Once.apply(a.positions), atoms).forces.max() == -1
    with pytest.raises(DomainError, match=r"torch.compile.*compile it to predict"):
        energy_forces(lambda a: Once.apply(a.positions), atoms, create_graph=True)
