"""Files of trained surrogates: what goes in comes out, and damage is told."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from surrogates import tensor_file
from surrogates.datasets.collate import collate
from surrogates.physics.errors import FileError, SurrogatesError, TrustError
from surrogates.training import Plan, SeenInTraining, combine, fit, info, load
from surrogates.training.fitted import NoSpread

FORMAT_1 = Path(__file__).parent / "format_1.safetensors"


@pytest.fixture
def fitted(clusters, morse_task):
    return fit(morse_task(), clusters(12), clusters(4, seed=1), plan=Plan(epochs=2, dtype="float64"), seed=5)


def batch(rows):
    return collate(rows, r_max=6.0, dtype=torch.float64).atoms


def test_saved_and_loaded_predict_the_same_bits(fitted, clusters, tmp_path):
    again = load(fitted.save(tmp_path / "model.safetensors"))
    atoms = batch(clusters(5, seed=3))
    before, after = fitted.predict(atoms), again.predict(atoms)
    assert torch.equal(before.energy, after.energy)
    assert torch.equal(before.forces, after.forces)
    assert again.provenance == fitted.provenance
    assert again.history == fitted.history
    assert again.elements == fitted.elements
    assert again.r_max == fitted.r_max


def test_saving_twice_gives_the_same_file(fitted, tmp_path):
    first, second = fitted.save(tmp_path / "a.safetensors"), fitted.save(tmp_path / "b.safetensors")
    assert first.read_bytes() == second.read_bytes()
    assert load(first).save(tmp_path / "c.safetensors").read_bytes() == first.read_bytes()


def test_an_ensemble_lives_in_one_file(clusters, morse_task, tmp_path):
    train, valid = clusters(12), clusters(4, seed=1)
    both = combine([fit(morse_task(), train, valid, plan=Plan(epochs=1), seed=s) for s in (0, 1)])
    again = load(both.save(tmp_path / "two.safetensors"))
    atoms = batch(valid)
    assert len(again.members) == 2
    assert again.provenance["seeds"] == [0, 1]
    assert torch.equal(both.predict(atoms).energy, again.predict(atoms).energy)
    single = torch.stack([m.predict(atoms).energy for m in again.members]).mean(0)
    torch.testing.assert_close(again.predict(atoms).energy, single)


def test_training_rows_are_found_among_others(fitted, clusters, tmp_path):
    again = load(fitted.save(tmp_path / "model.safetensors"))
    mixed = type(clusters(1))([*clusters(3, seed=9), *clusters(2)])
    assert again.seen(mixed) == [3, 4]


def test_scores_are_kept_in_the_file(fitted, clusters, tmp_path):
    with pytest.warns(SeenInTraining, match="3 of 4 rows"):
        scores = fitted.evaluate(type(clusters(1))([*clusters(3), *clusters(1, seed=8)]))
    again = load(fitted.with_scores(mixed=scores).save(tmp_path / "model.safetensors"))
    assert again.scores["mixed"]["force_mae"] == scores.force_mae
    assert "arrays" not in again.scores["mixed"]
    assert "scores on mixed" in info(tmp_path / "model.safetensors")


def test_the_card_tells_what_the_file_holds(fitted, tmp_path):
    text = info(fitted.save(tmp_path / "model.safetensors"))
    for word in ("format 1", "Morse", "EnergyForces", "eV/Å", "12 rows", "seeds [5]", "spread: none", "torch="):
        assert word in text


def test_a_file_of_format_1_stays_readable():
    again = load(FORMAT_1)
    wanted = json.loads(FORMAT_1.with_suffix(".json").read_text())
    numbers, positions = np.array(wanted["numbers"]), torch.tensor(wanted["positions"], dtype=torch.float64)
    from surrogates.datasets.sample import Sample

    sample = Sample(numbers, positions.numpy(), np.zeros((3, 3)), np.zeros(3, bool))
    result = again.predict(batch([sample]), spread=True)
    assert result.energy.item() == pytest.approx(wanted["energy"], abs=1e-10)
    torch.testing.assert_close(result.forces, torch.tensor(wanted["forces"], dtype=torch.float64), atol=1e-10, rtol=0)
    assert result.forces_std is not None


def test_mutations_are_told_or_harmless(tmp_path):
    content, rng = FORMAT_1.read_bytes(), np.random.default_rng(0)
    path, told = tmp_path / "m.safetensors", 0
    for _ in range(200):
        path.write_bytes(mutated(content, rng))
        try:
            load(path)
        except SurrogatesError:
            told += 1
    assert told >= 190


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    data, where = bytearray(content), int(rng.integers(len(content)))
    kind = rng.integers(6)
    if kind == 0:
        return bytes(data[:where])
    if kind == 1:
        data[where] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        del data[where : where + int(rng.integers(1, 9))]
    elif kind == 3:
        data[where:where] = rng.bytes(int(rng.integers(1, 9)))
    elif kind == 4:
        data[:8] = rng.bytes(8)
    else:
        data[int(rng.integers(min(len(data), 2000)))] = int(rng.integers(256))
    return bytes(data)


def forged(tmp_path, change):
    """A file with right checksums whose metadata were changed."""
    _, metadata = tensor_file.read(FORMAT_1)
    tensors = load_file(FORMAT_1)
    change(metadata)
    tensor_file.write(tmp_path / "forged.safetensors", tensors, metadata)
    return tmp_path / "forged.safetensors"


@pytest.mark.parametrize(
    "use", ["subprocess:Popen", "os:system", "surrogates.potentials.pair:math", "surrogates.potentials.pair:nn.Linear",
            "surrogates.training.fit:Path", "surrogates.potentialsx:A", "surrogates.potentials.pair:Tensor", 7]
)  # fmt: skip
def test_a_file_cannot_name_foreign_code(tmp_path, use):
    def change(metadata):
        metadata["members"][0]["model"]["use"] = use

    with pytest.raises(TrustError):
        load(forged(tmp_path, change))


def test_unknown_arguments_and_formats_are_told(tmp_path):
    with pytest.raises(FileError, match="did you mean depth"):
        load(forged(tmp_path, lambda m: m["members"][0]["model"].update(dept=1.0)))
    with pytest.raises(FileError, match="format 99"):
        load(forged(tmp_path, lambda m: m.update(format=99)))
    with pytest.raises(FileError, match="does not fit"):
        load(forged(tmp_path, lambda m: m.pop("provenance")))


def test_foreign_and_missing_files_are_told(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "nothing.safetensors")
    (tmp_path / "foreign.safetensors").write_bytes(save({"x": torch.zeros(2)}))
    with pytest.raises(FileError, match="not written by surrogates"):
        load(tmp_path / "foreign.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(FileError, match="damaged"):
        load(tmp_path / "pickle.safetensors")


def test_a_full_disk_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = fitted.save(tmp_path / "model.safetensors")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="disk is full"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_complex_tensors_survive(tmp_path):
    value = torch.randn(3, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    tensor_file.write(tmp_path / "z.safetensors", {"z": value, "x": torch.ones(2)}, {"kind": "test"})
    tensors, metadata = tensor_file.read(tmp_path / "z.safetensors")
    assert torch.equal(tensors["z"], value)
    assert tensors["x"].dtype == torch.float32
    assert metadata == {"kind": "test"}


def test_too_few_calibration_structures_lose_no_training(fitted, clusters):
    with pytest.warns(NoSpread, match="3 independent calibration samples"):
        kept = fitted.calibrate(clusters(3, seed=5))
    assert kept.spread is None
    assert kept.members == fitted.members
