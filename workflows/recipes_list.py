"""Recipes: workflow files that come with the package."""

from __future__ import annotations

from pathlib import Path

from surrogates.physics.errors import FileError
from surrogates.workflows.words import accepted

FOLDER = Path(__file__).parent / "recipes"


def recipes() -> dict[str, Path]:
    """Every recipe by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def workflow_path(text: str | Path) -> Path:
    """A file as given, or the recipe of that name."""
    path = Path(text).expanduser()
    if path.is_file():
        return path
    known = recipes()
    if str(text) in known:
        return known[str(text)]
    raise FileError(f"there is no file {str(text)!r} and no recipe of that name; {accepted(known, str(text))}")


def recipe_summary(path: Path) -> str:
    """The first comment line of a recipe."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("# ").strip()
    return ""
