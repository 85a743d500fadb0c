"""`surrogates list` and `surrogates new`: what there is, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from surrogates.physics.errors import FileError, WorkflowError
from surrogates.workflows import field_generators
from surrogates.workflows.catalogue import step_names, summary_of
from surrogates.workflows.files import write_text
from surrogates.workflows.names import checked_name
from surrogates.workflows.parts import NETWORKS, PROBLEMS, parts_in
from surrogates.workflows.recipes_list import recipe_summary, recipes
from surrogates.workflows.source_tree import classes_of, functions_of, modules_of, tree_of
from surrogates.workflows.words import accepted

_PAPER = re.compile(r"arXiv:\s?[\w./-]+\d|doi:\s?\S+|10\.\d{4,}/\S+", re.IGNORECASE)
_ROOMS = ("surrogates", "surrogates.physics", "surrogates.datasets")


def print_list(what: str) -> None:
    """Print a table of two columns."""
    if what not in _LISTS:
        raise WorkflowError(f"there is no list of {what!r}; {accepted(_LISTS, what)}")
    rows = _LISTS[what]()
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        print(f"{name:<{width}}  {text}".rstrip())


def new_file(recipe: str, out: Path | None) -> None:
    """Copy a recipe to a file of the user's."""
    known = recipes()
    if recipe not in known:
        raise FileError(f"there is no recipe {recipe!r}; {accepted(known, recipe)}")
    target = out or Path(f"{checked_name(recipe, 'recipe')}.yaml")
    if target.exists():
        raise FileError(f"{target} is there already; give another name with --out")
    write_text(target, known[recipe].read_text(encoding="utf-8"))
    print(f"wrote {target}; look through it, then: surrogates run {target} --dry-run")


def papers() -> list[tuple[str, str]]:
    """Modules whose docstring opens with a paper or cites one, and that line."""
    rows = []
    for module in sorted({m for room in _ROOMS for m in modules_of(room)}):
        text = ast.get_docstring(tree_of(module) or ast.Module([], [])) or ""
        rows += [(module, " ".join(line.split())) for line in text.splitlines() if _PAPER.search(line)][:1]
    return rows


def _models() -> list[tuple[str, str]]:
    rooms = ("surrogates.potentials", "surrogates.operators", NETWORKS, "surrogates.meshes")
    return [(name, _first_line(*name.split(":"))) for name in parts_in(rooms)]


def _problems() -> list[tuple[str, str]]:
    """Equations that a step solve_equation can name, with the first line of what they are."""
    return [(name, _first_line(*name.split(":"))) for name in parts_in((PROBLEMS,))]


def _steps() -> list[tuple[str, str]]:
    return [(name, summary_of(name)) for name in step_names()]


def _recipes() -> list[tuple[str, str]]:
    return [(name, recipe_summary(path)) for name, path in recipes().items()]


def _generators() -> list[tuple[str, str]]:
    """Modules of the generators' room with a function of their name, other makers of fields or meshes."""
    rows = []
    for module in modules_of("surrogates.datasets.generators"):
        name, tree = module.rsplit(".", 1)[1], tree_of(module) or ast.Module([], [])
        if any(isinstance(n, ast.FunctionDef) and n.name == name for n in tree.body):
            rows.append((name, (ast.get_docstring(tree) or "").split("\n")[0]))
    known = {name for name, _ in rows}
    makers = field_generators.generators() | field_generators.generators("Meshes")
    others = {n: f for n, f in makers.items() if n not in known}
    return sorted([*rows, *((n, (ast.get_docstring(f) or "").split("\n")[0]) for n, f in others.items())])


def _first_line(module: str, name: str) -> str:
    node = functions_of(module).get(name) or classes_of(module)[name]
    return (ast.get_docstring(node) or "").split("\n")[0]


_LISTS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "models": _models,
    "problems": _problems,
    "steps": _steps,
    "papers": papers,
    "recipes": _recipes,
    "generators": _generators,
}
