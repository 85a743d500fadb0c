"""Is it physics? What every structure from outside must satisfy before it may become data.

Finite, elements 1 to 118, atoms at least 0.1 Å apart (periodic images included), a cell with volume where it repeats.
"""

from __future__ import annotations

import ase
import numpy as np
from ase.data import chemical_symbols
from scipy.spatial import cKDTree

from surrogates.physics.errors import DomainError

CLOSEST = 0.1  # Å
FARTHEST = 1e6  # Å


def check_structure(atoms: ase.Atoms, name: str) -> None:
    """Raise DomainError, beginning with `name`, unless `atoms` is a possible structure."""
    cell, pbc = atoms.cell.array, atoms.pbc
    fault = _sites(atoms.numbers, atoms.positions) or _box(cell, pbc) or _distances(atoms)
    if fault is not None:
        raise DomainError(f"{name} ({_formula(atoms)}): {fault}")


def check_array(value: object, shape: tuple[int, ...], what: str, name: str) -> np.ndarray:
    """`value` as float64 of `shape`. Raises DomainError with the name of the structure where it is not."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name}: {what} is {str(value)[:60]!r}, which is no array of numbers") from error
    if array.shape != shape:
        raise DomainError(f"{name}: {what} has shape {array.shape}; {shape} is expected")
    if not np.isfinite(array).all():
        raise DomainError(f"{name}: {what} is not finite (NaN or infinity); remove the structure or compute it again")
    return array


def _sites(numbers: np.ndarray, positions: np.ndarray) -> str | None:
    if len(numbers) == 0:
        return "no atoms; a structure needs at least one"
    if numbers.min() < 1 or numbers.max() > 118:
        k = int(np.flatnonzero((numbers < 1) | (numbers > 118))[0])
        return f"atom {k} has atomic number {numbers[k]}; elements are 1 (H) to 118 (Og)"
    near = np.abs(positions) <= FARTHEST  # False for NaN
    if not near.all():
        k = int(np.flatnonzero(~near.all(axis=1))[0])
        return (
            f"atom {k} stands at {positions[k]}; positions are finite and below {FARTHEST:.0e} Å, so correct or remove "
            "the structure"
        )
    return None


def _box(cell: np.ndarray, pbc: np.ndarray) -> str | None:
    if not (np.abs(cell) <= FARTHEST).all():
        return f"the cell {cell.tolist()} is not finite or beyond {FARTHEST:.0e} Å"
    if not pbc.any():
        return None
    rows = cell[pbc]
    spans = np.linalg.norm(rows, axis=1)
    volume = np.sqrt(max(np.linalg.det(rows @ rows.T), 0.0))  # length, area or volume of the periodic directions
    height = min(volume * s / max(np.prod(spans), 1e-300) for s in spans)
    if height >= CLOSEST:
        return None
    return (
        f"the cell {cell.tolist()} has no volume along its periodic directions {pbc.tolist()}; give lattice "
        "vectors that span it, or set pbc to False"
    )


def _distances(atoms: ase.Atoms) -> str | None:
    pair = _close_images(atoms) if atoms.pbc.any() else _close_pair(atoms.positions)
    if pair is None:
        return None
    i, j, r = pair
    return f"atoms {i} and {j} are {r:.2f} Å apart; a potential needs distinct sites, so remove one of them"


def _close_pair(positions: np.ndarray) -> tuple[int, int, float] | None:
    if len(positions) < 50:
        r = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        r.flat[:: len(r) + 1] = np.inf
        i, j = divmod(int(np.argmin(r)), len(r))
        return (i, j, float(r[i, j])) if r[i, j] < CLOSEST else None
    pairs = cKDTree(positions).query_pairs(CLOSEST)
    if not pairs:
        return None
    i, j = min(pairs)
    return i, j, float(np.linalg.norm(positions[i] - positions[j]))


def _close_images(atoms: ase.Atoms) -> tuple[int, int, float] | None:
    """A pair below `CLOSEST`, found by wrapping into the cell and adding a rim of images around it."""
    cell, pbc = atoms.cell.complete().array, atoms.pbc
    fraction = np.linalg.solve(cell.T, atoms.positions.T).T
    fraction[:, pbc] -= np.floor(fraction[:, pbc])
    heights = abs(np.linalg.det(cell)) / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    index = np.arange(len(fraction))
    for axis in np.flatnonzero(pbc):  # heights exceed CLOSEST, so that the nearest images suffice
        rim = CLOSEST / heights[axis]
        low, high = fraction[:, axis] < rim, fraction[:, axis] > 1 - rim
        step = np.eye(3)[axis]
        fraction = np.concatenate([fraction, fraction[low] + step, fraction[high] - step])
        index = np.concatenate([index, index[low], index[high]])
    found = _close_pair(fraction @ cell)
    if found is None:
        return None
    i, j = sorted((int(index[found[0]]), int(index[found[1]])))
    return i, j, found[2]


def _formula(atoms: ase.Atoms) -> str:
    known = all(0 < z < len(chemical_symbols) for z in atoms.numbers)
    return atoms.get_chemical_formula() if known and len(atoms) else f"{len(atoms)} atoms"
