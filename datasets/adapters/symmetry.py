"""Where forces are zero by symmetry: lone atoms, and crystals whose sites admit no vector."""

from __future__ import annotations

import ase
import numpy as np


def forces_vanish(atoms: ase.Atoms, tolerance: float = 1e-3) -> bool:
    """Whether every force must be zero: the mean of a site's symmetry operations maps every vector to zero.

    `tolerance` is the position tolerance of the symmetry search, Å. Molecules of several atoms are taken to
    have forces.
    """
    if len(atoms) == 1:
        return True
    if not atoms.pbc.all():
        return False
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry(cell, symprec=tolerance)
    if found is None:
        return False
    rotations, translations = np.asarray(found["rotations"]), np.asarray(found["translations"])
    places = np.asarray(cell[1])
    for place in places:
        moved = rotations @ place + translations - place
        moved -= np.rint(moved)
        stays = np.linalg.norm(moved @ atoms.cell.array, axis=1) < 10 * tolerance
        if np.abs(rotations[stays].mean(axis=0)).max() > 1e-6:
            return False
    return True
