"""Meshes of anything else: geometry in STEP, IGES, BREP or .geo files, or built by code, meshed by gmsh.

gmsh comes with the extra `mesh`. Its physical groups become named sets of nodes and of cells.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skfem import MeshTet1, MeshTet2, MeshTri1, MeshTri2

from surrogates.physics.errors import DomainError, FileError, MissingExtra, TrustError
from surrogates.physics.meshes.cells import DIMENSION, right_side_out

Array = np.ndarray
SUFFIXES = (".geo", ".step", ".stp", ".iges", ".igs", ".brep", ".msh")
LIBRARIES = (
    "libglu1-mesa libgl1 libxrender1 libxcursor1 libxfixes3 libxext6 libxft2 libfontconfig1 libxinerama1 libx11-6 "
    "libgomp1"
)
_KINDS = {
    1: "line",
    2: "triangle",
    3: "quad",
    4: "tetra",
    5: "hexahedron",
    6: "wedge",
    7: "pyramid",
    8: "line3",
    9: "triangle6",
    10: "quad9",
    11: "tetra10",
    15: "vertex",
    16: "quad8",
    17: "hexahedron20",
}
_RING = [(0, 1), (1, 2), (2, 3), (3, 0)]
# corners whose middles VTK wants after the corners, in this order
_MIDDLES: dict[str, list[tuple[int, ...]]] = {
    "line3": [(0, 1)],
    "triangle6": [(0, 1), (1, 2), (2, 0)],
    "quad8": list(_RING),
    "quad9": [*_RING, (0, 1, 2, 3)],
    "tetra10": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "hexahedron20": [*_RING, *[(a + 4, b + 4) for a, b in _RING], *[(k, k + 4) for k in range(4)]],
}
# what runs programs, reads or writes files in gmsh's language
_FORBIDDEN = re.compile(
    r"\b(SystemCall|NonBlockingSystemCall|OnelabRun|OnelabAction|ExternalProcess|Include|Merge\w*|ShapeFromFile|Parse\w*|"
    r"Plugin|Save\w*|Print|Solver|General)\b|\bPrintf\s*\([^;]*\)\s*>"
)


@dataclass(frozen=True)
class GmshMesh:
    """Points (n, dim), cells of the highest dimension by kind in VTK's order of nodes, and what is named.

    Args:
        tags: nodes (n,) bool of each physical group. cell_tags: cells of those of the highest dimension, by kind.
    """

    points: Array
    cells: dict[str, Array]
    tags: dict[str, Array]
    cell_tags: dict[str, dict[str, Array]]

    def to_skfem(self) -> Any:
        """For the solvers here: triangles or tetrahedra, boundaries by name where all nodes of a facet have a tag.

        Nodes are renumbered (vertices first); the result's `doflocs` are the points. Raises DomainError for other
        cells.
        """
        (kind, cells), *more = self.cells.items()
        if more or kind not in ("triangle", "triangle6", "tetra", "tetra10") or self.points.shape[1] != DIMENSION[kind]:
            raise DomainError(f"the mesh has {', '.join(self.cells)} cells; the solvers take triangles or tetrahedra")
        corners = 3 if kind.startswith("triangle") else 4
        used, place = np.unique(cells[:, :corners], return_inverse=True)
        straight = (MeshTri1 if corners == 3 else MeshTet1)(
            self.points[used].T.copy(), place.reshape(-1, corners).T.copy(), sort_t=False
        )
        found = straight
        if kind in ("triangle6", "tetra10"):
            sides = straight.t2f if corners == 3 else straight.t2e
            nodes = np.concatenate([self.points[used].T, np.zeros((corners - 1, int(sides.max()) + 1))], axis=1)
            nodes[:, len(used) + sides.T] = np.moveaxis(self.points[cells[:, corners:]], -1, 0)
            found = (MeshTri2 if corners == 3 else MeshTet2)(nodes, straight.t, sort_t=False)
        outer = straight.boundary_facets()
        names = {name: outer[marked[used][straight.facets[:, outer]].all(0)] for name, marked in self.tags.items()}
        return found.with_boundaries({name: facets for name, facets in names.items() if len(facets)})


def gmsh_mesh(
    source: str | Path | Callable[[Any], object],
    *,
    dim: int,
    size: float | int,
    near: float | int | None = None,
    order: int = 1,
    numbers: Mapping[str, float | int] | None = None,
) -> GmshMesh:
    """A mesh of the geometry in a file, or of what a function builds.

    Args:
        source: a .geo, STEP, IGES, BREP or .msh file; or a function that is given the gmsh module, where a new model
            is waiting: it adds geometry and physical groups (synchronise the CAD kernel at its end).
        dim: 2 for plane regions and surfaces, 3 for solids. Regions in the plane z = 0 have points of two coordinates.
        size, near: longest and shortest edge; `near` is size / 10 unless given.
        order: 2 for cells with curved sides, nodes at their middles.
        numbers: constants of a .geo file (DefineConstant), by name.
    Raises MissingExtra without gmsh (naming what Debian needs besides), FileError for a file that gmsh cannot read,
    TrustError for a .geo file that would run programs or write files, DomainError where no cell comes of it.
    """
    if dim not in (2, 3) or order not in (1, 2) or not size > 0:
        raise DomainError(
            f"dim={dim}, order={order}, size={size}; give dim 2 or 3, order 1 or 2, and a positive length"
        )
    path = None if callable(source) else _trusted(Path(source).absolute(), numbers or {})
    with _gmsh() as gmsh:
        gmsh.model.add("surrogates")
        try:
            for name, number in (numbers or {}).items():
                gmsh.onelab.setNumber(name, [float(number)])
                gmsh.parser.setNumber(name, [float(number)])
            gmsh.option.setNumber("Mesh.MeshSizeMax", float(size))
            gmsh.option.setNumber("Mesh.MeshSizeMin", float(size / 10 if near is None else near))
            try:
                if path is None:
                    source(gmsh)  # type: ignore[operator]
                else:
                    gmsh.merge(str(path))
                if path is None or path.suffix.lower() != ".msh":
                    gmsh.model.mesh.generate(dim)
                    gmsh.model.mesh.setOrder(order)
            except Exception as error:
                if type(error) is not Exception:  # gmsh raises plain ones
                    raise
                raise FileError(f"{path or 'the geometry'}: gmsh cannot mesh it ({error})") from error
            return _taken(gmsh, dim)
        finally:
            gmsh.model.remove()


@contextlib.contextmanager
def _gmsh() -> Iterator[Any]:
    """The module, initialised; left as it was found."""
    try:
        import gmsh
    except ImportError as error:
        raise MissingExtra("gmsh", "mesh") from error
    except (OSError, AttributeError) as error:  # its own library is there, those that it needs are not
        raise ImportError(
            f"gmsh cannot be loaded ({error}); on Debian it needs: apt-get install {LIBRARIES}"
        ) from error
    mine = not gmsh.isInitialized()
    if mine:
        gmsh.initialize(readConfigFiles=False, interruptible=False)
    options = {"General.Terminal": 0.0, "General.NumThreads": 1.0, "General.AbortOnError": 0.0}
    options |= dict.fromkeys(("Mesh.MeshSizeMax", "Mesh.MeshSizeMin", "Mesh.SecondOrderIncomplete"), 0.0)
    before = {name: gmsh.option.getNumber(name) for name in options}
    for name, value in options.items():
        if not name.startswith("Mesh.MeshSize"):
            gmsh.option.setNumber(name, value)
    try:
        yield gmsh
    finally:
        if mine:
            gmsh.finalize()
        else:
            for name, value in before.items():
                gmsh.option.setNumber(name, value)


def _trusted(path: Path, numbers: Mapping[str, Any]) -> Path:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: geometry is read from {', '.join(SUFFIXES)} files")
    if not path.is_file():
        raise FileError(f"{path}: no such file")
    if numbers and suffix != ".geo":
        raise DomainError(f"numbers={dict(numbers)} are constants of a .geo file; {path.name} has none")
    if suffix == ".geo":
        text = path.read_text(encoding="utf-8", errors="replace")
        if (found := _FORBIDDEN.search(text)) is not None:
            line = text[: found.start()].count("\n") + 1
            raise TrustError(
                f"{path}, line {line}: {found.group(0).split('(')[0].strip()} may run programs or reach other files; "
                "remove it, or build the geometry by a function"
            )
    return path


def _taken(gmsh: Any, dim: int) -> GmshMesh:
    labels, coordinates, _ = gmsh.model.mesh.getNodes()
    points = np.asarray(coordinates, dtype=np.float64).reshape(-1, 3)
    place = np.full(int(labels.max(initial=0)) + 1, -1, dtype=np.int64)
    place[np.asarray(labels, dtype=np.int64)] = np.arange(len(labels))
    cells, elements = _cells(gmsh, dim, place)
    if not cells:
        raise DomainError(f"no cells of dimension {dim} came of the geometry; does it have a surface or a volume?")
    tags: dict[str, Array] = {}
    cell_tags: dict[str, dict[str, Array]] = {}
    for group_dim, number in gmsh.model.getPhysicalGroups():
        name = gmsh.model.getPhysicalName(group_dim, number) or f"group {number}"
        nodes, _ = gmsh.model.mesh.getNodesForPhysicalGroup(group_dim, number)
        tags[name] = tags.get(name, np.zeros(len(points), dtype=bool))
        tags[name][place[np.asarray(nodes, dtype=np.int64)]] = True
        if group_dim == dim:
            entities = gmsh.model.getEntitiesForPhysicalGroup(group_dim, number)
            inside = [e for entity in entities for e in np.concatenate(gmsh.model.mesh.getElements(dim, entity)[1])]
            cell_tags[name] = {kind: np.isin(which, inside) for kind, which in elements.items()}
    used = np.zeros(len(points), dtype=bool)
    for nodes in cells.values():
        used[nodes.ravel()] = True
    renumbered = np.cumsum(used) - 1
    points = points[used] if dim == 3 or points[used][:, 2].any() else points[used][:, :2]
    cells, bad = right_side_out(points, {kind: renumbered[nodes] for kind, nodes in cells.items()})
    if bad:
        raise DomainError(f"gmsh made {sum(map(len, bad.values()))} folded cells; make size and near smaller")
    return GmshMesh(np.ascontiguousarray(points), cells, {n: t[used] for n, t in tags.items()}, cell_tags)


def _cells(gmsh: Any, dim: int, place: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Nodes of cells in VTK's order, and gmsh's numbers of the cells, by kind."""
    cells, elements = {}, {}
    for number, which, nodes in zip(*gmsh.model.mesh.getElements(dim), strict=True):
        name, _, _, count, local, corners = gmsh.model.mesh.getElementProperties(number)
        kind = _KINDS.get(int(number))
        if kind is None:
            raise DomainError(f"gmsh made cells {name!r}; known are {', '.join(k for k in DIMENSION)}")
        order = _order(kind, np.asarray(local).reshape(count, -1), corners)
        cells[kind] = place[np.asarray(nodes, dtype=np.int64)].reshape(-1, count)[:, order]
        elements[kind] = np.asarray(which)
    return cells, elements


def _order(kind: str, local: Array, corners: int) -> list[int]:
    """Where VTK's nodes of a cell are among gmsh's, by their reference coordinates."""
    wanted = [local[k] for k in range(corners)] + [local[list(c)].mean(0) for c in _MIDDLES.get(kind, [])]
    return [int(np.abs(local - at).sum(1).argmin()) for at in wanted]
