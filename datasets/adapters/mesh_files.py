"""Meshes with their fields in the files of other programs, through meshio: msh, vtk, vtu, xdmf, stl, inp.

float64 points and fields come back to the bit from msh, vtk, vtu and xdmf; inp is text with 16 digits, stl holds
float32 triangles only. Named sets are read from gmsh's physical groups and from Abaqus' sets, and are written as those
sets or, where a format has none, as a field "tag:NAME" of zeros and ones.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import meshio
import numpy as np

from surrogates.datasets.adapters.door import door, present, refuse_entities
from surrogates.datasets.mesh_sample import NODES, MeshSample
from surrogates.physics.errors import FileError

SUFFIXES = (".msh", ".vtk", ".vtu", ".xdmf", ".stl", ".inp")
_TAG = "tag:"
_PLANAR = ("vertex", "line", "line3", "triangle", "triangle6", "quad", "quad8", "quad9")
_WRITERS: dict[str, dict[str, Any]] = {
    ".msh": {"file_format": "gmsh", "binary": True},
    ".vtk": {"file_format": "vtk", "binary": True},
    ".vtu": {"file_format": "vtu", "binary": True},
    ".xdmf": {"file_format": "xdmf"},
    ".stl": {"file_format": "stl", "binary": True},
    ".inp": {"file_format": "abaqus"},
}


def read_mesh(path: str | Path, *, dim: int | None = None) -> MeshSample:
    """The mesh in a file, with its fields and tags.

    Args:
        dim: 2 or 3; None takes 2 where every point has z = 0 and all cells are planar.
    Cells of one kind in several blocks are joined. Raises FileError where the file is missing, damaged, of another
    format, or has cells that we do not know; DomainError where sizes do not fit.
    """
    path = present(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: meshes are read from {', '.join(SUFFIXES)} files")
    if suffix in (".vtu", ".xdmf"):
        refuse_entities(path)
    if suffix == ".xdmf":
        confined(path)
    with door(path, reader=suffix[1:]):
        mesh = meshio.read(path)
    unknown = sorted({block.type for block in mesh.cells} - set(NODES))
    if unknown:
        raise FileError(f"{path}: has cells of kind {', '.join(unknown)}; known are {', '.join(NODES)}")
    return sample_of_meshio(mesh, dim)


def write_mesh(sample: MeshSample, path: str | Path, *, frame: int = -1) -> Path:
    """Write a mesh with its fields (of one frame) and tags; the format is the suffix's. Raises FileError."""
    path = Path(path).absolute()
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: meshes are written to {', '.join(SUFFIXES)} files")
    if suffix == ".stl" and set(sample.cells) != {"triangle"}:
        raise FileError(f"{path}: stl holds triangles only, the mesh has {', '.join(sample.cells)}; write a .vtu")
    fields = {n: v if sample.times is None else v[frame] for n, v in sample.fields.items()}
    data = {n: np.ascontiguousarray(v) for n, v in fields.items()}
    data |= {_TAG + name: tag.astype(np.int32) for name, tag in sample.tags.items()}
    kinds = list(sample.cells)
    cell_data = {n: [_on_kind(v, k, sample) for k in kinds] for n, v in sample.cell_fields.items()}
    cell_data |= {_TAG + n: [_on_kind(v, k, sample, np.int32) for k in kinds] for n, v in sample.cell_tags.items()}
    points = sample.points
    if points.shape[1] == 2 and suffix != ".inp":
        points = np.pad(points, ((0, 0), (0, 1)))
    blocks = [(kind, np.asarray(sample.cells[kind], dtype=np.int64)) for kind in kinds]
    if suffix == ".stl":
        data, cell_data = {}, {}
    mesh = meshio.Mesh(points, blocks, point_data=data, cell_data=cell_data)
    if suffix == ".inp":
        mesh.point_sets = {name: np.flatnonzero(tag) for name, tag in sample.tags.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mesh.write(path, **_WRITERS[suffix])
    except (Exception, SystemExit) as error:
        raise FileError(f"{path}: cannot be written as {suffix[1:]} ({error}); try a .vtu in another folder") from error
    return path


def sample_of_meshio(mesh: meshio.Mesh, dim: int | None) -> MeshSample:
    """meshio's mesh as a sample; single numbers in its field data become parameters."""
    points = np.ascontiguousarray(mesh.points, dtype=np.float64)
    planar = all(block.type in _PLANAR for block in mesh.cells)
    if dim == 2 or (dim is None and planar and points.shape[1] == 3 and not points[:, 2].any()):
        points = np.ascontiguousarray(points[:, :2])
    kinds = list(dict.fromkeys(block.type for block in mesh.cells))
    cells = {k: np.concatenate([b.data for b in mesh.cells if b.type == k]).astype(np.int64) for k in kinds}
    tags = {name[len(_TAG) :]: np.asarray(v) != 0 for name, v in mesh.point_data.items() if name.startswith(_TAG)}
    for name, nodes in (mesh.point_sets or {}).items():
        found = np.zeros(len(points), dtype=bool)
        found[np.asarray(nodes, dtype=np.int64)] = True
        tags[str(name)] = found
    fields = {n: np.asarray(v) for n, v in mesh.point_data.items() if not n.startswith((_TAG, "gmsh:"))}
    by_kind = {name: _joined(mesh, parts, kinds) for name, parts in mesh.cell_data.items()}
    cell_fields = {n: v for n, v in by_kind.items() if not n.startswith((_TAG, "gmsh:"))}
    cell_tags = {n[len(_TAG) :]: {k: a != 0 for k, a in v.items()} for n, v in by_kind.items() if n.startswith(_TAG)}
    groups = _physical(mesh, by_kind)
    for name, marked in groups.items():
        cell_tags[name] = marked
        tags.setdefault(name, _nodes_of(marked, cells, len(points)))
    for name, parts in (mesh.cell_sets or {}).items():
        if not str(name).startswith("gmsh:"):
            cell_tags.setdefault(str(name), _sets(mesh, parts, kinds))
    single = {str(n): np.ravel(v) for n, v in (mesh.field_data or {}).items() if np.size(v) == 1}
    numbers = {name: float(v[0]) for name, v in single.items() if v.dtype.kind in "fiu"}
    return MeshSample(points, cells, fields, cell_fields, tags, cell_tags, numbers)


def _joined(mesh: meshio.Mesh, parts: Any, kinds: list[str]) -> dict[str, np.ndarray]:
    """Values by block -> by kind of cell."""
    pairs = list(zip(mesh.cells, parts, strict=True))
    return {k: np.concatenate([np.asarray(p) for b, p in pairs if b.type == k]) for k in kinds}


def _physical(mesh: meshio.Mesh, by_kind: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """gmsh's physical groups: cells by name of the group."""
    marks = by_kind.get("gmsh:physical")
    if marks is None:
        return {}
    found = {}
    for name, (number, _) in mesh.field_data.items():
        found[str(name)] = {kind: np.asarray(values) == number for kind, values in marks.items()}
    return found


def _sets(mesh: meshio.Mesh, parts: Any, kinds: list[str]) -> dict[str, np.ndarray]:
    found = {k: [] for k in kinds}  # type: dict[str, list[np.ndarray]]
    for block, rows in zip(mesh.cells, parts, strict=True):
        marked = np.zeros(len(block.data), dtype=bool)
        if rows is not None and len(rows):
            marked[np.asarray(rows, dtype=np.int64)] = True
        found[block.type].append(marked)
    return {k: np.concatenate(v) for k, v in found.items()}


def _nodes_of(marked: Mapping[str, np.ndarray], cells: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    found = np.zeros(count, dtype=bool)
    for kind, rows in marked.items():
        found[cells[kind][rows].ravel()] = True
    return found


def _on_kind(values: Mapping[str, np.ndarray], kind: str, sample: MeshSample, dtype: Any = None) -> np.ndarray:
    """A cell field on one kind of cell, zeros where it has none there: the formats want it everywhere."""
    first = next(iter(values.values()))
    found = values.get(kind)
    if found is None:
        found = np.zeros((len(sample.cells[kind]), *first.shape[1:]), dtype=first.dtype)
    return np.ascontiguousarray(found if dtype is None else found.astype(dtype))


def confined(path: Path) -> None:
    """Raises FileError where an XDMF file names data outside its own folder."""
    with door(path, reader="xdmf"):
        texts = [item.text or "" for item in ET.parse(path).iter("DataItem") if item.get("Format", "").upper() == "HDF"]
    for text in texts:
        name = text.strip().partition(":")[0]
        if name and (path.parent / name).resolve().parent != path.parent.resolve():
            raise FileError(f"{path}: names data in {name!r}, outside its folder; copy them beside it")
