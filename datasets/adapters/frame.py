"""A frame of a foreign file: its place, and the structure or the error found there."""

from __future__ import annotations

from dataclasses import dataclass

import ase

from surrogates.physics.errors import FileError


@dataclass(frozen=True)
class Frame:
    """`place` is text such as "frame 3 (line 40)"."""

    place: str
    found: ase.Atoms | FileError
