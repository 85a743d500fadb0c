"""A surrogate that says how far to trust it: mean of its members, and calibrated bands around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.evaluation.coverage import LEVEL, radius
from surrogates.tasks.energy import EnergyForcesResult
from surrogates.uncertainty.domain import Domain
from surrogates.uncertainty.ensemble import average
from surrogates.uncertainty.environment import element_row
from surrogates.uncertainty.error_scale import ErrorScale
from surrogates.uncertainty.last_layer import LastLayer
from surrogates.uncertainty.signals import Signals


@dataclass(frozen=True)
class Band:
    """Half-width = factor * scale(signals): holds `level` of the errors of the calibration's kind."""

    scale: ErrorScale
    factor: float

    def __call__(self, signals: Tensor, kind: Tensor) -> Tensor:
        return self.factor * self.scale(signals, kind)


@dataclass(frozen=True)
class Spread:
    """Surrogate whose `predict(spread=True)` brings calibrated standard deviations.

    Args:
        members: the trained tasks; their mean predicts.
        signals, forces, energy: signs of trouble, and the bands made of them; None where labels were missing.
        domain: detector of inputs unlike the training data.
        level: what the bands hold, 0.9 unless told otherwise.

    `forces_std` (atoms, 3), eV/Å: the same for the three components of an atom, that of the isotropic Gaussian whose
    ball of probability `level` has the band's radius (norm of the error <= 2.50 std at 0.9). `energy_std`
    (structures,), eV: band = 1.64 std at 0.9. `surrogates.evaluation.coverage` has the way back from std to band.
    """

    members: tuple[Any, ...]
    signals: Signals
    forces: Band | None
    energy: Band | None
    domain: Domain
    level: float = LEVEL

    @property
    def r_max(self) -> float:
        """Longest cutoff of the members, Å."""
        return max(float(m.r_max) for m in self.members)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the members know, () for any."""
        return tuple(self.members[0].elements)

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        """Mean of the members; `spread` adds the calibrated standard deviations."""
        atoms = atoms if atoms.r_max >= self.r_max else atoms.with_edges(self.r_max)
        results = [member.predict(atoms, stress=stress) for member in self.members]
        mean = average(results)
        if not spread or self.forces is None:
            return mean
        rows, kind = self.atom_rows(results, atoms)
        std = (self.forces(rows, kind) / radius(self.level, 3)).to(mean.forces)
        found = replace(mean, forces_std=std[:, None].expand(-1, 3).contiguous())
        if self.energy is None:
            return found
        band = self.energy(*self.structure_rows(results, atoms, self.forces.scale(rows, kind)))
        return replace(found, energy_std=(band / radius(self.level, 1)).to(mean.energy))

    def atom_rows(self, results: Sequence[EnergyForcesResult], atoms: AtomsBatch) -> tuple[Tensor, Tensor]:
        """Signals (atoms, signals) of what the members said, and the class (atoms,) of each atom: its element."""
        kind = element_row(atoms.numbers, self.domain.environments.elements)
        return self.signals.of_atoms(self.members, results, atoms), kind

    def structure_rows(
        self, results: Sequence[EnergyForcesResult], atoms: AtomsBatch, expected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same of structures, all of one class; `expected` (atoms,) is the force error expected, eV/Å."""
        rows = self.signals.of_structures(self.members, results, atoms, expected)
        return rows, torch.zeros(len(rows), dtype=torch.long, device=rows.device)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors, domain = self.domain.state()
        tensors = {f"domain.{name}": t for name, t in tensors.items()}
        plain: dict[str, Any] = {"kind": "conformal", "level": self.level, "domain": domain}
        plain["directions"] = self.signals.directions
        if self.signals.last_layer is not None:
            tensors["last_layer"] = self.signals.last_layer.root
        for name in ("forces", "energy"):
            band = getattr(self, name)
            plain[name] = None if band is None else {"factor": band.factor, "offset": band.scale.offset}
            if band is not None:
                tensors |= {f"{name}.{part}": getattr(band.scale, part) for part in ("classes", "power", "low")}
        return tensors, plain


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> Spread:
    """The spread that `state` described."""
    domain = Domain.from_state({n[7:]: t for n, t in tensors.items() if n.startswith("domain.")}, plain["domain"])
    last = LastLayer(tensors["last_layer"]) if "last_layer" in tensors else None

    def band(name: str) -> Band | None:
        if plain[name] is None:
            return None
        parts = (tensors[f"{name}.{part}"] for part in ("classes", "power", "low"))
        return Band(ErrorScale(float(plain[name]["offset"]), *parts), float(plain[name]["factor"]))

    signals = Signals(domain.environments, last, int(plain["directions"]))
    return Spread(tuple(members), signals, band("forces"), band("energy"), domain, float(plain["level"]))
