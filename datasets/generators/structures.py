"""Structures from a specification in a file: a molecule's name, SMILES, a crystal, or a file of structures.

    {molecule: CH3CH2OH}                      a name of ASE's G2 collection
    {smiles: CCO, conformers: 5}              RDKit conformers, lowest energy first
    {bulk: Cu, cubic: true, repeat: 2}        a crystal, as ase.build.bulk makes it
    {file: mine.xyz}                          whatever `read_structures` reads

Each takes `rattle` (Å), `count` (rattled copies), `strain`, `seed`, `charge` and `multiplicity`; a list of
specifications is the structures of all of them. Only names and numbers go in: nothing is evaluated.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np

from surrogates.datasets.generators.conformers import conformers
from surrogates.datasets.generators.rattled import rattled
from surrogates.datasets.read import read_structures
from surrogates.physics.errors import DomainError

_COMMON = ("rattle", "count", "strain", "seed", "charge", "multiplicity")
_CRYSTALS = ("sc", "fcc", "bcc", "hcp", "diamond", "zincblende", "rocksalt", "cesiumchloride", "fluorite", "wurtzite")
SOURCES: Mapping[str, tuple[str, ...]] = {
    "molecule": (),
    "smiles": ("conformers",),
    "bulk": ("crystalstructure", "a", "c", "cubic", "repeat"),
    "file": ("index",),
}
"""What names a structure, and the further words that each source takes."""


def structures_from_spec(spec: Any, *, folder: str | Path = ".") -> list[ase.Atoms]:
    """ase.Atoms of a specification, `info` holding charge and multiplicity; paths are relative to `folder`.

    Objects of ASE and pymatgen, and lists of them, pass as well. DomainError for anything else.
    """
    if isinstance(spec, Mapping):
        return _prepared(_from_mapping(spec, Path(folder)), spec)
    if isinstance(spec, ase.Atoms):
        return [with_electrons(spec)]
    if isinstance(spec, str):
        return structures_from_spec({"file": spec}, folder=folder)
    if hasattr(spec, "to_ase_atoms"):
        return [with_electrons(_from_pymatgen(spec))]
    if isinstance(spec, Iterable):
        found = [atoms for one in spec for atoms in structures_from_spec(one, folder=folder)]
        if found:
            return found
    raise DomainError(
        f"structures were given as {spec!r}; give ase.Atoms, pymatgen objects, or a mapping such as "
        "{molecule: CH3CH2OH}, {smiles: CCO}, {bulk: Cu} or {file: mine.xyz}"
    )


def with_electrons(atoms: ase.Atoms, charge: int | None = None, multiplicity: int | None = None) -> ase.Atoms:
    """A copy whose `info` has `charge` and `multiplicity`: as given, else as known, else from initial charges and
    magnetic moments (their sums)."""
    copy = atoms.copy()
    known_charge = atoms.info.get("charge", atoms.get_initial_charges().sum())
    known_multiplicity = atoms.info.get("multiplicity", 1 + abs(atoms.get_initial_magnetic_moments().sum()))
    copy.info["charge"] = round(float(known_charge)) if charge is None else charge
    copy.info["multiplicity"] = round(float(known_multiplicity)) if multiplicity is None else multiplicity
    return copy


def _from_mapping(spec: Mapping[str, Any], folder: Path) -> list[ase.Atoms]:
    sources = [word for word in spec if word in SOURCES]
    if len(sources) != 1:
        raise DomainError(
            f"structures: {dict(spec)} names {' and '.join(sources) or 'no source'}; give exactly one of "
            f"{', '.join(SOURCES)}"
        )
    source = sources[0]
    accepted = (source, *SOURCES[source], *_COMMON)
    for word in spec:
        if word not in accepted:
            near = difflib.get_close_matches(word, accepted, 1)
            raise DomainError(
                f"structures from {source} take no {word!r}; they take {', '.join(accepted[1:])}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return {"molecule": _molecule, "smiles": _smiles, "bulk": _bulk, "file": lambda s: _file(s, folder)}[source](spec)


def _prepared(found: Sequence[ase.Atoms], spec: Mapping[str, Any]) -> list[ase.Atoms]:
    """Electrons, then rattled copies where asked for."""
    known = [with_electrons(a, _whole(spec, "charge"), _whole(spec, "multiplicity")) for a in found]
    std, strain = _number(spec, "rattle", 0.0), _number(spec, "strain", 0.0)
    count, seed = _whole(spec, "count", 1), _whole(spec, "seed", 0)
    if std == 0 and strain == 0:
        if count != 1:
            raise DomainError(f"structures: count: {count} asks for copies that are all the same; add rattle: 0.1")
        return known
    return [r for k, a in enumerate(known) for r in rattled(a, std, count=count, strain=strain, seed=[seed, k])]


def _molecule(spec: Mapping[str, Any]) -> list[ase.Atoms]:
    from ase.build import molecule
    from ase.collections import g2

    name = spec["molecule"]
    if name not in g2.names:
        near = difflib.get_close_matches(str(name), g2.names, 3, 0.3)
        raise DomainError(
            f"molecule {name!r} is not in ASE's G2 collection; near it are {', '.join(near) or 'none'}. "
            "Any other molecule is given as {smiles: ...} or {file: ...}"
        )
    return [molecule(name)]


def _smiles(spec: Mapping[str, Any]) -> list[ase.Atoms]:
    return conformers(str(spec["smiles"]), count=_whole(spec, "conformers", 1), seed=_whole(spec, "seed", 0))


def _bulk(spec: Mapping[str, Any]) -> list[ase.Atoms]:
    from ase.build import bulk

    structure = spec.get("crystalstructure")
    if structure is not None and structure not in _CRYSTALS:
        raise DomainError(f"crystalstructure {structure!r} is not known; it is one of {', '.join(_CRYSTALS)}")
    repeat = spec.get("repeat", 1)
    times = [repeat] * 3 if isinstance(repeat, int) else list(repeat)
    if len(times) != 3 or not all(isinstance(n, int) and n > 0 for n in times):
        raise DomainError(f"repeat: {repeat!r} was given; give a whole number or three of them, such as [2, 2, 2]")
    try:
        cell = bulk(
            str(spec["bulk"]),
            structure,
            a=_number(spec, "a"),
            c=_number(spec, "c"),
            cubic=bool(spec.get("cubic", False)),
        )
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        raise DomainError(
            f"no crystal of {spec['bulk']!r} can be built: {error or type(error).__name__}; "
            "give crystalstructure and a (Å), or a file"
        ) from error
    cell.set_initial_magnetic_moments(None)  # ASE's guess for magnetic metals is no statement of the user
    return [cell.repeat(times)]


def _file(spec: Mapping[str, Any], folder: Path) -> list[ase.Atoms]:
    index = spec.get("index")
    if index is not None and (isinstance(index, bool) or not isinstance(index, int)):
        raise DomainError(f"index: {index!r} was given; give the number of one structure, counted from 0")
    found = list(read_structures(folder / str(spec["file"]), energy=None, forces=None).atoms)
    if index is None:
        return found
    if not -len(found) <= index < len(found):
        raise DomainError(f"index: {index} was given, but {spec['file']} has {len(found)} structures, counted from 0")
    return [found[index]]


def _from_pymatgen(thing: Any) -> ase.Atoms:
    atoms = ase.Atoms(thing.to_ase_atoms())
    charge, multiplicity = getattr(thing, "charge", None), getattr(thing, "spin_multiplicity", None)
    atoms.info = {k: v for k, v in (("charge", charge), ("multiplicity", multiplicity)) if v is not None}
    return atoms


def _whole(spec: Mapping[str, Any], word: str, default: Any = None) -> Any:
    value = spec.get(word, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise DomainError(f"structures: {word}: {value!r} was given; give a whole number")
    return value


def _number(spec: Mapping[str, Any], word: str, default: Any = None) -> Any:
    value = spec.get(word, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value)):
        raise DomainError(f"structures: {word}: {value!r} was given; give a number")
    return value
