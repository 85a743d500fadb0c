"""After how many calls has a surrogate paid for its data and its training?"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BreakEven:
    """Cost of a surrogate beside its reference.

    Args:
        size: atoms (or cells, or sites) of the system timed.
        surrogate, reference: CPU seconds a call at that size.
        invested: CPU seconds spent on reference data and training.
    """

    size: int
    surrogate: float
    reference: float
    invested: float

    @property
    def speedup(self) -> float:
        """Reference time over surrogate time; below 1 the surrogate is the slower one."""
        return self.reference / self.surrogate

    @property
    def calls(self) -> float:
        """Calls until data and training have paid; inf where the surrogate is no faster than the reference."""
        saved = self.reference - self.surrogate
        return math.ceil(self.invested / saved) if saved > 0 else math.inf
