"""Does a CIF file hold the atoms that its own formula names?

A truncated loop of atoms, or hydrogens that the diffraction did not see, read as a smaller structure without a word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import ase

_FORMULA = re.compile(r"^_chemical_formula_sum\s+(?:'([^'\n]*)'|\"([^\"\n]*)\"|(\S+))", re.MULTILINE)
_TERM = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")


def formula_fault(path: Path, atoms: ase.Atoms) -> str | None:
    """What `atoms` lack by the formula of a file with one structure; None where they agree or none is given."""
    found = _FORMULA.findall(path.read_text(encoding="utf-8", errors="replace"))
    if len(found) != 1:
        return None
    text = next((t for t in found[0] if t), "")
    told, seen = _told(text), Counter(_hydrogen(s) for s in atoms.get_chemical_symbols())
    if told is None or _reduced(told) == _reduced(seen):
        return None
    return (
        f"its _chemical_formula_sum is {text!r}, but its sites are {atoms.get_chemical_formula()}: atoms are missing, "
        "as in a truncated file or where hydrogens were not resolved; complete the sites or correct the formula"
    )


def _told(text: str) -> Counter[str] | None:
    """Atoms by element; None where the text is no formula of whole numbers."""
    counts: Counter[str] = Counter()
    for term in text.split():
        match = _TERM.fullmatch(term)
        if match is None or not float(match[2] or 1).is_integer():
            return None
        counts[_hydrogen(match[1])] += int(float(match[2] or 1))
    return counts if counts and min(counts.values()) > 0 else None


def _hydrogen(symbol: str) -> str:
    return "H" if symbol in ("D", "T") else symbol


def _reduced(counts: Counter[str]) -> dict[str, int]:
    divisor = math.gcd(*counts.values())
    return {symbol: n // divisor for symbol, n in counts.items()}
