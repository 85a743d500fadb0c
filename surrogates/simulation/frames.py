"""Trajectory files in ASE's formats, one a structure, which an interrupted run can cut back and continue."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ase
import ase.io
from ase.io.trajectory import Trajectory as TrajFile

from surrogates.physics.errors import DomainError, FileError

_TEXT = (".extxyz", ".xyz")


class FrameFiles:
    """Open files that frames are appended to.

    Args:
        path: .extxyz, .xyz (both extended XYZ, 8 decimals) or .traj (ASE's binary, exact); with several structures,
            structure k goes to NAME.k.SUFFIX. structures: how many there are.
    """

    def __init__(self, path: str | Path, structures: int) -> None:
        path = Path(path)
        if path.suffix not in (*_TEXT, ".traj"):
            raise DomainError(f"{path}: a trajectory's name ends in .extxyz, .xyz or .traj; it was {path.suffix!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        many = structures > 1
        self.paths = tuple(path.with_suffix(f".{k}{path.suffix}") if many else path for k in range(structures))
        self.written = [0] * structures
        self._open: dict[int, Any] = {}

    def write(self, k: int, atoms: ase.Atoms) -> None:
        """Append a frame of structure `k`."""
        if k not in self._open:
            mode = "a" if self.written[k] else "w"
            path = self.paths[k]
            self._open[k] = open(path, mode) if path.suffix in _TEXT else TrajFile(path, mode)  # noqa: SIM115
        file = self._open[k]
        if self.paths[k].suffix in _TEXT:
            ase.io.write(file, atoms, format="extxyz")
        else:
            file.write(atoms)
        self.written[k] += 1

    def flush(self) -> None:
        """What was written until now survives the death of this process."""
        for k, file in self._open.items():
            if self.paths[k].suffix in _TEXT:
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        """Close every file; the next frame opens its file again."""
        for file in self._open.values():
            file.close()
        self._open = {}

    def cut(self, frames: list[int], sizes: list[int]) -> None:
        """Keep the first `frames[k]` frames of each file, whose structures have `sizes[k]` atoms.

        Raises FileError when a file has fewer.
        """
        self.close()
        for path, n, size in zip(self.paths, frames, sizes, strict=True):
            if n == 0:
                path.unlink(missing_ok=True)
            elif path.suffix in _TEXT:
                _cut_text(path, n * (size + 2), n)
            else:
                _cut_binary(path, n)
        self.written = list(frames)


def read_frames(path: str | Path) -> list[ase.Atoms]:
    """All frames of a file that `FrameFiles` wrote."""
    found = ase.io.read(path, index=":", format="traj" if Path(path).suffix == ".traj" else "extxyz")
    assert isinstance(found, list)
    return found


def _cut_text(path: Path, lines: int, frames: int) -> None:
    if not path.exists():
        raise _short(path, frames)
    with open(path, "rb+") as file:
        for _ in range(lines):
            if not file.readline().endswith(b"\n"):
                raise _short(path, frames)
        file.truncate(file.tell())


def _cut_binary(path: Path, frames: int) -> None:
    try:
        with TrajFile(path) as file:
            kept = [file[i] for i in range(frames)] if len(file) >= frames else None
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise _short(path, frames) from error
    if kept is None:
        raise _short(path, frames)
    scratch = path.with_name(f".{path.name}.cut")
    with TrajFile(scratch, "w") as file:
        for atoms in kept:
            file.write(atoms)
    os.replace(scratch, path)


def _short(path: Path, frames: int) -> FileError:
    return FileError(
        f"{path} has fewer than the {frames} frames that the checkpoint counts; "
        "put the file back, or remove the checkpoint to begin anew"
    )
