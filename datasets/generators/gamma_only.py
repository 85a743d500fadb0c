"""A reference without k-points meets a periodic cell: refused where the cell is small, warned of where it is large.

tblite samples the Gamma point alone. Its energies per atom then depend on the cell chosen: by GFN2-xTB, 8- and 64-atom
cells of silicon differ by 0.45 eV/atom, of diamond by 1.2 eV/atom.
"""

from __future__ import annotations

import warnings

import ase
import numpy as np

from surrogates.datasets.generators.allowed import ALLOWED
from surrogates.physics.errors import DomainError, SurrogatesWarning

SMALLEST = 10.0  # Å


def check_cell(use: str, atoms: ase.Atoms) -> None:
    """DomainError where `use` ("module:Class") samples no k-points and a period of `atoms` is below 10 Å.

    A larger cell gives a SurrogatesWarning. The period is the distance of lattice planes.
    """
    if not atoms.pbc.any() or not (use in ALLOWED and ALLOWED[use].gamma_only):
        return
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.complete().array), axis=0)[atoms.pbc]
    said = (
        f"{use} samples the Gamma point only, so that its energies depend on the size of the cell (8- and 64-atom "
        f"cells of silicon differ by 0.45 eV/atom); {atoms.symbols} repeats every {heights.min():.1f} Å"
    )
    if heights.min() < SMALLEST:
        times = int(np.ceil(SMALLEST / heights.min()))
        raise DomainError(
            f"{said}. Give a supercell of {SMALLEST:g} Å or more (repeat: {times}), set "
            "pbc to false for a molecule in a box, or name a reference for crystals, such as "
            "ase.calculators.espresso:Espresso"
        )
    warnings.warn(f"{said}. Compare with a larger cell before you rely on it", SurrogatesWarning, stacklevel=3)
