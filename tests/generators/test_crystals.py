"""Crystals, slabs, supercells and vacancies have the geometry that their words promise; parts of several walkers."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from surrogates.datasets.generators import generate, rattled, structures_from_spec
from surrogates.datasets.generators.crystals import LATTICES
from surrogates.physics.errors import DomainError

EMT = {"use": "ase.calculators.emt:EMT"}
SHAPES = {
    **{"bct": {"c": 4.4}, "hcp": {"c": 4.9}, "tetragonal": {"c": 4.4}, "wurtzite": {"c": 5.0}},
    **{"rhombohedral": {"alpha": 70}, "orthorhombic": {"b": 3.5, "c": 4.4}, "mcl": {"b": 3.5, "c": 4.4, "alpha": 80}},
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("lattice", LATTICES)
def test_every_lattice_is_built_and_strained(lattice):
    """Distances between atoms have the metric of the lattice; a strained copy has the volume drawn for it."""
    pairs = {"zincblende": "ZnS", "rocksalt": "NaCl", "cesiumchloride": "CsCl", "fluorite": "CaF2", "wurtzite": "ZnO"}
    spec = {"bulk": pairs.get(lattice, "X"), "crystalstructure": lattice, "a": 3.9, **SHAPES.get(lattice, {})}
    spec["bulk"] = "Cu" if spec["bulk"] == "X" else spec["bulk"]
    (cell,) = structures_from_spec(spec)
    assert cell.pbc.all()
    assert neighbor_list("d", cell, 4.5).min() > 1.5
    (moved,) = structures_from_spec({**spec, "volume": [1.05, 1.05]})
    assert moved.get_volume() / cell.get_volume() == pytest.approx(1.05, rel=1e-12)
    np.testing.assert_allclose(moved.get_scaled_positions(), cell.get_scaled_positions(), atol=1e-12)


def test_a_slab_has_the_layers_spacing_and_vacuum_of_its_indices():
    a = 3.6
    for miller, spacing in (([1, 1, 1], a / 3**0.5), ([1, 0, 0], a / 2), ([1, 1, 0], a / 8**0.5)):
        (cut,) = structures_from_spec({"bulk": "Cu", "a": a, "miller": miller, "layers": 3, "vacuum": 6})
        normal = np.cross(cut.cell[0], cut.cell[1])
        heights = np.unique((cut.positions @ normal / np.linalg.norm(normal)).round(6))
        np.testing.assert_allclose(np.diff(heights), spacing, rtol=1e-6)
        gap = cut.get_volume() / np.linalg.norm(normal) - (heights[-1] - heights[0])
        assert gap == pytest.approx(12.0, abs=1e-6)
        assert cut.pbc.all()
    (basal,) = structures_from_spec({"bulk": "Mg", "miller": [0, 0, 1], "layers": 2})
    assert len(basal) == 4


def test_a_supercell_is_the_same_crystal():
    (conventional,) = structures_from_spec({"bulk": "Cu", "a": 3.6, "supercell": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]})
    assert len(conventional) == 4
    np.testing.assert_allclose(conventional.cell.lengths(), 3.6)
    (large,) = structures_from_spec({"bulk": "Cu", "a": 3.6, "repeat": [2, 1, 3]})
    for cell in (conventional, large):
        assert np.bincount(neighbor_list("i", cell, 3.0)).tolist() == [12] * len(cell)


def test_vacancies_are_missing_atoms_that_differ_from_copy_to_copy():
    spec = {"bulk": "NaCl", "crystalstructure": "rocksalt", "a": 5.64, "cubic": True, "repeat": 2, "vacancies": 2}
    found = structures_from_spec({**spec, "count": 5, "seed": 1})
    assert {len(a) for a in found} == {62}
    assert len({tuple(map(tuple, a.positions.round(3))) for a in found}) == 5
    assert np.allclose(found[0].positions, structures_from_spec({**spec, "count": 5, "seed": 1})[0].positions)
    moved = structures_from_spec({**spec, "rattle": 0.05})[0]
    assert len(moved) == 62


def test_volumes_are_drawn_evenly_and_a_slab_is_strained_in_its_plane():
    atoms = bulk("Cu", cubic=True)
    ratios = [a.get_volume() / atoms.get_volume() for a in rattled(atoms, 0.0, volume=(0.9, 1.1), count=200)]
    assert min(ratios) == pytest.approx(0.9, abs=0.005)
    assert max(ratios) == pytest.approx(1.1, abs=0.005)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.015)  # standard error 0.004
    sheet = structures_from_spec({"bulk": "Cu", "miller": [1, 1, 1], "layers": 2})[0]
    sheet.pbc = (True, True, False)
    (moved,) = rattled(sheet, 0.0, strain=0.05, volume=(1.1, 1.1), seed=3)
    area = [np.linalg.norm(np.cross(a.cell[0], a.cell[1])) for a in (moved, sheet)]
    assert area[0] != pytest.approx(area[1], rel=0.01)
    np.testing.assert_allclose(np.ptp(moved.positions[:, 2]), np.ptp(sheet.positions[:, 2]), atol=1e-9)
    np.testing.assert_allclose(moved.get_scaled_positions()[:, :2], sheet.get_scaled_positions()[:, :2], atol=1e-9)


def test_a_part_of_several_walkers_has_all_their_samples_each_with_stress():
    cell = {"bulk": "Cu", "cubic": True}
    train = [
        {"rattle": 0.05, "strain": 0.02, "volume": [0.95, 1.05], "samples": 3},
        {"rattle": 0.05, "samples": 2, "structures": {**cell, "repeat": [2, 1, 1], "vacancies": 1}},
        {"rattle": 0.02, "samples": 2, "structures": {"bulk": "Cu", "miller": [1, 1, 1], "layers": 2}},
        {"temperature": 300, "samples": 2, "timestep": 4, "equilibration": 8},
    ]
    parts = generate(cell, EMT, {"train": train, "test": {"rattle": 0.05, "samples": 2}}, spacing=8)
    assert [len(s) for s in parts["train"]] == [4, 4, 4, 7, 7, 2, 2, 4, 4]
    assert parts["train"].labels == ("energy", "forces", "stress")
    assert [s.group for s in parts["train"]][::4] == ["train/0", "train+1/0", "train+3/0"]
    assert len({h for name in parts for h in parts[name].row_hashes()}) == 11
    assert parts.calls == {"train": 9 + 4, "test": 3}  # a start of each walker, and every sample
    alone = generate(cell, EMT, {"train": train[0]}, spacing=8)["train"]
    assert np.array_equal(alone[0].positions, parts["train"][0].positions)


def test_stress_is_not_dropped_in_silence():
    mixed = [{"rattle": 0.05, "samples": 1}, {"rattle": 0.05, "samples": 1, "structures": molecule("CH4")}]
    with pytest.raises(DomainError, match=r"CH4 \(periodic along \[False"):
        generate({"bulk": "Cu"}, EMT, {"train": mixed})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"bulk": "Cu", "layers": 3}, "add miller"),
        ({"bulk": "Cu", "miller": [1, 1]}, "three whole numbers"),
        ({"bulk": "Cu", "miller": [0, 0, 0]}, "not all of them 0"),
        ({"bulk": "Cu", "miller": [1, 1, 1], "vacuum": -3.0}, "above 0"),
        ({"bulk": "Cu", "vacancies": 1}, "in a supercell"),
        ({"bulk": "Cu", "supercell": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]}, "positive determinant"),
        ({"bulk": "Cu", "supercell": [[0.5, 0, 0], [0, 1, 0], [0, 0, 1]]}, "whole numbers"),
        ({"bulk": "Cu", "volume": [1.1]}, "two factors"),
        ({"bulk": "Cu", "volume": ["a", 1]}, "two factors"),
        ({"bulk": "Cu", "cubic": "yes"}, "true or false"),
        ({"bulk": "Cu", "crystalstructure": "mcl", "a": 3.0}, "no crystal"),
        ({"molecule": "H2O", "repeat": 2}, "take no 'repeat'"),
        ({"molecule": "H2O", "volume": [0.9, 1.1]}, "no periodic cell"),
    ],
)
def test_what_is_no_crystal_is_refused(spec, words):
    with pytest.raises(DomainError, match=words):
        structures_from_spec(spec)


def test_pymatgen_structures_keep_their_fixed_atoms_and_partial_sites_are_refused():
    core = pytest.importorskip("pymatgen.core")
    flags = [[False] * 3, [True] * 3, [True, True, False]]
    lattice = core.Lattice.cubic(5.0)
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0.5]]
    given = core.Structure(lattice, ["Cu"] * 3, sites, site_properties={"selective_dynamics": flags})
    (atoms,) = structures_from_spec(given)
    moved = atoms.copy()
    moved.set_positions(atoms.positions + 0.1)
    np.testing.assert_allclose(moved.positions - atoms.positions, 0.1 * np.array(flags), atol=1e-12)
    with pytest.raises(DomainError, match="site 0 is partially occupied"):
        structures_from_spec(core.Structure(lattice, [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]]))
