"""Crystals from their elements, and what is cut out of them: supercells, vacancies, (hkl) slabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ase
import numpy as np
from ase.lattice import MCL, RHL, TET, UnconventionalLattice
from jaxtyping import Float

from surrogates.physics.errors import DomainError

LATTICES = (
    *("sc", "fcc", "bcc", "bct", "hcp", "tetragonal", "rhombohedral", "orthorhombic", "mcl", "diamond"),
    *("zincblende", "rocksalt", "cesiumchloride", "fluorite", "wurtzite"),
)
_ONE_ATOM: Mapping[str, Any] = {"tetragonal": TET, "mcl": MCL, "rhombohedral": RHL}  # which bulk cannot or only of some


def crystal(
    name: str,
    structure: str | None = None,
    *,
    cubic: bool = False,
    orthorhombic: bool = False,
    **lengths: float | int | None,
) -> ase.Atoms:
    """A unit cell as ase.build.bulk makes it: of an element with its known lattice, or of a formula.

    `structure` is one of LATTICES (tetragonal, mcl and rhombohedral with one atom in the cell); `lengths` are a, b, c
    (Å), alpha (degrees), covera and u, as far as it needs them. The primitive cell, unless `cubic` or `orthorhombic`.
    DomainError where that is no crystal.
    """
    from ase.build import bulk

    if structure is not None and structure not in LATTICES:
        raise DomainError(f"crystalstructure {structure!r} is not known; it is one of {', '.join(LATTICES)}")
    try:
        if structure is not None and structure in _ONE_ATOM and not (cubic or orthorhombic):
            return ase.Atoms(name, cell=_ONE_ATOM[structure](**lengths).tocell(), pbc=True)
        cell = bulk(name, structure, cubic=cubic, orthorhombic=orthorhombic, **lengths)
    except (ValueError, KeyError, RuntimeError, NotImplementedError, TypeError, UnconventionalLattice) as error:
        raise DomainError(
            f"no crystal of {name!r} can be built: {error or type(error).__name__}; "
            "give crystalstructure and a (Å), or a file"
        ) from error
    cell.set_initial_magnetic_moments(None)  # ASE's guess for magnetic metals is no statement of the user
    return cell


def supercell(atoms: ase.Atoms, matrix: Any) -> ase.Atoms:
    """The crystal in a cell whose vectors are matrix @ cell, integers of determinant 1 or more. DomainError."""
    from ase.build import make_supercell

    _require_cell(atoms, "supercell")
    rows = np.asarray(matrix)
    if rows.shape != (3, 3) or not np.issubdtype(rows.dtype, np.integer) or round(np.linalg.det(rows)) < 1:
        raise DomainError(
            f"supercell: {matrix!r} was given; give three rows of three whole numbers with a positive determinant, "
            "such as [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]"
        )
    return make_supercell(atoms, rows)


def with_vacancies(atoms: ase.Atoms, count: int, *, seed: int | list[int] = 0) -> ase.Atoms:
    """A copy without `count` atoms, drawn at random; the cell stays. DomainError unless some remain."""
    if not 0 < count < len(atoms):
        raise DomainError(
            f"vacancies: {count} was given for {atoms.symbols} of {len(atoms)} atoms; give 1 to {len(atoms) - 1}, "
            "in a supercell (repeat: 2)"
        )
    gone = np.random.default_rng(seed).choice(len(atoms), count, replace=False)
    return atoms[np.setdiff1d(np.arange(len(atoms)), gone)]


def slab(
    atoms: ase.Atoms,
    miller: Sequence[int],
    *,
    layers: int = 4,
    vacuum: float | int = 8.0,
    conventional: Float[np.ndarray, "3 3"] | None = None,
) -> ase.Atoms:
    """`layers` lattice planes (hkl) of the crystal, between `vacuum` Å on either side.

    Indices count in the reciprocal vectors of the cell of `atoms`, or of its `conventional` one (rows, Å). Periodic in
    all directions, as plane waves and stresses need it; the two sides do not meet where a calculator's range is below
    2 `vacuum`. DomainError for indices that are none.
    """
    from ase.build import surface

    _require_cell(atoms, "miller")
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in miller)
    if len(miller) != 3 or not whole or not any(miller):
        raise DomainError(f"miller: {miller!r} was given; give three whole numbers, not all of them 0, as [1, 1, 1]")
    if layers < 1 or not vacuum > 0:
        raise DomainError(f"layers: {layers} and vacuum: {vacuum} were given; give a whole number and Å, above 0")
    told = atoms.cell.array if conventional is None else conventional
    steps = atoms.cell.array @ np.linalg.inv(told) @ np.asarray(miller)  # planes of (hkl) along each own vector
    own = np.rint(steps * 12).astype(int)  # centred lattices have steps of 1/2 and 1/3
    if abs(own - steps * 12).max() > 1e-6 * abs(own).max():
        raise DomainError("the conventional cell is none of this crystal: its planes do not meet the lattice")
    cut = surface(atoms, tuple(own // np.gcd.reduce(own)), layers, vacuum=float(vacuum), periodic=True)
    cut.info = dict(atoms.info)
    return cut


def _require_cell(atoms: ase.Atoms, word: str) -> None:
    if not atoms.pbc.all():
        raise DomainError(f"{word}: {atoms.symbols} is no crystal: it is periodic along {atoms.pbc.tolist()}")
