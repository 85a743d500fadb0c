"""References through the label cache, counted: no label is computed twice. Imported in workers only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from surrogates.datasets.adapters.ase import to_ase
from surrogates.datasets.batch import AtomsBatch
from surrogates.datasets.generators.cache import Cache, default_cache
from surrogates.datasets.generators.labels import Labels, Referee
from surrogates.datasets.generators.references import parse_reference
from surrogates.simulation.foreign import ForeignResult
from surrogates.workflows.desk import Desk
from surrogates.workflows.inputs import calculator


class CachedReference:
    """A reference as a Surrogate, structure by structure through the cache that all runs share.

    Args:
        referee: the reference with its cache. told: called with the number of structures after each.
    `asked` are the different structures that it was asked about, `computed` those of them that the cache did not know.
    """

    r_max = 0.0
    elements: tuple[int, ...] = ()

    def __init__(self, referee: Referee, told: Callable[[int], None]) -> None:
        self.referee, self._told = referee, told
        self.name = referee.reference.use
        self.computed = 0
        self._seen: set[str] = set()

    @property
    def asked(self) -> int:
        """Different structures so far."""
        return len(self._seen)

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> ForeignResult:
        """Energy and forces; stress and dipole where the reference has them. Its failure is raised."""
        rows = [self._label(structure) for structure in to_ase(atoms)]

        def stacked(name: str) -> torch.Tensor | None:
            values = [getattr(row, name) for row in rows]
            return None if any(v is None for v in values) else torch.as_tensor(np.array(values), dtype=torch.float64)

        energy = torch.tensor([row.energy for row in rows], dtype=torch.float64)
        forces = torch.as_tensor(np.concatenate([row.forces for row in rows]), dtype=torch.float64)
        return ForeignResult(energy, forces, stress=stacked("stress") if stress else None, dipole=stacked("dipole"))

    def _label(self, structure: Any) -> Labels:
        key = self.referee.key(structure)
        if key not in self._seen:
            self._seen.add(key)
            self.computed += self.referee.cache.get(key) is None
            self._told(self.asked)
        return self.referee.label(structure)


def measured_calculator(
    given: str | dict[str, Any], desk: Desk, dtype: str = "float64", told: Callable[[int], None] | None = None
) -> Any:
    """A surrogate from a checkpoint's path, or a foreign calculator through the cache.

    `told` hears how many different structures the latter was asked about; the desk does where it is None.
    """
    if not isinstance(given, dict):
        return calculator(given, desk, dtype)
    referee = Referee(parse_reference(given, trust=desk.trust), Cache(default_cache()))
    return CachedReference(
        referee, told or (lambda asked: desk.progress(float(asked), float(asked), "structures by the reference"))
    )


def silent(asked: int) -> None:
    """For steps that tell the desk something better themselves."""


def calls_of(thing: Any) -> dict[str, int]:
    """How many labels a foreign calculator was asked for and computed; {} of a surrogate."""
    return {"asked": thing.asked, "computed": thing.computed} if isinstance(thing, CachedReference) else {}
