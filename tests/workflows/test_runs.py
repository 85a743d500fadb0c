"""Locks, results, identities and workers, without any physics."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.engine import LocalExecutor, StepFailed
from surrogates.workflows.files import locked, read_json, write_json
from surrogates.workflows.identity import differences, identity_of, used_modules
from surrogates.workflows.json_schema import workflow_schema
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.evaluate import Band, Evaluated, Scores
from surrogates.workflows.store import Record


def test_a_result_survives_json():
    band = Band(0.9, 10, 5, 0.91, None, (0.9, 0.8, 1.0), 0.1, 0.05, float("nan"), 2.0)
    result = Evaluated(
        ("test",), {"test": Scores(5, 45, force_mae=0.02, force_mae_by_element={"C": 0.1}, spread_forces=band)}
    )
    again = decode(Evaluated, json.loads(json.dumps(encode(result))))
    assert again["test"].force_mae == 0.02
    assert again["test"].spread_forces.terciles == (0.9, 0.8, 1.0)
    assert again["test"].spread_forces.rank_correlation is None  # what is not finite has no JSON


def test_files_are_whole_or_absent(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5]})
    assert read_json(tmp_path / "a.json") == {"a": [1.5], "b": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))


def test_one_runner_a_directory(tmp_path):
    code = "import sys, pathlib; from surrogates.workflows.files import locked\n"
    code += "with locked(pathlib.Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        other = subprocess.run(command, capture_output=True, text=True)
    assert "is in use by process" in other.stderr
    assert subprocess.run(command).returncode == 0


def test_identity_knows_what_a_step_uses():
    modules = used_modules("surrogates.workflows.steps.relax")
    assert "surrogates.simulation.relax" in modules  # through the __init__ that passes it on
    assert "surrogates.potentials.tensornet" not in modules  # until a file names it
    assert "surrogates.workflows.runner" not in modules
    old = identity_of("relax", {"fmax": 0.01}, {"${data}": "1"}, 0, "cpu")
    new = identity_of("relax", {"fmax": 0.02}, {"${data}": "2"}, 0, "cpu")
    assert differences(old, new) == ["fmax was 0.01, is 0.02", "its input ${data} changed"]
    assert differences(old, old) == []


def test_an_unforeseen_failure_is_one_line_and_a_file(tmp_path):
    executor = LocalExecutor(1, lambda task, message: None)
    task = {"what": "step x", "name": "x", "unit": str(tmp_path), "job": "all", "folder": str(tmp_path)}
    with pytest.raises(StepFailed) as caught:
        executor.submit(task).result(timeout=60)
    executor.shutdown()
    assert "\n" not in str(caught.value)
    assert "Traceback" in (tmp_path / "traceback.txt").read_text()
    assert not executor.processes


def test_a_killed_worker_is_replaced(tmp_path):
    heard: list[str] = []

    def listen(task, message):
        heard.append(next(iter(message)))

    executor = LocalExecutor(1, listen)
    task = {"what": "step x", "name": "x", "unit": str(tmp_path), "job": "all", "folder": str(tmp_path)}
    with pytest.raises(StepFailed):
        executor.submit(task).result(timeout=60)
    executor.processes[0].kill()  # idle, so that the next task meets a broken pipe
    with pytest.raises(StepFailed):
        executor.submit(task).result(timeout=60)
    executor.shutdown()
    assert heard == ["died"]


def test_the_record_marks_killed_runs(tmp_path):
    first = Record(tmp_path)
    first.begin({"python": "3"}, {})
    first.db.close()  # as after kill -9: the run never ended
    second = Record(tmp_path)
    second.begin({"python": "3"}, {})
    states = second.db.execute("SELECT state FROM runs ORDER BY id").fetchall()
    assert states == [("killed",), ("running",)]
    second.end("done")


def test_schema_is_json_and_knows_units():
    schema = json.dumps(workflow_schema())
    assert '"x-unit": "fs"' in schema
    assert "surrogates.potentials.mace:MACE" in schema
    assert "tblite.ase:TBLite" in schema


@pytest.mark.parametrize("words", [["run", "nothing.yaml"], ["list", "modles"], ["cite", "."], ["new", "ethnol"]])
def test_errors_are_one_message_with_code_two(words, tmp_path):
    done = subprocess.run([sys.executable, "-m", "surrogates", *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_ctrl_c_says_how_to_continue(tmp_path: Path, monkeypatch):
    command = [sys.executable, "-m", "surrogates", "run", "lennard-jones", "--runs", str(tmp_path)]
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores Ctrl-C
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    assert process.stdout is not None
    assert "starts" in process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"surrogates run lennard-jones --runs {tmp_path}" in errors


def test_only_names_become_folders():
    from surrogates.workflows.names import checked_name, is_name

    assert all(map(is_name, ("ethanol", "a.b-c_1")))
    assert not any(map(is_name, ("", "..", "a..b", "../x", "a/b", ".hidden", "-x", "a b", "x" * 99, 3)))
    with pytest.raises(SurrogatesError, match="not a name"):
        checked_name("../x", "run")
