"""The examples run as printed, with smaller budgets: what a newcomer types first must not fail."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from surrogates.blocks.deepxde import deepxde
from surrogates.workflows.recipes_list import recipes

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a label cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURROGATES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def smaller(name, folder, changes):
    """The example as a script in `folder`, its budgets replaced; a budget that is not there fails the test."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{name} has no {old}; change the test with it"
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def as_plain_file(path, *arguments):
    """As a user starts it: worker processes must not need a __main__ guard."""
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.filterwarnings("ignore::surrogates.physics.errors.SurrogatesWarning")
def test_own_data_becomes_a_calculator(folder, capsys, monkeypatch):
    frames = smaller("01_make_frames.py", folder, {"500,": '500, "equilibration": 5,', "spacing=25": "spacing=5"})
    monkeypatch.setattr(sys, "argv", [str(frames), "48"])
    assert len(runpy.run_path(str(frames), run_name="__main__")["labelled"]) == 48

    budgets = {"minutes=4": "minutes=0.02", "32x0e + 32x1o": "4x0e + 4x1o", "fmax=0.01": "fmax=2.0", "=1000": "=10"}
    budgets |= {"0.7, 0.1, 0.1, 0.1": "0.3, 0.1, 0.5, 0.1"}  # a band needs twenty frames
    learned = runpy.run_path(str(smaller("02_own_data.py", folder, budgets)), run_name="__main__")
    assert 'key "forces"' in learned["data"].description
    assert [len(learned[part]) for part in ("train", "valid", "calibration", "test")] == [14, 5, 24, 5]
    assert len(learned["minima"]) == 5
    assert (folder / "md.extxyz").exists()

    used = runpy.run_path(str(smaller("03_calculator.py", folder, {"steps=200": "steps=2"})), run_name="__main__")
    assert used["std"].shape == (9, 3)
    assert (used["std"] > 0).all()
    assert used["hessian"].shape == (27, 27)
    assert "O-H broken" in capsys.readouterr().out

    shorter = {"0.7, 0.1, 0.1, 0.1": "0.3, 0.1, 0.5, 0.1", "epochs=40": "epochs=1", "new[::2]": "new[:6]"}
    shorter |= {"new[1::2]": "new[6:9]", "unused.atoms": "unused.atoms[:9]", "train, 60": "train, 6"}
    tuned = runpy.run_path(str(smaller("08_fine_tune.py", folder, shorter)), run_name="__main__")
    assert tuned["both"].heads == ("new", "pretrained")
    assert capsys.readouterr().out.count("\nheads with replay") == 1


def test_laws_of_any_calculator(folder, capsys):
    found = runpy.run_path(str(EXAMPLES / "05_check_any_calculator.py"), run_name="__main__")
    assert [law.name for law in found["report"].failed] == ["F = -dE/dx"]
    assert capsys.readouterr().out.count("Laws of") == 3


@pytest.mark.filterwarnings("ignore::surrogates.physics.errors.SurrogatesWarning")
def test_crystals_from_data_to_phonons(folder, capsys):
    budgets = {"minutes=3": "steps=2", "32x0e + 32x1o": "4x0e + 4x1o", '"samples": 160': '"samples": 6'}
    budgets |= {'"samples": 100': '"samples": 4', '"samples": 12': '"samples": 1', '"samples": 16': '"samples": 1'}
    budgets |= {'"samples": 30': '"samples": 3', '"samples": 40': '"samples": 20', '"samples": 20': '"samples": 2'}
    made = runpy.run_path(str(smaller("06_crystal_data.py", folder, budgets)), run_name="__main__")
    assert [len(s) for s in made["data"]["train"]] == [4] * 10 + [31, 32]
    assert made["data"]["surface"].labels == ("energy", "forces", "stress")
    pytest.importorskip("phonopy")
    only = {'"surrogate": "copper.safetensors", "EMT"': '"EMT"', "supercell=4": "supercell=2"}
    found = runpy.run_path(str(smaller("07_crystal_properties.py", folder, only)), run_name="__main__")
    assert (4 * found["rest"].get_volume()) ** (1 / 3) == pytest.approx(3.5898, abs=2e-4)
    assert found["c11"] == pytest.approx(172.6, abs=1.5)
    assert "highest phonon" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::surrogates.physics.errors.SurrogatesWarning")
