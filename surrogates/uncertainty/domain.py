"""Is a structure like the training data? A score that needs no labels and no model, with a measured threshold.

Two things make a structure foreign: one atom in a neighbourhood never seen (a broken bond), and many atoms a little
further out than usual (a hotter walker). The score is the larger of the two, each in units of what held-out data inside
the domain reaches; the threshold is the conformal quantile of that score there, so that false alarms are rare by count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.quantile import conformal_quantile
from surrogates.datasets.batch import AtomsBatch
from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError
from surrogates.uncertainty.environment import Environments, fit_environments

RADIUS = 5.0  # Å, of a neighbourhood
FALSE_ALARMS = 0.03  # share of structures inside the domain that may be called foreign


@dataclass(frozen=True)
class Domain:
    """Out-of-data detector.

    Args:
        environments: the training atoms' neighbourhoods.
        peak, around: typical upper values inside the domain of the worst atom's distance and of the worst neighbourhood
            mean of distances.
        threshold: scores above it are foreign.
        false_alarms: the share of structures like the calibration data that is above the threshold, at most.
    """

    environments: Environments
    peak: float
    around: float
    threshold: float
    false_alarms: float

    @classmethod
    def fit(cls, surrogate: Any, train: Any, calibration: Any, *, false_alarms: float = FALSE_ALARMS) -> Domain:
        """Learn neighbourhoods from `train`, the threshold from `calibration`, which the surrogate never trained on.

        With too few calibration structures for `false_alarms` the threshold is the largest score among them.
        """
        r_max = min(float(surrogate.r_max), RADIUS) if surrogate.r_max > 0 else RADIUS
        environments = fit_environments(edged(train, r_max), r_max)
        parts = [_parts(environments, batch) for batch in edged(calibration, r_max)]
        peak, around = torch.cat([p for p, _ in parts]), torch.cat([a for _, a in parts])
        if not bool(torch.isfinite(peak).all()):
            raise DomainError("the calibration data has an element that training data lacks; draw both from one source")
        rate = max(false_alarms, 1.0 / (len(peak) + 1))
        typical = float(peak.quantile(0.95)), float(around.quantile(0.95))
        score = torch.maximum(peak / typical[0], around / typical[1])
        return cls(environments, *typical, conformal_quantile(score, 1.0 - rate), rate)

    def score(self, atoms: AtomsBatch) -> Float[Tensor, "structures"]:
        """How foreign each structure is: about 1 at the edge of the data, infinite for an unknown element."""
        peak, around = _parts(self.environments, atoms)
        return torch.maximum(peak / self.peak, around / self.around)

    def foreign(self, atoms: AtomsBatch) -> Tensor:
        """Which structures (structures,) lie outside the data."""
        return self.score(atoms) > self.threshold

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `from_state` makes the same detector."""
        env = self.environments
        plain = {name: getattr(self, name) for name in ("peak", "around", "threshold", "false_alarms")}
        plain |= {"elements": list(env.elements), "r_max": env.r_max}
        return {"mean": env.mean, "whiten": env.whiten}, plain

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> Domain:
        """The detector that `state` described."""
        numbers = tuple(float(plain[name]) for name in ("peak", "around", "threshold", "false_alarms"))
        elements = tuple(int(z) for z in plain["elements"])
        return cls(Environments(elements, float(plain["r_max"]), tensors["mean"], tensors["whiten"]), *numbers)


def edged(data: Any, r_max: float, size: int = 64) -> list[AtomsBatch]:
    """The structures of a data set in batches of `size` with edges, float64."""
    samples: Sequence[Any] = [data[i] for i in range(len(data))]
    if not samples:
        raise DomainError("no structures were given; training and calibration data need at least one each")
    rows = range(0, len(samples), size)
    return [collate(samples[k : k + size], r_max=r_max, dtype=torch.float64).atoms for k in rows]


def _parts(environments: Environments, atoms: AtomsBatch) -> tuple[Tensor, Tensor]:
    """Worst atom and worst neighbourhood mean of each structure."""
    atoms = atoms if atoms.r_max >= environments.r_max else atoms.with_edges(environments.r_max)
    with torch.no_grad():
        distance = environments.distance(atoms)
        around = environments.around(atoms, distance)

    def worst(value: Tensor) -> Tensor:
        low = value.new_zeros(atoms.n_structures)
        return low.scatter_reduce(0, atoms.structure, value.nan_to_num(nan=torch.inf, posinf=torch.inf), "amax")

    return worst(distance), worst(around)
