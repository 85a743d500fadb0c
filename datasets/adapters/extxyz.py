"""Extended XYZ, frame by frame.

ASE's own loop ends at the first blank line without a word and cannot pass a damaged frame; here frames are cut out of
the text first, so that each error has a line and the frames behind it are still read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import ase

from surrogates.datasets.adapters.door import door
from surrogates.datasets.adapters.frame import Frame
from surrogates.physics.errors import FileError

MOST_ATOMS = 10**8


def extxyz_frames(path: Path) -> Iterator[Frame]:
    """Every frame of the file, the damaged ones with their error."""
    for k, (line, text) in enumerate(_blocks(path)):
        place = f"frame {k} (line {line})"
        try:
            if isinstance(text, FileError):
                raise text
            yield Frame(place, _parse(path, place, text))
        except FileError as error:
            yield Frame(place, error)


def _parse(path: Path, place: str, text: str) -> ase.Atoms:
    from ase.io.extxyz import read_xyz

    if "\ufffd" in text:
        raise FileError(f"{path}, {place}: contains bytes that are not UTF-8 text; the file is damaged")
    _check_columns(path, place, text)
    with door(path, reader="extxyz", place=place):
        (atoms,) = read_xyz(io.StringIO(text), index=slice(None))
    return atoms


def _check_columns(path: Path, place: str, text: str) -> None:
    """Raise FileError where more columns are announced than the first atom has; ASE would build them all."""
    _, comment, *atoms = text.split("\n", 3)
    announced = re.search(r"Properties\s*=\s*\"?([^\s\"]+)", comment)
    if announced is None or not atoms:
        return
    counts = announced[1].split(":")[2::3]
    columns = sum(int(c) for c in counts if c.isascii() and c.isdigit() and len(c) < 10)
    there = len(atoms[0].split())
    if columns > there or any(len(c) >= 10 for c in counts):
        raise FileError(f"{path}, {place}: Properties announce {columns} columns, but the first atom has {there}")


def _blocks(path: Path) -> Iterator[tuple[int, str | FileError]]:
    """First line number and text of each frame; an error where it is cut short, after which reading goes on."""
    with path.open(encoding="utf-8", errors="replace", newline=None) as file:
        lines = _Lines(file)
        while (head := lines.take()) is not None:
            if not head.strip():
                continue
            first = lines.number
            if not _is_count(head):
                lines.skip_to_count()
                yield first, FileError(f"{path}, line {first}: expected a number of atoms, found {head.strip()[:40]!r}")
                continue
            yield first, _block(path, lines, head, first)


def _block(path: Path, lines: _Lines, head: str, first: int) -> str | FileError:
    count = int(head)
    taken = [head, lines.take() or ""]
    while len(taken) < count + 2:
        line = lines.take()
        if line is None or _is_count(line) or not line.strip():
            lines.give_back(line)
            end = "the file ends" if line is None else "the frame ends"
            return FileError(
                f"{path}, line {first}: {end} after {len(taken) - 2} of {count} atoms; it was truncated or edited, "
                "so copy it again or remove the frame"
            )
        taken.append(line)
    while (line := lines.take()) is not None and line.lstrip().startswith("VEC"):
        taken.append(line)
    lines.give_back(line)
    return "".join(taken)


def _is_count(line: str) -> bool:
    text = line.strip()
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MOST_ATOMS


class _Lines:
    """Lines of a file with their number, and one step back."""

    def __init__(self, file: io.TextIOBase | io.TextIOWrapper) -> None:
        self._file, self.number = file, 0
        self._back: str | None = None

    def take(self) -> str | None:
        line, self._back = self._back, None
        if line is None:
            line = self._file.readline()
        if not line:
            return None
        self.number += 1
        return line if line.endswith("\n") else line + "\n"

    def give_back(self, line: str | None) -> None:
        if line is not None:
            self._back, self.number = line, self.number - 1

    def skip_to_count(self) -> None:
        while (line := self.take()) is not None:
            if _is_count(line):
                self.give_back(line)
                return
