"""The wheel holds the tree: every module and data file of the four folders, under `surrogates`."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = {".py", ".yaml", ".js", ".css", ".html", ".j2", ".txt"}
SOURCE = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "surrogates", "physics", "datasets", "workflows")


def expected() -> set[str]:
    names = set()
    for floor in ("surrogates", "physics", "datasets", "workflows"):
        prefix = "" if floor == "surrogates" else "surrogates/"
        for path in (ROOT / floor).rglob("*"):
            if path.is_file() and (path.suffix in KINDS or path.name == "py.typed") and "__pycache__" not in path.parts:
                names.add(prefix + path.relative_to(ROOT).as_posix())
    return names


def test_wheel_equals_tree(tmp_path):
    copy = tmp_path / "source"  # a build writes beside its source
    copy.mkdir()
    for name in SOURCE:
        if (ROOT / name).exists():
            subprocess.run(["cp", "-r", str(ROOT / name), str(copy / name)], check=True)
    wheel_command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w"]
    subprocess.run([sys.executable, *wheel_command, str(tmp_path), str(copy)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert inside == expected()


def test_floors_import_under_one_name():
    code = "import sys, surrogates.physics.units; sys.exit('physics' in sys.modules or 'workflows' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd="/").returncode == 0
