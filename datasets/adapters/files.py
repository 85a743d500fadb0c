"""Frames of a file of any allowed format: extxyz frame by frame, ASE databases row by row, the rest at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np

from surrogates.datasets.adapters.cif import formula_fault
from surrogates.datasets.adapters.door import door, refuse_entities, refuse_impossible_counts
from surrogates.datasets.adapters.extxyz import extxyz_frames
from surrogates.datasets.adapters.formats import PYMATGEN
from surrogates.datasets.adapters.frame import Frame
from surrogates.datasets.adapters.pymatgen import as_ase
from surrogates.datasets.adapters.vasp import cut_short, force_consistent, unconverged
from surrogates.physics.errors import FileError

_HARMLESS = ("pymatgen.core.",)  # what a pymatgen JSON file may name; its decoder would import anything


def frames(path: Path, format: str) -> Iterator[Frame]:
    """Every frame of `path`; those that could be told apart and are damaged, with their error. Raises FileError."""
    if format in ("extxyz", "xyz"):
        yield from extxyz_frames(path)
    elif format in ("db", "json"):
        yield from _database(path, format)
    elif format in PYMATGEN:
        yield Frame("frame 0", _pymatgen(path, format))
    elif format == "cif":
        yield from _cif(path)
    else:
        yield from _ase(path, format)


def _ase(path: Path, format: str) -> Iterator[Frame]:
    if format == "vasp-xml":
        refuse_entities(path)
    if format in ("vasp", "vasp-xdatcar"):
        refuse_impossible_counts(path)
    vasp = format in ("vasp-xml", "vasp-out")
    faults = unconverged(path, format) if vasp else {}
    count = 0
    for atoms in _read_one_by_one(path, format):
        place = f"frame {count}"
        if (fault := faults.get(count)) is not None:
            yield Frame(place, FileError(f"{path}, {place}: {fault}; raise NELM or smear more, or leave the frame out"))
        else:
            checked = _one_element_a_site(path, atoms)
            yield Frame(place, force_consistent(checked) if isinstance(checked, ase.Atoms) and vasp else checked)
        count += 1
    if not count:
        raise FileError(f"{path}: holds no structure that the {format} reader can see; it is empty or truncated")
    if vasp and (lacking := cut_short(path, format)) is not None:
        reason = f"{path}: is cut short (no {lacking} at its end), so frames are missing"
        yield Frame("end of file", FileError(reason))


def _cif(path: Path) -> Iterator[Frame]:
    found = list(_ase(path, "cif"))
    lone = found[0].found if len(found) == 1 else None
    if isinstance(lone, ase.Atoms) and (fault := formula_fault(path, lone)):
        found = [Frame(found[0].place, FileError(f"{path}: {fault}"))]
    yield from found


def _read_one_by_one(path: Path, format: str) -> Iterator[ase.Atoms]:
    """Frames as ASE finds them, so that those before a damaged one are kept."""
    from ase.io import iread

    with door(path, reader=format):
        found = iter(iread(str(path), index=":", format=format, do_not_split_by_at_sign=True))
    count = 0
    while True:
        with door(path, reader=format, place=f"frame {count}" if count else ""):
            atoms = next(found, None)
        if atoms is None:
            return
        yield atoms
        count += 1


def _database(path: Path, format: str) -> Iterator[Frame]:
    from ase.db import connect

    with door(path, reader=f"ASE database ({format})"):
        database = connect(str(path), type=format, use_lock_file=False)
        ids = [row.id for row in database.select(columns=["id"], include_data=False)] if format == "db" else None
        rows = None if ids is not None else list(database.select())
    if not (ids or rows):
        raise FileError(f"{path}: an ASE database without rows; at least one structure is expected")
    for k in range(len(ids or rows or ())):
        place = f"row {ids[k] if ids else rows[k].id}"  # type: ignore[index]
        try:
            with door(path, reader="ASE database", place=place):
                yield_this = _row(database.get(id=ids[k]) if ids else rows[k])  # type: ignore[index]
            yield Frame(place, yield_this)
        except FileError as error:
            yield Frame(place, error)


def _row(row: Any) -> ase.Atoms:
    atoms = row.toatoms(add_additional_information=True)
    for name in ("data", "key_value_pairs"):
        atoms.info.update(atoms.info.pop(name, None) or {})
    if "charge" not in atoms.info and row.get("charge") is not None:
        atoms.info["charge"] = row.charge
    return atoms


def _pymatgen(path: Path, format: str) -> ase.Atoms | FileError:
    from pymatgen.core import Molecule, Structure

    with door(path, reader=format):
        text = path.read_text(encoding="utf-8")
        if format != "pymatgen-json":
            return as_ase(Structure.from_str(text, fmt=format))  # type: ignore[arg-type]
        plain = json.loads(text)
        _refuse_foreign_classes(path, plain)
        kind = Molecule if plain.get("@class") in ("Molecule", "IMolecule") else Structure
        return as_ase(kind.from_dict(plain))


def _refuse_foreign_classes(path: Path, plain: Any) -> None:
    waiting = [plain]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            module = value.get("@module")
            if module is not None and not str(module).startswith(_HARMLESS):
                raise FileError(f"{path}: names the module {module!r}; only pymatgen's own structures are read")
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _one_element_a_site(path: Path, atoms: ase.Atoms) -> ase.Atoms | FileError:
    """ASE keeps the first element of a shared site and the rest in `info["occupancy"]`."""
    with door(path, reader="site occupancies"):
        occupancy = {
            site: [float(x) for x in shares.values()] for site, shares in atoms.info.get("occupancy", {}).items()
        }
    for site, shares in occupancy.items():
        if len(shares) != 1 or not np.isclose(sum(shares), 1.0, atol=1e-3):
            return FileError(
                f"{path}: site {site} is partially occupied ({shares}); a potential needs one element a site, so order "
                "the structure first (pymatgen's OrderDisorderedStructureTransformation)"
            )
    return atoms
