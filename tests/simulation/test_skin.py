"""A Verlet skin changes the work, never the result."""

from dataclasses import replace

import pytest
import torch
from ase.build import bulk, fcc111

from surrogates.physics.errors import DomainError
from surrogates.simulation.skin import Skin
from surrogates.simulation.structures import as_batch


def walk(steps=30, size=0.03):
    generator = torch.Generator().manual_seed(0)
    crystal = as_batch([bulk("Cu", cubic=True), bulk("Si")])
    for _ in range(steps):
        yield crystal
        move = torch.randn(crystal.positions.shape, generator=generator, dtype=torch.float64)
        crystal = replace(crystal, positions=crystal.positions + size * move)


def test_edges_are_those_of_a_fresh_search():
    skin = Skin(4.0, 0.6)
    for atoms in walk():
        fresh, kept = atoms.with_edges(4.0), skin(atoms)
        assert torch.equal(kept.edges, fresh.edges)
        assert torch.equal(kept.shift, fresh.shift)
    assert 1 < skin.searches < 10


def test_half_the_margin_is_the_limit():
    """A wider allowance than half would miss pairs: two atoms that approach each other by 0.45 of the margin each."""
    skin, (atoms, *_) = Skin(4.0, 0.6), walk(1)
    skin(atoms)
    nudged = replace(atoms, positions=atoms.positions + torch.tensor([0.29, 0.0, 0.0], dtype=torch.float64))
    skin(nudged)
    assert skin.searches == 1
    skin(replace(atoms, positions=atoms.positions + torch.tensor([0.31, 0.0, 0.0], dtype=torch.float64)))
    assert skin.searches == 2


def test_another_structure_needs_a_new_search():
    skin, (atoms, *_) = Skin(4.0, 0.6), walk(1)
    for changed in (
        replace(atoms, cell=atoms.cell * 0.8),
        replace(atoms, pbc=~atoms.pbc),
        replace(atoms, numbers=atoms.numbers + 1),
    ):
        skin(atoms)
        before = skin.searches
        assert torch.equal(skin(changed).edges, changed.with_edges(4.0).edges)
        assert skin.searches == before + 1


def test_a_cell_that_changes_eats_up_the_margin():
    """Edges stay those of a fresh search while cells strain and atoms move, slabs included, with few searches."""
    generator = torch.Generator().manual_seed(0)
    atoms = as_batch([bulk("Cu", cubic=True), bulk("Si"), fcc111("Cu", (2, 2, 2), vacuum=3.0)])
    skin, plane = Skin(4.0, 0.8), atoms.pbc.double()
    strain = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64) * plane[:, :, None] * plane[:, None, :]
    for _ in range(15):
        fresh, kept = atoms.with_edges(4.0), skin(atoms)
        assert torch.equal(kept.edges, fresh.edges)
        torch.testing.assert_close(kept.shift, fresh.shift, rtol=0, atol=1e-12)
        deform = torch.eye(3, dtype=torch.float64) + 0.005 * strain
        move = 0.02 * torch.randn(atoms.positions.shape, generator=generator, dtype=torch.float64)
        positions = torch.einsum("ni,nij->nj", atoms.positions + move, deform[atoms.structure])
        atoms = replace(atoms, positions=positions, cell=atoms.cell @ deform)
    assert 1 < skin.searches < 8


def test_a_negative_skin_is_refused():
    with pytest.raises(DomainError, match="skin"):
        Skin(4.0, -1.0)
