"""Whatever is a structure, pymatgen's Structure and Molecule above all, as ase.Atoms."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
from ase.constraints import FixAtoms, FixScaled

from surrogates.datasets.sample import Sample
from surrogates.physics.errors import DomainError


def as_ase(structure: Any) -> ase.Atoms:
    """`structure` itself when it is ase.Atoms; else a Sample, or a pymatgen Structure or Molecule.

    Raises DomainError for anything else, and for sites that are not one whole element each.
    """
    if isinstance(structure, ase.Atoms):
        return structure
    if isinstance(structure, Sample):
        return structure.atoms()
    kind = type(structure)
    if not kind.__module__.startswith("pymatgen.") or not hasattr(structure, "sites"):
        raise DomainError(
            f"a {kind.__module__}.{kind.__name__} is no structure; give ase.Atoms, or a pymatgen Structure or Molecule"
        )
    if not structure.is_ordered:
        site = next(k for k, s in enumerate(structure.sites) if not s.is_ordered)
        raise DomainError(
            f"{structure.formula}: site {site} is partially occupied ({structure.sites[site].species_string}); a "
            "potential needs one element a site, so order the structure first "
            "(pymatgen's OrderDisorderedStructureTransformation)"
        )
    return _ordered(structure)


def _ordered(structure: Any) -> ase.Atoms:
    numbers = [site.specie.Z for site in structure.sites]
    lattice = getattr(structure, "lattice", None)
    periodic = {} if lattice is None else {"cell": lattice.matrix, "pbc": lattice.pbc}
    atoms = ase.Atoms(numbers, structure.cart_coords, **periodic)
    moves = structure.site_properties.get("selective_dynamics")  # a flag for each direction, True where it may move
    if moves is not None:
        free = np.array([[True] * 3 if flags is None else flags for flags in moves], dtype=bool)
        partly = np.flatnonzero(free.any(axis=1) & ~free.all(axis=1))
        still = [FixAtoms(np.flatnonzero(~free.any(axis=1)))] if (~free.any(axis=1)).any() else []
        atoms.set_constraint([*still, *(FixScaled(int(i), ~free[i]) for i in partly)])
    charge = structure.charge
    if charge:
        atoms.info["charge"] = float(charge)
    if lattice is None:  # a Molecule knows its multiplicity
        atoms.info["multiplicity"] = int(structure.spin_multiplicity)
    return atoms
