"""What is stored comes back to the bit, from memory, a file, a folder or another process."""

import json
import pickle
from dataclasses import fields

import h5py
import numpy as np
import pytest

from surrogates.datasets import ShardWriter, Structures, overlap, require_disjoint
from surrogates.datasets.shard import BLOCK
from surrogates.physics.errors import DomainError, FileError


def equal(a, b) -> bool:
    def same(x, y):
        return x == y if not isinstance(x, np.ndarray) else x.dtype == y.dtype and np.array_equal(x, y)

    return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_memory_file_and_folder_give_back_every_bit(samples, data, tmp_path):
    data.save(tmp_path / "one.h5")
    with ShardWriter(tmp_path / "many", every=3, shard=7) as writer:
        for s in samples:
            writer.append(s)
    for found in (data, Structures.open(tmp_path / "one.h5"), Structures.open(tmp_path / "many")):
        assert len(found) == len(samples)
        assert all(equal(a, b) for a, b in zip(samples, found, strict=True))
        assert found.hash == data.hash
    assert len(list((tmp_path / "many").glob("*.h5"))) == 3


def test_units_stand_in_the_file_which_other_hdf5_programs_read(data, tmp_path):
    with h5py.File(data.save(tmp_path / "x.h5")) as file:
        assert file["forces"].attrs["units"] == "eV/Å"
        assert file.userblock_size == BLOCK
        assert file["positions"].shape == (file["offsets"][-1], 3)


def test_slices_pickles_and_sums_are_views_of_the_same_rows(data, tmp_path):
    stored = Structures.open(data.save(tmp_path / "x.h5"))
    assert equal(stored[2:9][3], data[5])
    assert equal(stored[np.array([4, 1])][0], data[4])
    assert equal(pickle.loads(pickle.dumps(stored[3:]))[0], data[3])
    assert (stored[:8] + data[8:]).hash == data.hash
    assert equal(data.every(4)[2], data[8])
    assert equal(data[-1], data[19])
    with pytest.raises(IndexError):
        data[20]


def test_atoms_carry_labels_charge_and_multiplicity(data):
    atoms = data.atoms[5:][2]
    assert atoms.get_potential_energy() == data[7].energy
    np.testing.assert_array_equal(atoms.get_forces(), data[7].forces)
    assert atoms.info["charge"] == data[7].charge
    assert atoms.info["multiplicity"] == data[7].multiplicity


def test_stored_samples_cannot_be_changed_by_accident(data):
    with pytest.raises(ValueError, match="read-only"):
        data[0].positions[0] = 0


def test_every_flipped_byte_is_noticed(data, tmp_path):
    path = data.save(tmp_path / "x.h5")
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(BLOCK, len(whole), 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(FileError, match="SHA-256"):
            Structures.open(path)


def test_a_shard_that_is_not_the_listed_one_is_noticed(samples, tmp_path):
    for name, part in (("a", samples[:5]), ("b", samples[5:10])):
        with ShardWriter(tmp_path / name) as writer:
            for s in part:
                writer.append(s)
    (shard,) = (tmp_path / "a").glob("*.h5")
    (other,) = (tmp_path / "b").glob("*.h5")
    shard.write_bytes(other.read_bytes())
    with pytest.raises(FileError, match="not the shard its manifest lists"):
        Structures.open(tmp_path / "a")[0]


def test_a_manifest_cannot_lead_out_of_its_folder(samples, tmp_path):
    with ShardWriter(tmp_path / "a") as writer:
        writer.append(samples[0])
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    manifest["shards"][0]["name"] = "../other.h5"
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FileError, match="damaged manifest"):
        Structures.open(tmp_path / "a")


def test_labels_for_some_samples_only_are_refused(samples):
    from dataclasses import replace

    with pytest.raises(DomainError, match="forces is given for 1 of 2"):
        Structures([samples[0], replace(samples[1], forces=None)])


def test_row_hashes_ignore_order_and_place_but_nothing_else(frames):
    from surrogates.datasets.adapters import sample_of

    def digest(atoms):
        return Structures([sample_of(atoms)]).row_hashes()[0]

    first = frames[0].copy()
    turned = first[np.random.default_rng(1).permutation(len(first))]
    turned.positions += 0.5
    assert digest(turned) == digest(first)
    moved, ion = first.copy(), first.copy()
    moved.positions[3, 1] += 0.001
    ion.info["charge"] = 1
    assert len({digest(first), digest(moved), digest(ion)}) == 3


def test_lattice_translations_are_the_same_structure(crystals):
    from surrogates.datasets.adapters import sample_of

    wrapped = crystals[0].copy()
    wrapped.positions[1] += wrapped.cell[0] - 2 * wrapped.cell[2]
    one, two = (Structures([sample_of(a)]).row_hashes() for a in (crystals[0], wrapped))
    assert one == two


def test_test_rows_in_the_training_set_are_an_error(data):
    train, test = data[:10], data[8:15]
    assert overlap(train, test) == [(8, 0), (9, 1)]
    require_disjoint(train, test=data[10:])
    assert (data + data[3:5]).distinct().hash == data.hash
    with pytest.raises(DomainError, match="2 structures of the test data are among the training data"):
        require_disjoint(train, test=test)
