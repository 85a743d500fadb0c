"""Structures written in a format of ASE's: whole or not at all, and refused before anything is computed for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from surrogates.physics.errors import FileError


def check_target(target: Path) -> str:
    """ASE's name for the format that `target`'s name says. Raises FileError for an unknown one or a missing folder."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    check_folder(target)
    try:
        kind = str(filetype(str(target), read=False))
    except UnknownFileTypeError:
        kind = ""
    if kind not in ioformats or not ioformats[kind].can_write:
        raise FileError(f"{target}: {target.suffix or 'a name without ending'} cannot be written; use .extxyz")
    return kind


def check_folder(target: Path) -> None:
    """Raises FileError where a file cannot be because its folder is missing or itself a folder."""
    if not target.absolute().parent.is_dir():
        raise FileError(f"{target}: there is no folder {target.parent}; make it first, or give another name")
    if target.is_dir():
        raise FileError(f"{target} is a folder; give the name of a file")


def write_structures(atoms: list[Any], target: Path) -> None:
    """Write to a temporary file beside `target`, then rename. Raises FileError, and leaves what was there before."""
    import ase.io

    kind = check_target(target)
    part = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        ase.io.write(part, atoms, format=kind)
        os.replace(part, target)
    except OSError as error:
        raise FileError(f"{target} cannot be written ({error.strerror}); free space or permit writing there") from error
    except Exception as error:  # ASE's writers raise whatever they meet
        raise FileError(f"{target} cannot be written as {kind}: {error}; .extxyz always can") from error
    finally:
        part.unlink(missing_ok=True)
