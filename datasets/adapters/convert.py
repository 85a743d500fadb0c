"""Names of units in users' files to factors onto ours (eV, Å, e)."""

from __future__ import annotations

import difflib
import re

from surrogates.datasets.sample import UNITS
from surrogates.physics import units
from surrogates.physics.errors import DomainError

_ENERGY = {
    "ev": 1.0,
    "mev": 1e-3,
    "hartree": units.HARTREE,
    "ha": units.HARTREE,
    "eh": units.HARTREE,
    "rydberg": units.HARTREE / 2,
    "ry": units.HARTREE / 2,
    "kcal/mol": units.KCAL_PER_MOL,
    "kj/mol": units.KJ_PER_MOL,
}
_LENGTH = {"å": 1.0, "a": 1.0, "ang": 1.0, "angstrom": 1.0, "bohr": units.BOHR, "a0": units.BOHR, "nm": 10.0}
_PRESSURE = {"gpa": units.GPA, "kbar": units.GPA / 10, "mpa": units.GPA / 1000}
_TABLES = {
    "positions": _LENGTH,
    "cell": _LENGTH,
    "energy": _ENERGY,
    "forces": {f"{e}/{x}": fe / fx for e, fe in _ENERGY.items() for x, fx in _LENGTH.items()},
    "stress": _PRESSURE | {f"{e}/{x}^3": fe / fx**3 for e, fe in _ENERGY.items() for x, fx in _LENGTH.items()},
    "dipole": {"debye": units.DEBYE, "d": units.DEBYE} | {f"e{x}": f for x, f in _LENGTH.items()},
}


def factor(quantity: str, unit: str) -> float:
    """Multiply a number in `unit` by this to have it in ours. Raises DomainError, naming what is accepted."""
    if quantity not in _TABLES:
        raise DomainError(f'units={{"{quantity}": ...}}: units are given for {", ".join(_TABLES)}')
    table = _TABLES[quantity]
    plain = re.sub(r"[\s*()]", "", str(unit).replace("Å", "å").lower()).replace("**", "^")
    if plain not in table:
        near = difflib.get_close_matches(plain, table, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise DomainError(
            f'units={{"{quantity}": "{unit}"}}: unknown unit{hint or "."} Ours is {UNITS[quantity]}; accepted are '
            f"{', '.join(sorted(table))}"
        )
    return table[plain]
