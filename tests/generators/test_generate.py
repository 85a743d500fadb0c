"""Generated parts are independent, repeatable to the byte, and continue where they were killed."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from surrogates.datasets.generators import Rattle, Walker, generate, molecules, plan_jobs, run_job, worker
from surrogates.datasets.generators.cache import Cache
from surrogates.datasets.generators.jobs import plain, restored
from surrogates.datasets.generators.sampling import parse_sampling
from surrogates.physics.errors import DomainError, TrustError

LJ = {"use": "ase.calculators.lj:LennardJones", "epsilon": 0.0104, "sigma": 3.4, "rc": 4.5}
EMT = {"use": "ase.calculators.emt:EMT"}
ARGON = {"bulk": "Ar", "crystalstructure": "fcc", "a": 5.3, "cubic": True}
WALKERS = {
    "train": {"temperature": 60, "samples": 4, "equilibration": 10},
    "test": {"temperature": 60, "samples": 3, "equilibration": 10},
    "far": {"rattle": 0.2, "samples": 3, "strain": 0.02},
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))


def _run(directory):
    return generate(ARGON, LJ, WALKERS, spacing=5, seed=3, directory=directory)


def _bytes(directory):
    return {path.name: path.read_bytes() for path in sorted(Path(directory).glob("*.h5"))}


def test_parts_have_their_samples_labels_and_trajectories(tmp_path):
    data = _run(tmp_path / "a")
    assert {name: len(data[name]) for name in data} == {"train": 4, "test": 3, "far": 3}
    sample = data["train"][0]
    assert sample.group == "train/0"
    assert sample.forces.shape == (4, 3)
    assert sample.stress.shape == (6,)
    assert np.abs(sample.forces).max() > 1e-4
    everything = {h for name in data for h in data[name].row_hashes()}
    assert len(everything) == 10
    assert data.reference["use"] == LJ["use"]


def test_equal_runs_write_equal_bytes_and_other_seeds_others(tmp_path, monkeypatch):
    _run(tmp_path / "a")
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "other"))
    _run(tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    generate(ARGON, LJ, WALKERS, spacing=5, seed=4, directory=tmp_path / "c")
    assert not set(_bytes(tmp_path / "a").values()) & set(_bytes(tmp_path / "c").values())


def test_a_walker_depends_on_its_name_and_not_on_its_company(tmp_path):
    together = _run(None)
    alone = generate(ARGON, LJ, {"test": WALKERS["test"]}, spacing=5, seed=3)
    assert np.array_equal(together["test"][2].positions, alone["test"][2].positions)


def test_more_samples_continue_the_same_trajectory():
    short, long = (
        generate(ARGON, LJ, {"train": WALKERS["train"] | {"samples": n}}, spacing=5)["train"] for n in (2, 4)
    )
    assert all(np.array_equal(short[k].positions, long[k].positions) for k in range(2))


def test_one_line_makes_a_labelled_set():
    data = molecules(Atoms("Ar2", positions=[[0, 0, 0], [3.9, 0, 0]]), samples=2, temperature=20, reference=LJ)
    assert len(data) == 2
    assert data.labels == ("energy", "forces")


def test_samples_are_dealt_out_over_the_structures():
    starts = [bulk("Ar", "fcc", a=a, cubic=True) for a in (5.3, 5.4)]
    data = generate(starts, LJ, {"all": {"temperature": 30, "samples": 5, "equilibration": 5}}, spacing=5)
    assert [s.group for s in data["all"]] == ["all/0"] * 3 + ["all/1"] * 2


def test_any_ase_calculator_is_a_reference():
    given = {k: v for k, v in LJ.items() if k != "use"} | {"smooth": True}
    by_object = generate(ARGON, LennardJones(**given), WALKERS, spacing=5, seed=3)
    by_spec = _run(None)
    for name in by_spec:
        for one, other in zip(by_object[name], by_spec[name], strict=True):
            assert np.array_equal(one.positions, other.positions)
            assert np.array_equal(one.forces, other.forces)


def test_a_job_is_json_and_progress_counts_to_the_end(tmp_path):
    job = plan_jobs(ARGON, LJ, WALKERS, spacing=5, seed=3, directory=tmp_path)[0]
    seen = []
    done = run_job(json.loads(json.dumps(asdict(job))), lambda n, total: seen.append((n, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (done.name, done.samples, done.failures) == ("train", 4, [])


def test_a_structure_passes_through_json_to_the_bit():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.info = {"charge": 1, "multiplicity": 2}
    atoms.set_constraint(FixAtoms([0]))
    back = restored(json.loads(json.dumps(plain(atoms))))
    assert np.array_equal(back.positions, atoms.positions)
    assert np.array_equal(back.cell, atoms.cell)
    assert back.info == atoms.info
    assert back.constraints[0].index.tolist() == [0]


def test_a_killed_generation_continues_to_the_same_bytes(tmp_path):
    walkers = {"train": {"temperature": 60, "samples": 30, "equilibration": 10}}

    def planned(name):
        return plan_jobs(ARGON, LJ, walkers, spacing=5, directory=tmp_path / name, cache=tmp_path / f"{name}.sqlite")[0]

    context = multiprocessing.get_context("fork")
    done = context.Semaphore(0)
    child = context.Process(target=run_job, args=(planned("killed"), lambda n, total: done.release()))
    child.start()
    for _ in range(4):
        assert done.acquire(timeout=60)
    time.sleep(0.003)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not (tmp_path / "killed" / "train.h5").exists()
    assert len(Cache(tmp_path / "killed.sqlite")) >= 8
    run_job(planned("killed"))
    run_job(planned("whole"))
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")


@pytest.mark.parametrize(
    ("walker", "word"),
    [
        ({"temperature": 300, "sampels": 3}, "did you mean 'samples'"),
        ({"temperature": 300}, "lacks samples"),
        ({"temperature": "hot", "samples": 3}, "temperature"),
        ({"temperature": 300, "samples": 2.5}, "whole number"),
        ({"samples": 3}, "give temperature"),
        ({"temperature": 300, "rattle": 0.1, "samples": 3}, "give temperature"),
        (None, "give temperature"),
    ],
)
def test_a_walker_that_cannot_be_is_refused(walker, word):
    with pytest.raises(DomainError, match=word):
        parse_sampling(walker)


def test_everything_is_checked_before_anything_runs(tmp_path):
    with pytest.raises(TrustError):
        plan_jobs(ARGON, {"use": "os:system"}, WALKERS, directory=tmp_path)
    with pytest.raises(DomainError, match="whole number of time steps"):
        plan_jobs(ARGON, LJ, WALKERS, spacing=0.7, directory=tmp_path)
    with pytest.raises(DomainError, match="bulk"):
        plan_jobs({"bulk": "Xx"}, LJ, WALKERS, directory=tmp_path)


def test_words_become_walkers():
    assert parse_sampling({"temperature": 500, "samples": 4}) == Walker(500, 4)
    assert parse_sampling({"rattle": 0.1, "samples": 4}) == Rattle(0.1, 4)


def test_a_worker_process_gives_what_this_process_gives(tmp_path, monkeypatch):
    seen, walkers = [], {"train": WALKERS["train"]}
    data = generate(ARGON, LJ, walkers, spacing=5, seed=3, workers=2, progress=lambda n, total: seen.append((n, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "other"))
    assert data["train"].hash == _run(None)["train"].hash


def test_an_error_in_a_worker_is_told_in_one_line(tmp_path):
    (job,) = plan_jobs({"molecule": "SiH4"}, EMT, {"a": WALKERS["far"]}, directory=tmp_path)
    reading, writing = os.pipe()  # stays open: the worker ends with its parent
    os.write(writing, json.dumps(asdict(job)).encode() + b"\n")
    with (tmp_path / "answers").open("w") as answers:
        assert worker.main(os.fdopen(reading), answers) == 2
    kind, text = json.loads((tmp_path / "answers").read_text())["error"]
    assert kind == "DomainError"
    assert "cannot start from SiH4: No EMT-potential for Si" in text


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_error_here():
    with pytest.raises(DomainError, match="cannot start from"):
        generate({"molecule": "SiH4"}, EMT, {"a": WALKERS["train"]}, spacing=5, workers=2)
