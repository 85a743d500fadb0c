"""Structures from a specification in a file: a molecule's name, SMILES, a crystal, or a file of structures.

    {molecule: CH3CH2OH}                      a name of ASE's G2 collection
    {smiles: CCO, conformers: 5}              RDKit conformers, lowest energy first
    {bulk: Cu, cubic: true, repeat: 2}        a crystal, as ase.build.bulk makes it
    {file: mine.cif}                          whatever `read_structures` reads

Crystals of the last two are cut by `miller` (hkl of the conventional cell; of the file's own cell), `layers` and
`vacuum`, then enlarged by `supercell` or `repeat`, then `vacancies` are made. Each source takes `rattle` (Å), `count`
(random copies), `strain`, `volume`, `seed`, `charge` and `multiplicity`; a list of specifications is the structures of
all of them. Only names and numbers go in: nothing is evaluated.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np

from surrogates.datasets.adapters.pymatgen import as_ase
from surrogates.datasets.generators.conformers import conformers
from surrogates.datasets.generators.crystals import crystal, slab, supercell, with_vacancies
from surrogates.datasets.generators.rattled import rattled
from surrogates.datasets.read import read_structures
from surrogates.datasets.sample import Sample
from surrogates.physics.errors import DomainError

_COMMON = ("rattle", "count", "strain", "volume", "seed", "charge", "multiplicity")
_LENGTHS = ("a", "b", "c", "alpha", "covera", "u")
_CUT = ("miller", "layers", "vacuum", "supercell", "repeat", "vacancies")
SOURCES: Mapping[str, tuple[str, ...]] = {
    "molecule": (),
    "smiles": ("conformers",),
    "bulk": ("crystalstructure", *_LENGTHS, "cubic", "orthorhombic", *_CUT),
    "file": ("index", *_CUT),
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
    if isinstance(spec, Sample) or hasattr(spec, "sites"):
        return [with_electrons(as_ase(spec))]
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
    makers = {"molecule": _molecule, "smiles": _smiles, "bulk": _bulk, "file": lambda s: _file(s, folder)}
    return [_cut(atoms, spec) for atoms in makers[source](spec)]


def _prepared(found: Sequence[ase.Atoms], spec: Mapping[str, Any]) -> list[ase.Atoms]:
    """Electrons, vacancies, then random copies where asked for."""
    known = [with_electrons(a, _whole(spec, "charge"), _whole(spec, "multiplicity")) for a in found]
    std, strain, volume = _number(spec, "rattle", 0.0), _number(spec, "strain", 0.0), spec.get("volume")
    count, seed, gone = _whole(spec, "count", 1), _whole(spec, "seed", 0), _whole(spec, "vacancies")
    if volume is not None and (not isinstance(volume, list | tuple) or not all(_is_number(v) for v in volume)):
        raise DomainError(f"structures: volume: {volume!r} was given; give two factors, such as [0.94, 1.06]")
    random = bool(std or strain or volume is not None)
    if not random and count != 1 and gone is None:
        raise DomainError(f"structures: count: {count} asks for copies that are all the same; add rattle: 0.1")
    if gone is not None:  # each copy lacks atoms of its own
        known = [with_vacancies(a, gone, seed=[seed, k, n]) for k, a in enumerate(known) for n in range(count)]
        count = 1
    if not random:
        return known
    return [
        copy
        for k, a in enumerate(known)
        for copy in rattled(a, std, count=count, strain=strain, volume=volume, seed=[seed, k])
    ]


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
    kind = spec.get("crystalstructure")
    lengths = {name: value for name in _LENGTHS if (value := _number(spec, name)) is not None}
    shapes = {word: _flag(spec, word) for word in ("cubic", "orthorhombic")}
    return [crystal(str(spec["bulk"]), kind, **shapes, **lengths)]


def _conventional(spec: Mapping[str, Any]) -> np.ndarray | None:
    """The cubic cell of a crystal that has one: what Miller indices are counted in; None for the crystal's own."""
    try:
        cubic = crystal(
            str(spec["bulk"]),
            spec.get("crystalstructure"),
            cubic=True,
            **{name: value for name in _LENGTHS if (value := _number(spec, name)) is not None},
        )
    except (DomainError, KeyError):
        return None
    return np.asarray(cubic.cell.array)


def _cut(atoms: ase.Atoms, spec: Mapping[str, Any]) -> ase.Atoms:
    """The slab and the supercell that a specification asks for."""
    if "miller" in spec:
        layers, vacuum = _whole(spec, "layers", 4), _number(spec, "vacuum", 8.0)
        conventional = _conventional(spec)
        atoms = slab(atoms, list(spec["miller"]), layers=layers, vacuum=vacuum, conventional=conventional)
    elif "layers" in spec or "vacuum" in spec:
        raise DomainError("structures: layers and vacuum belong to a slab; add miller, such as [1, 1, 1]")
    if "supercell" in spec:
        atoms = supercell(atoms, spec["supercell"])
    repeat = spec.get("repeat", 1)
    times = [repeat] * 3 if isinstance(repeat, int) else list(repeat)
    if len(times) != 3 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in times):
        raise DomainError(f"repeat: {repeat!r} was given; give a whole number or three of them, such as [2, 2, 2]")
    if times != [1, 1, 1] and not atoms.pbc.all():
        raise DomainError(f"repeat: {repeat!r} was given for {atoms.symbols}, which has no periodic cell; leave it out")
    return atoms if times == [1, 1, 1] else atoms.repeat(times)


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


def _whole(spec: Mapping[str, Any], word: str, default: Any = None) -> Any:
    value = spec.get(word, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise DomainError(f"structures: {word}: {value!r} was given; give a whole number")
    return value


def _number(spec: Mapping[str, Any], word: str, default: Any = None) -> Any:
    value = spec.get(word, default)
    if value is not None and not _is_number(value):
        raise DomainError(f"structures: {word}: {value!r} was given; give a number")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _flag(spec: Mapping[str, Any], word: str) -> bool:
    value = spec.get(word, False)
    if not isinstance(value, bool):
        raise DomainError(f"structures: {word}: {value!r} was given; give true or false")
    return value
