"""MACE: symmetry, locality, smoothness, and what each ingredient is for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.spatial.transform import Rotation

from surrogates.blocks.neighbor_norm import LearnedDensity
from surrogates.construct import construct, describe
from surrogates.datasets.batch import AtomsBatch
from surrogates.equivariance.wigner import wigner_d
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace import MACE
from surrogates.training import load

IMPROPER = -torch.as_tensor(Rotation.random(random_state=7).as_matrix())  # a rotation and a reflection
SMALL = dict(elements=[1, 6, 8], r_max=4.0, n_radial=4, radial_widths=[8], avg_num_neighbors=4.0)
KINDS = {
    "vectors": dict(hidden="4x0e + 4x1o", edge_l_max=2, correlation=3),
    "parity doubled": dict(hidden="3x0o + 3x0e + 3x1o + 3x1e", edge_l_max=1, correlation=2, layers=3),
    "tensors": dict(hidden="2x0e + 2x1o + 2x2e", edge_l_max=3, correlation=2),
    "density": dict(hidden="4x0e + 4x1o", norm=LearnedDensity(4)),
    "linear": dict(hidden="4x0e", edge_l_max=1, correlation=1, layers=1),
}


def molecule(n: int = 7, seed: int = 0, dtype=torch.float64) -> AtomsBatch:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(n, 3, generator=generator, dtype=torch.float64) * 4
    one = torch.zeros(1, dtype=torch.float64)
    return AtomsBatch(
        numbers=torch.tensor([1, 6, 8])[torch.randint(3, (n,), generator=generator)],
        positions=positions,
        structure=torch.zeros(n, dtype=torch.long),
        cell=torch.zeros(1, 3, 3, dtype=torch.float64),
        pbc=torch.zeros(1, 3, dtype=torch.bool),
        charge=one,
        multiplicity=torch.ones(1, dtype=torch.long),
        edges=torch.zeros(2, 0, dtype=torch.long),
        shift=torch.zeros(0, 3, dtype=torch.float64),
    ).to(dtype=dtype)


def mace(kind: str) -> MACE:
    torch.manual_seed(1)
    return MACE(**SMALL, **KINDS[kind]).double()


@pytest.mark.parametrize("kind", KINDS)
def test_energies_do_not_depend_on_the_frame(kind):
    model, atoms = mace(kind), molecule()
    before = model(atoms.with_edges(4.0))
    assert before.std() > 0.1  # random weights give energies of order one
    after = model(replace(atoms, positions=atoms.positions @ IMPROPER.T + 1.0).with_edges(4.0))
    torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["vectors", "parity doubled"])
def test_hidden_features_turn_with_the_molecule(kind):
    model, atoms = mace(kind), molecule()
    seen = []
    model.layers[-2].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    for positions in (atoms.positions, atoms.positions @ IMPROPER.T):
        model(replace(atoms, positions=positions).with_edges(4.0))
    expected = torch.einsum("ij,jnc->inc", wigner_d(model.layers[-2].outputs.irreps, IMPROPER), seen[0])
    assert seen[0].flatten(1).norm(dim=1).max() > 0.1
    torch.testing.assert_close(seen[1], expected, rtol=1e-10, atol=1e-10)


def test_permuting_atoms_permutes_energies():
    model, atoms = mace("vectors"), molecule()
    order = torch.randperm(7)
    mixed = replace(atoms, numbers=atoms.numbers[order], positions=atoms.positions[order])
    energies = model(atoms.with_edges(4.0))
    torch.testing.assert_close(model(mixed.with_edges(4.0)), energies[order], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["vectors", "density"])
def test_edges_beyond_the_cutoff_change_nothing(kind):
    model, atoms = mace(kind), molecule(12)
    atoms = replace(atoms, positions=atoms.positions * 1.5)
    near, skin = atoms.with_edges(4.0), atoms.with_edges(5.5)
    assert skin.edges.shape[1] > near.edges.shape[1]
    torch.testing.assert_close(model(skin), model(near), rtol=1e-13, atol=1e-13)


def test_smooth_as_an_atom_crosses_the_cutoff():
    model, atoms = mace("vectors"), molecule(3)

    def force(x: float) -> torch.Tensor:
        spread = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [x, 0, 0]], dtype=torch.float64)
        moved = replace(atoms, positions=spread).with_edges(4.5)
        leaf = moved.positions.requires_grad_()
        return torch.autograd.grad(model(replace(moved, positions=leaf)).sum(), leaf)[0]

    for edge in (4.0, 5.0):  # atom 2 leaves atom 0, then atom 1
        torch.testing.assert_close(force(edge - 3e-8), force(edge + 3e-8), rtol=0, atol=1e-8)
    assert force(4.9)[2].abs().max() > 1e-8


def test_elements_and_distant_neighbours_matter():
    model, atoms = mace("vectors"), molecule()
    other = replace(atoms, numbers=torch.where(atoms.numbers == 6, 8, 6))
    assert (model(other.with_edges(4.0)) - model(atoms.with_edges(4.0))).abs().min() > 1e-3
    chain = replace(molecule(3), positions=torch.tensor([[0.0, 0, 0], [2.2, 0, 0], [4.4, 0, 0]], dtype=torch.float64))
    bent = replace(chain, positions=chain.positions + torch.tensor([[0.0] * 3, [0.0] * 3, [0.0, 1.0, 0.0]]).double())
    first = [model(b.with_edges(4.0))[0] for b in (chain, bent)]
    assert (first[0] - first[1]).abs() > 1e-6  # two layers see twice the cutoff


def test_energies_are_linear_in_the_last_layer_features():
    model, atoms = mace("vectors"), molecule().with_edges(4.0)
    torch.testing.assert_close(model.features(atoms) @ model.last_layer.weight[0], model(atoms))


def test_float32_agrees_with_float64_after_both_conversions():
    model, atoms = mace("vectors"), molecule().with_edges(4.0)
    exact = model(atoms)
    single = model.float()(atoms.to(dtype=torch.float32))
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-4)
    rounded = model.double()(atoms)  # weights are rounded now, tables are not
    assert (rounded - exact).abs().max() < 1e-5


def test_a_new_model_is_float32_throughout():
    model = MACE(elements=["H", "C", "O"], norm=LearnedDensity())
    assert {w.dtype for w in model.parameters()} == {torch.float32}
    assert model(molecule(dtype=torch.float32).with_edges(5.0)).dtype == torch.float32


def test_forces_differentiate_again():
    model, atoms = mace("vectors"), molecule(4).with_edges(4.0)

    def force(positions: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(model(replace(atoms, positions=positions)).sum(), positions, create_graph=True)[0]

    assert torch.autograd.gradcheck(force, atoms.positions.requires_grad_(), eps=1e-5, atol=1e-5)


def test_statistics_set_the_neighbour_count_and_empty_batches_work():
    model, atoms = mace("vectors"), molecule().with_edges(4.0)
    before = model(atoms)
    model.set_statistics(avg_num_neighbors=9.0)
    assert (model(atoms) - before).abs().max() > 1e-3
    assert model(molecule().with_edges(1e-3)).shape == (7,)


@pytest.mark.parametrize("kind", ["mean", "density"])
def test_checkpoints_from_before_the_parts_stay_readable(kind):
    folder = Path(__file__).parent
    wanted = torch.tensor(json.loads((folder / "format_1_mace.json").read_text())[kind], dtype=torch.float64)
    task = load(folder / f"format_1_mace_{kind}.safetensors").task
    torch.testing.assert_close(task(molecule().with_edges(4.0)).detach(), wanted, rtol=1e-12, atol=1e-12)


def test_models_of_parts_are_described_and_made_again():
    """The same trunk and readouts as parts give the same energies, also through a checkpoint's description."""
    model = mace("vectors")
    readouts = model.readouts.values()
    parts = MACE(trunk=model.trunk, readouts=[None, *readouts]).double()
    parts.last_layer.load_state_dict(model.last_layer.state_dict())
    again = construct(describe(parts)).double()
    again.load_state_dict(parts.state_dict())
    atoms = molecule().with_edges(4.0)
    assert torch.equal(parts(atoms), model(atoms))
    assert torch.equal(again(atoms), model(atoms))
    with pytest.raises(DomainError, match="one more readout"):
        MACE(trunk=model.trunk, readouts=[None])


@pytest.mark.parametrize(
    "wrong", [dict(hidden="4x0e + 3x1o"), dict(hidden="4x1o"), dict(correlation=5), dict(r_max=-1.0), dict(elements=[])]
)
def test_impossible_arguments_are_refused(wrong):
    with pytest.raises(DomainError):
        MACE(**{**SMALL, **wrong})
