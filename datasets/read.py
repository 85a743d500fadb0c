"""Structures from users' files: one function for whatever ASE and pymatgen read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from surrogates.datasets.adapters.door import Quarantined
from surrogates.datasets.adapters.files import frames
from surrogates.datasets.adapters.formats import UNIT_FREE, recognise, unpacked
from surrogates.datasets.adapters.frame import Frame
from surrogates.datasets.adapters.labels import LabelReader
from surrogates.datasets.sample import Sample
from surrogates.datasets.shard import MAGIC
from surrogates.datasets.store import Structures
from surrogates.physics.errors import DomainError, FileError, SurrogatesError

Files = str | Path | Sequence[str | Path]


def read_structures(
    path: Files,
    *,
    energy: str | None = "energy",
    forces: str | None = "forces",
    stress: str | None = None,
    charge: float | int | str | None = None,
    multiplicity: int | str | None = None,
    units: Mapping[str, str] | None = None,
    format: str | None = None,
    bad: str = "raise",
) -> Structures:
    """Structures and labels of one or several files (extxyz, CIF, POSCAR, vasprun.xml, ASE database, our .h5 ...).

    Args:
        path: a file, or several that become one data set; .gz, .bz2 and .xz are unpacked.
        energy, forces, stress: the keys of the labels; None reads without. A key that ASE moved into a calculator is
            found too.
        charge, multiplicity: one number for all, or the key of each frame's; None takes what the frame says, else the
            charge 0 and the lowest multiplicity that fits.
        units: the file's units where they are not eV, Å and e: {"energy": "kcal/mol", "forces": "Hartree/Bohr"}.
        format: ASE's name of the format, where the file's name and first bytes do not tell.
        bad: "raise" at the first bad frame, or "quarantine" it and go on; see `Structures.quarantined`.

    What was found is in `Structures.description`. Raises FileError where a file is missing, damaged or without the
    named keys, DomainError where a frame is impossible (NaN, two atoms on a site, no cell volume, all-zero forces).
    """
    if bad not in ("raise", "quarantine"):
        raise DomainError(f'bad="{bad}" is unknown; choose "raise" or "quarantine"')
    keys = {"energy": energy, "forces": forces, "stress": stress}
    files = [path] if isinstance(path, str | Path) else list(path)
    if not files:
        raise FileError("no file was given; name at least one")
    sets = []
    for file in files:
        if _is_ours(Path(file)):
            sets.append(_ours(Path(file), keys))
        else:
            reader = LabelReader(keys, charge, multiplicity, dict(units or {}))
            sets.append(_foreign(Path(file), reader, format, quarantine=bad == "quarantine"))
    return sum(sets[1:], start=sets[0])


def _foreign(path: Path, reader: LabelReader, format: str | None, *, quarantine: bool) -> Structures:
    samples: list[Sample] = []
    out: list[Quarantined] = []
    with unpacked(path) as file:
        kind = recognise(file, format)
        if reader.units and kind not in UNIT_FREE:
            raise DomainError(
                f"{path}: units= is for files of numbers without units ({', '.join(UNIT_FREE)}); ASE's reader for "
                f"{kind} gives eV and Å already, so leave units= away"
            )
        for frame in _numbered(frames(file, kind)):
            try:
                samples.append(_taken(frame, reader, path, len(samples)))
            except SurrogatesError as error:
                if not quarantine:
                    raise
                out.append(Quarantined(str(path), frame.place, str(error)))
    if not samples:
        first = out[0].reason if out else "the file is empty or truncated before its first frame"
        raise FileError(f"{path}: no usable structure among {len(out)} frames; the first: {first}")
    return Structures(samples, provenance=_provenance(path, kind, reader, samples, out))


def _taken(frame: Frame, reader: LabelReader, path: Path, row: int) -> Sample:
    if isinstance(frame.found, SurrogatesError):
        raise frame.found
    return reader.sample(frame.found, name=f"{path}, {frame.place}", group=path.name, row=row)


def _numbered(found: Iterator[Frame]) -> Iterator[Frame]:
    """The frames, a failure of the whole reader being one more bad frame only after good ones."""
    count = 0
    while True:
        try:
            frame = next(found)
        except StopIteration:
            return
        except FileError as error:
            if count == 0:
                raise
            frame = Frame(f"after frame {count - 1}", error)
        count += 1
        yield frame


def _provenance(path: Path, kind: str, reader: LabelReader, samples: list[Sample], out: list[Quarantined]) -> dict:
    lines = [f"{path.name}: {len(samples)} structures ({kind})", *reader.lines()]
    lines += [f"{len(out)} frames left out"] if out else []
    lines += [f"  {q.place}: {q.reason}" for q in out[:5]] + (["  ..."] if len(out) > 5 else [])
    return {"description": "\n".join(lines), "quarantined": [q.plain() for q in out]}


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _ours(path: Path, keys: Mapping[str, str | None]) -> Structures:
    data = Structures.open(path)
    missing = [q for q, key in keys.items() if key is not None and q not in data.labels]
    if missing:
        raise FileError(
            f"{path}: has no {' and no '.join(missing)}, only {', '.join(data.labels) or 'structures'}; read it with "
            f"{', '.join(f'{m}=None' for m in missing)}"
        )
    return data