def test_operators_from_an_equation(folder, capsys):
    small = {"samples=1200, points=1024": "samples=220, points=128", "width=64": "width=12", "epochs=50": "epochs=4"}
    learned = runpy.run_path(str(smaller("09_burgers_operator.py", folder, small)), run_name="__main__")
    assert len(learned["train"]) == 154
    assert (folder / "burgers.safetensors").exists()
    assert "90 % band" not in capsys.readouterr().out
    small = {"300, grid=Grid(128)": "110, grid=Grid(32)", "width=32": "width=8", "modes=24": "modes=8"}
    small |= {"minutes=1.5": "steps=40"}
    own = runpy.run_path(str(smaller("10_own_equation.py", folder, small)), run_name="__main__")
    assert own["fitted"].spread is not None
    said = capsys.readouterr().out
    assert "90 % band" in said
    assert "after 8 steps" in said
    assert "Laws of" in said
    assert (folder / "fields.h5").exists()


def test_stress_of_plates_with_a_band(folder, capsys):
    small = {"samples=320, seed=0": "samples=26, seed=0, size=0.2", "120, 200": "18, 8"}
    found = runpy.run_path(str(smaller("13_plate_stress.py", folder, small)), run_name="__main__")
    assert (found["std"] > 0).all()
    assert (folder / "plate.vtu").exists()
    assert (folder / "plate.safetensors").exists()
    said = capsys.readouterr().out
    assert "peak: " in said
    assert "90 % band covers" in said


def test_born_kernels_appear_order_by_order(folder, capsys):
    small = {"rounds = 8, 0.02, 1000, 300": "rounds = 4, 0.01, 400, 300"}
    runpy.run_path(str(smaller("12_born_series.py", folder, small)), run_name="__main__")
    alone, both = (line.split() for line in capsys.readouterr().out.splitlines()[:2])
    assert float(both[-2]) < 0.25 * float(alone[-2])  # the second kernel, per cent
    assert float(both[-2]) < 20


def test_a_deepxde_problem_with_our_derivatives(folder, capsys):
    deepxde()  # leaves the user's home and torch's default device alone
    found = runpy.run_path(
        str(smaller("11_deepxde_residual.py", folder, {"iterations=1000": "iterations=40"})), run_name="__main__"
    )
    assert found["relative"](found["model"].predict(found["x"]), found["u"]) < 0.5
    assert "of Lap u + sin u 0." in capsys.readouterr().out


def test_a_spin_chain(folder, capsys):
    small = {"heisenberg(100)": "heisenberg(12)", "neel(100)": "neel(12)", "chi_max=128": "chi_max=32"}
    small |= {"bond=50": "bond=6", "time=2.0": "time=0.5"}
    found = runpy.run_path(str(smaller("14_spin_chain.py", folder, small)), run_name="__main__")
    assert found["ground"].energy == pytest.approx(-5.1420906328, abs=1e-8)  # exact diagonalisation
    assert found["ground"].converged
    assert "settled" in capsys.readouterr().out


@pytest.mark.slow
def test_frames_as_plain_file(folder):
    assert "4 frames of C2OH6" in as_plain_file(EXAMPLES / "01_make_frames.py", "4")


@pytest.mark.slow
def test_workflow(folder):
    small = {f"data.walkers.{w}.samples": 24 for w in ("train", "valid", "calibration", "test", "probe")}
    small |= {f"data.walkers.{w}.equilibration": 10 for w in ("train", "valid", "calibration", "test", "probe")}
    small |= {"potential.minutes": 0.1, "potential.model.hidden": "8x0e + 8x1o", "md.time": 20, "minimum.fmax": 0.5}
    path = smaller("04_workflow.py", folder, {'{"data.walkers.train.samples": 200}': repr(small)})
    (folder / "ethanol.yaml").write_bytes((EXAMPLES / "ethanol.yaml").read_bytes())
    said = as_plain_file(path)
    assert "force MAE of the test walker" in said
    assert "Laws of" in said
    assert (folder / "runs" / "ethanol" / "report.html").stat().st_size > 10_000


def test_workflow_file_is_the_recipe():
    assert (EXAMPLES / "ethanol.yaml").read_bytes() == recipes()["ethanol"].read_bytes()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_short_and_without_guard(script):
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert "__main__" not in text
    compile(text, str(script), "exec")
