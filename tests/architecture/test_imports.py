"""Imports run down only: workflows -> surrogates -> datasets -> physics, and down the rooms of each floor."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ["physics", "datasets", "surrogates", "workflows"]

# Rooms of each floor from the lowest up; rooms that share a set never import each other.
ROOMS = {
    "physics": [
        {"errors", "units"},
        {"tensors"},
        {"atoms", "fields", "meshes", "lattice"},
        {"tensor_networks", "solutions"},
        {"circuits"},
    ],
    "datasets": [
        {"batch", "stored_array"},
        {"sample", "trajectory", "mesh_sample"},
        {"flat", "hashes", "field_hashes", "field_parts"},
        {"shard"},
        {"parts"},
        {"store", "split", "collate"},
        {"writer"},
        {"adapters"},
        {"mesh_columns", "mesh_shard", "mesh_store"},
        {"fields", "meshes", "mesh_prediction"},
        {"mesh_told"},
        {"read", "read_fields", "read_meshes"},
        {"generators"},
    ],
    "surrogates": [
        {"interfaces", "kernels", "construct", "selection", "tensor_file"},
        {"equivariance", "derivatives"},
        {"blocks"},
        {"potentials", "tensor_properties", "operators", "pinns", "solvers", "meshes", "states", "generative", "optim"},
        {"tasks"},
        {"evaluation"},
        {"uncertainty"},
        {"training"},
        {"simulation"},
        {"testing"},
        {"calculator"},
        {"interop"},
        {"ase_plugin"},
    ],
    "workflows": [{"schema", "store", "engine"}, {"steps"}, {"report"}, {"runner"}, {"cli"}],
}
# Within these sets one room may use another: they are one idea in several files.
FAMILIES = [
    {"store", "split", "collate"},
    {"mesh_columns", "mesh_shard", "mesh_store"},
    {"errors", "units"},
    {"schema", "store", "engine"},
]


def modules():
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            inside = path.relative_to(ROOT / floor).with_suffix("").parts
            parts = inside[:-1] if inside[-1] == "__init__" else inside
            yield floor, parts, path


def imported_names(path: Path):
    """Every `surrogates...` module that a file imports, at any depth, outside TYPE_CHECKING blocks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the absolute import"
            yield node.lineno, node.module or ""


def place(name: str) -> tuple[str, tuple[str, ...]] | None:
    """`surrogates.physics.atoms.pair` -> ("physics", ("atoms", "pair"))."""
    parts = name.split(".")
    if parts[0] != "surrogates":
        return None
    if len(parts) > 1 and parts[1] in FLOORS and parts[1] != "surrogates":
        return parts[1], tuple(parts[2:])
    return "surrogates", tuple(parts[1:])


def rank(floor: str, room: str) -> int | None:
    for level, rooms in enumerate(ROOMS[floor]):
        if room in rooms:
            return level
    return None


CASES = [
    pytest.param(floor, parts, path, id=str(path.relative_to(ROOT)))
    for floor, parts, path in modules()
    if path not in (ROOT / "surrogates" / "__init__.py", ROOT / "surrogates" / "__main__.py")  # the two front doors
]


@pytest.mark.parametrize(("floor", "parts", "path"), CASES)
def test_imports_run_down(floor, parts, path):
    for line, name in imported_names(path):
        assert name.split(".")[0] not in {"physics", "datasets", "workflows"}, f"{path}:{line}: write surrogates.{name}"
        target = place(name)
        if target is None:
            continue
        other_floor, other = target
        assert FLOORS.index(other_floor) <= FLOORS.index(floor), f"{path}:{line} imports {name} from a floor above"
        if other_floor != floor or not parts or not other:
            continue
        mine, theirs = rank(floor, parts[0]), rank(floor, other[0])
        if mine is None or theirs is None or parts[0] == other[0]:
            continue
        same_family = any({parts[0], other[0]} <= family for family in FAMILIES)
        assert theirs < mine or same_family, f"{path}:{line}: {parts[0]} may not import {other[0]}"


def test_every_room_has_its_place():
    for floor in ("physics", "surrogates", "datasets"):
        rooms = {p.stem for p in (ROOT / floor).iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
        known = set().union(*ROOMS[floor]) | {"__init__", "__main__"}
        assert rooms <= known, f"give {sorted(rooms - known)} a place in {floor}"


def test_package_files_hold_imports_only():
    for _, _, path in modules():
        if path.name != "__init__.py" or path == ROOT / "surrogates" / "__init__.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_all = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
            assert is_doc or is_all or isinstance(node, ast.Import | ast.ImportFrom), f"{path}:{node.lineno}"
