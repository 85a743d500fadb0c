"""Is a structure's total charge one that the surrogate has learnt from?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from surrogates.physics.errors import SurrogatesWarning


class UnseenCharge(SurrogatesWarning):
    """A structure has a total charge that no training structure had."""


def warn_of_charges(surrogate: Any, charges: Iterable[float], *, stacklevel: int = 3) -> None:
    """Warns when one of `charges` (e) is not among those of the training data, where the surrogate knows these.

    Most potentials read numbers and positions only: for an ion they would give the energy of what they were trained on.
    """
    known = getattr(surrogate, "provenance", {}).get("data", {}).get("charges")
    strange = sorted(set(charges) - set(known)) if known else []
    if strange:
        warnings.warn(
            f"total charge {_listed(strange)} was not in the training data, which has {_listed(known or ())}; energies "
            "and forces may be those of another charge; train on such structures, or use a reference calculator",
            UnseenCharge,
            stacklevel=stacklevel,
        )


def _listed(charges: Iterable[float]) -> str:
    return ", ".join(f"{c:+g}" if c else "0" for c in charges)
