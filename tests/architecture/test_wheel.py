"""The wheel holds the tree: every module and data file of the four folders, under `surrogates`."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def expected() -> set[str]:
    names = set()
    for floor in ("surrogates", "physics", "datasets", "workflows"):
        prefix = "" if floor == "surrogates" else "surrogates/"
        for path in (ROOT / floor).rglob("*"):
            wanted = path.suffix in {".py", ".yaml", ".js", ".css", ".html", ".j2", ".txt", ".typed"} or path.name == "LICENSE"
            if path.is_file() and wanted and "__pycache__" not in path.parts:
                names.add(prefix + path.relative_to(ROOT).as_posix())
    return names


def test_wheel_equals_tree(tmp_path):
    copy = tmp_path / "source"  # a build writes beside its source
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "surrogates", "physics", "datasets", "workflows"):
        if (ROOT / name).exists():
            subprocess.run(["cp", "-r", str(ROOT / name), str(copy / name)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert inside == expected()


def test_floors_import_under_one_name():
    code = "import sys, surrogates.physics.units, surrogates.datasets; sys.exit(any(n in sys.modules for n in ('physics', 'workflows')))"
    assert subprocess.run([sys.executable, "-c", code], cwd="/").returncode == 0
