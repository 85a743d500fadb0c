"""Files of fields as parts of one data set: one file, a folder with our manifest, or a folder of The Well's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogates.datasets.adapters.door import present
from surrogates.datasets.adapters.stored_fields import StoredPart
from surrogates.datasets.adapters.the_well import open_well
from surrogates.datasets.adapters.whole_files import proved
from surrogates.datasets.shard import whole_file
from surrogates.physics.errors import FileError

MANIFEST = "manifest.json"
SUFFIXES = (".h5", ".hdf5")


@dataclass(frozen=True)
class StoredFields:
    """Parts of one data set, and what is known about it."""

    parts: Sequence[StoredPart]
    provenance: Mapping[str, Any]
    units: Mapping[str, str]


def open_fields(path: Path) -> StoredFields:
    """The data set at `path`. Raises FileError."""
    if not path.is_dir():
        return _together([_one(path)], path)
    if (path / MANIFEST).exists():
        return _listed(path)
    files = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and not p.name.startswith("."))
    if not files:
        raise FileError(f"{path}: a folder without {' or '.join(SUFFIXES)} files; give a folder of The Well's files")
    return _together([_one(file) for file in files], path)


_One = tuple[StoredPart, dict[str, Any], dict[str, str]]


def _one(path: Path) -> _One:
    proved(present(path))
    return open_well(path)


def _together(found: Sequence[_One], path: Path) -> StoredFields:
    provenance = found[0][1]
    if len(found) > 1:
        lines = [str(p.get("description", "")) for _, p, _ in found]
        provenance = {"description": "\n".join([f"{path.name}: {len(found)} files", *dict.fromkeys(lines)])}
    units = {k: v for _, _, given in found for k, v in given.items()}
    return StoredFields([part for part, _, _ in found], provenance, units)


def _listed(folder: Path) -> StoredFields:
    manifest = read_field_manifest(folder / MANIFEST)
    found = []
    for entry in manifest["shards"]:
        path = folder / entry["name"]
        if not path.exists():
            raise FileError(f"{path}: missing, though {folder / MANIFEST} lists it; restore it or make the data again")
        if (digest := proved(path)) != entry["sha256"]:
            raise FileError(
                f"{path}: this is not the file its manifest lists (SHA-256 {digest[:12]}, not {entry['sha256'][:12]})"
            )
        found.append(open_well(path))
    if not found:
        raise FileError(f"{folder}: its manifest lists no file yet; run the generator again, it continues")
    return StoredFields([part for part, _, _ in found], manifest["provenance"], found[0][2])


def read_field_manifest(path: Path, kind: str = "fields") -> dict[str, Any]:
    """The manifest at `path`, checked. Raises FileError."""
    data = whole_file(path)
    try:
        manifest = json.loads(data)
        if manifest["kind"] != kind:
            raise ValueError(f"kind {manifest['kind']}")
        for entry in manifest["shards"]:
            if Path(entry["name"]).name != entry["name"] or Path(entry["name"]).suffix not in SUFFIXES:
                raise ValueError(f"entry {entry}")
            str(entry["sha256"])
        dict(manifest["provenance"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(
            f"{path}: not the manifest of a data set of {kind}, or damaged ({error!r}); the files beside it can be "
            "opened one by one"
        ) from error
    return manifest
