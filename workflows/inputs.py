"""Inputs of a step as objects: structures, data sets, calculators. Imported in workers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase
import torch

from surrogates.datasets import Fields, Meshes, Structures, read_structures
from surrogates.datasets.generators.references import parse_reference
from surrogates.datasets.generators.structures import structures_from_spec
from surrogates.datasets.shard import MAGIC
from surrogates.physics.errors import DomainError
from surrogates.simulation.foreign import AseSurrogate, as_surrogate
from surrogates.training.checkpoint import load
from surrogates.workflows.desk import Desk
from surrogates.workflows.field_inputs import field_data
from surrogates.workflows.structure_fields import Structure


def read_data(path: str) -> Structures:
    """Labelled structures of a file; `file#3` is its structure 3 alone."""
    name, row = split_row(path)
    data = read_structures(name)
    return data if row is None else data[row : row + 1]


def read_any(path: str) -> Structures | Fields | Meshes:
    """Structures, fields or meshes, by what the file holds."""
    from surrogates.workflows.mesh_inputs import holds_meshes, mesh_data

    name, row = split_row(path)
    if row is None and not name.endswith(".inp") and holds_meshes(name):  # of Abaqus, but of other programs too
        return mesh_data(name)
    if row is None and holds_fields(name):
        return field_data(name)
    return read_data(path)


def holds_fields(path: str) -> bool:
    """Whether a file or folder is HDF5 with fields on a grid rather than a data set of structures."""
    found = Path(path)
    files = sorted(found.rglob("*.h*5")) if found.is_dir() else [found]
    if not files or files[0].suffix not in (".h5", ".hdf5"):
        return False
    with files[0].open("rb") as file:
        return not file.read(len(MAGIC)).startswith(MAGIC)


def start_structures(given: str | Structure | list[Structure]) -> list[ase.Atoms]:
    """The structures that a step begins from; labels are not needed."""
    if isinstance(given, list):
        return [atoms for one in given for atoms in start_structures(one)]
    if isinstance(given, str):
        name, row = split_row(given)
        found = structures_from_spec({"file": name})
        return found if row is None else found[row : row + 1]
    return list(structures_from_spec(given.spec()))


def calculator(given: str | dict[str, Any], desk: Desk, dtype: str = "as trained") -> Any:
    """A Surrogate from a checkpoint's path or from the specification of a foreign calculator."""
    if isinstance(given, dict):
        return AseSurrogate(parse_reference(given, trust=desk.trust))
    wanted = None if dtype == "as trained" else getattr(torch, dtype)
    return as_surrogate(load(given, trust=desk.trust), device=desk.device, dtype=wanted)


def split_row(path: str) -> tuple[str, int | None]:
    """`file#3` -> file and 3; a path without a row as it is."""
    name, mark, row = path.rpartition("#")
    return (name, int(row)) if mark and row.isdigit() else (path, None)


def need(structures: list[ase.Atoms]) -> list[ase.Atoms]:
    """The structures, unless there are none."""
    if not structures:
        raise DomainError("there are no structures to work on; look at the step they come from")
    return structures
