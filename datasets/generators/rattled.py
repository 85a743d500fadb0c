"""Structures with random displacements and strains: cheap samples around a known one."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
from ase.neighborlist import neighbor_list

from surrogates.physics.errors import DomainError

_ATTEMPTS = 100


def rattled(
    atoms: ase.Atoms,
    std: float | int,
    *,
    count: int = 1,
    strain: float | int = 0.0,
    volume: Sequence[float | int] | None = None,
    seed: int | list[int] = 0,
) -> list[ase.Atoms]:
    """`count` copies, each coordinate moved by a normal deviate of `std` Å, the cell deformed.

    Its strain is symmetric, with components that are normal deviates of `strain`; its volume is further multiplied by
    a number drawn evenly from `volume` = (low, high). Directions that do not repeat are not strained. A draw that
    brings two atoms closer than half the smallest distance before is drawn again. DomainError for a negative width, a
    strain without a cell, or when 100 draws in a row fail.
    """
    if std < 0 or strain < 0 or count < 1:
        raise DomainError(
            f"rattle: {std} Å, strain: {strain} and count: {count} were given; widths must not be negative, "
            "count at least 1"
        )
    if volume is not None:
        require_volume(volume)
    if (strain > 0 or volume is not None) and not atoms.pbc.any():
        given = f"strain: {strain}" if strain > 0 else f"volume: {list(volume or ())}"
        raise DomainError(f"{given} was given for {atoms.symbols}, which has no periodic cell; leave it out")
    generator = np.random.default_rng(seed)
    floor = 0.5 * _smallest_distance(atoms)
    return [_draw(atoms, std, strain, volume, floor, generator) for _ in range(count)]


def require_volume(volume: Sequence[float | int]) -> None:
    """DomainError unless it is (low, high) with 0.3 <= low <= high <= 3."""
    if len(volume) != 2 or not 0.3 <= volume[0] <= volume[1] <= 3:
        raise DomainError(
            f"volume: {list(volume)} was given; give two factors of the volume from 0.3 to 3, such as [0.94, 1.06]"
        )


def _draw(
    atoms: ase.Atoms,
    std: float | int,
    strain: float | int,
    volume: Sequence[float | int] | None,
    floor: float,
    generator: np.random.Generator,
) -> ase.Atoms:
    for _ in range(_ATTEMPTS):
        moved = atoms.copy()
        if strain > 0:
            draw = strain * generator.standard_normal((3, 3))
            _deform(moved, np.eye(3) + (draw + draw.T) / 2)
        if volume is not None:
            _deform(moved, np.eye(3) * generator.uniform(volume[0], volume[1]) ** (1 / atoms.pbc.sum()))
        moved.positions += std * generator.standard_normal(moved.positions.shape)
        if not len(neighbor_list("d", moved, floor)):
            return moved
    raise DomainError(
        f"rattling {atoms.symbols} by {std:g} Å brought two atoms on top of each other {_ATTEMPTS} times in a row; "
        "give a smaller value, such as 0.1"
    )


def _deform(atoms: ase.Atoms, deformation: np.ndarray) -> None:
    """Apply a symmetric deformation to cell and atoms, within the span of the periodic directions only."""
    if atoms.pbc.all():
        atoms.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
        return
    span = np.linalg.qr(atoms.cell.array[atoms.pbc].T)[0]
    inside = span @ span.T
    within = np.eye(3) + inside @ (deformation - np.eye(3)) @ inside
    atoms.set_cell(atoms.cell.array @ within)
    atoms.positions = atoms.positions @ within


def _smallest_distance(atoms: ase.Atoms) -> float:
    """Å, periodic images included; 0 where no two atoms are within 32 Å."""
    for cutoff in (2.0, 4.0, 8.0, 16.0, 32.0):
        distances = neighbor_list("d", atoms, cutoff)
        if len(distances):
            return float(distances.min())
    return 0.0
