"""Neighbour lists: both searches against ASE's, on everything that goes wrong in one."""

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list as ase_neighbor_list

from surrogates.physics.atoms.all_pairs import all_pairs, complete_cell
from surrogates.physics.atoms.neighbors import cell_lists, neighbor_list


def _skewed():
    rng = np.random.default_rng(0)
    crystal = bulk("NaCl", "rocksalt", 5.6)
    crystal.set_cell(crystal.cell.array @ (np.eye(3) + rng.normal(0, 0.3, (3, 3))), scale_atoms=True)
    crystal.positions += rng.normal(0, 6, crystal.positions.shape)  # far outside the cell
    return crystal


def _water(cell, pbc):
    return ase.Atoms(molecule("H2O"), cell=cell, pbc=pbc)


STRUCTURES = {
    "molecule": molecule("CH3CH2OH"),
    "one atom a cell": bulk("Cu"),
    "two atoms a cell": bulk("Si"),
    "slab": fcc111("Cu", (1, 1, 3), vacuum=4.0),
    "slab, zero row": fcc111("Cu", (1, 1, 2)),
    "sheet, skewed, zero row": _water([[3, 0, 0], [1.5, 2.5, 0], [0, 0, 0]], [1, 1, 0]),
    "wire": _water([[0, 0, 0], [0, 4, 0], [0, 0, 0]], [0, 1, 0]),
    "open direction not orthogonal": _water([[4, 0, 0], [0, 4, 0], [3, 1, 5]], [1, 1, 0]),
    "skewed, atoms outside": _skewed(),
    "no neighbours": ase.Atoms("He"),
}


def tensors(frames):
    atoms = torch.tensor([len(f) for f in frames])
    return (
        torch.tensor(np.concatenate([f.positions for f in frames])),
        torch.arange(len(frames)).repeat_interleave(atoms),
        torch.tensor(np.array([f.cell.array for f in frames])),
        torch.tensor(np.array([f.pbc for f in frames])),
    )


def reference(frames, r_max):
    rows, first = [], 0
    for f in frames:
        i, j, s = ase_neighbor_list("ijS", f, r_max)
        rows += [(a + first, b + first, *c) for a, b, c in zip(i.tolist(), j.tolist(), s.tolist(), strict=True)]
        first += len(f)
    return sorted(rows)


@pytest.mark.parametrize("search", [all_pairs, cell_lists])
@pytest.mark.parametrize("r_max", [2.0, 5.0])
def test_edges_are_those_of_ase_in_lexicographic_order(search, r_max):
    frames = list(STRUCTURES.values())
    positions, structure, cell, pbc = tensors(frames)
    edges, images = search(positions, structure, complete_cell(cell, pbc), pbc, r_max)
    assert [tuple(row) for row in torch.cat([edges, images.T]).T.tolist()] == reference(frames, r_max)


@pytest.mark.parametrize("name", STRUCTURES)
def test_shifts_lead_to_neighbours(name):
    positions, structure, cell, pbc = tensors([STRUCTURES[name]])
    edges, shift = neighbor_list(positions, structure, cell, pbc, 4.0)
    length = (positions[edges[1]] - positions[edges[0]] + shift).norm(dim=1)
    expected = ase_neighbor_list("d", STRUCTURES[name], 4.0)
    torch.testing.assert_close(length.sort().values, torch.tensor(np.sort(expected)), rtol=0, atol=1e-12)


def test_a_batch_is_its_members():
    frames = [STRUCTURES["molecule"]] * 3 + [STRUCTURES["two atoms a cell"]] * 2
    whole, shift = neighbor_list(*tensors(frames), 3.0)
    first, parts = 0, []
    for frame in frames:
        edges, own = neighbor_list(*tensors([frame]), 3.0)
        parts.append((edges + first, own))
        first += len(frame)
    assert torch.equal(whole, torch.cat([e for e, _ in parts], 1))
    torch.testing.assert_close(shift, torch.cat([s for _, s in parts]), rtol=0, atol=1e-12)


def test_many_pairs_are_tested_in_chunks(monkeypatch):
    args = tensors([STRUCTURES["two atoms a cell"], STRUCTURES["molecule"]])
    args = (args[0], args[1], complete_cell(args[2], args[3]), args[3], 5.0)
    whole = all_pairs(*args)
    monkeypatch.setattr("surrogates.physics.atoms.all_pairs._CHUNK", 700)
    assert all(torch.equal(a, b) for a, b in zip(all_pairs(*args), whole, strict=True))


def test_no_cutoff_no_edges():
    edges, shift = neighbor_list(*tensors([STRUCTURES["molecule"]]), 0.0)
    assert edges.shape == (2, 0)
    assert shift.shape == (0, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_gpu_finds_the_same():
    args = tensors(list(STRUCTURES.values()))
    there = neighbor_list(*(a.cuda() for a in args), 5.0)
    for a, b in zip(neighbor_list(*args, 5.0), there, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=0, atol=1e-12)
