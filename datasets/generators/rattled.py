"""Structures with random displacements and strains: cheap samples around a known one."""

from __future__ import annotations

import ase
import numpy as np
from ase.neighborlist import neighbor_list

from surrogates.physics.errors import DomainError

_ATTEMPTS = 100


def rattled(
    atoms: ase.Atoms, std: float | int, *, count: int = 1, strain: float | int = 0.0, seed: int | list[int] = 0
) -> list[ase.Atoms]:
    """`count` copies, each coordinate moved by a normal deviate of `std` Å, the cell strained by deviates of `strain`.

    A draw that brings two atoms closer than half the smallest distance before is drawn again. DomainError for a
    negative width, a strain without a cell, or when 100 draws in a row fail.
    """
    if std < 0 or strain < 0 or count < 1:
        raise DomainError(
            f"rattle: {std} Å, strain: {strain} and count: {count} were given; widths must not be negative, "
            "count at least 1"
        )
    if strain > 0 and not atoms.pbc.any():
        raise DomainError(f"strain: {strain} was given for {atoms.symbols}, which has no periodic cell; leave it out")
    generator = np.random.default_rng(seed)
    floor = 0.5 * _smallest_distance(atoms)
    return [_draw(atoms, std, strain, floor, generator) for _ in range(count)]


def _draw(
    atoms: ase.Atoms, std: float | int, strain: float | int, floor: float, generator: np.random.Generator
) -> ase.Atoms:
    for _ in range(_ATTEMPTS):
        moved = atoms.copy()
        if strain > 0:
            draw = strain * generator.standard_normal((3, 3))
            moved.set_cell(moved.cell.array @ (np.eye(3) + (draw + draw.T) / 2), scale_atoms=True)
        moved.positions += std * generator.standard_normal(moved.positions.shape)
        if not len(neighbor_list("d", moved, floor)):
            return moved
    raise DomainError(
        f"rattling {atoms.symbols} by {std:g} Å brought two atoms on top of each other {_ATTEMPTS} times in a row; "
        "give a smaller value, such as 0.1"
    )


def _smallest_distance(atoms: ase.Atoms) -> float:
    """Å, periodic images included; 0 where no two atoms are within 32 Å."""
    for cutoff in (2.0, 4.0, 8.0, 16.0, 32.0):
        distances = neighbor_list("d", atoms, cutoff)
        if len(distances):
            return float(distances.min())
    return 0.0
