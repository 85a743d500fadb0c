"""The trust check: every law, measured on the user's own structures, for any surrogate or ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogates.datasets.adapters.ase import from_ase
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError
from surrogates.simulation.foreign import check_elements
from surrogates.testing import laws
from surrogates.testing.conservation import nve_drift
from surrogates.testing.law import CONVERGED, EXACT, SINGLE, Law, Tolerance
from surrogates.testing.persistence import saved_is_loaded
from surrogates.testing.probe import Probe, probe
from surrogates.testing.transforms import moved

LAWS = (
    laws.rotation,
    laws.reflection,
    laws.translation,
    laws.permutation,
    laws.forces_are_gradients,
    laws.stress_is_strain_derivative,
    laws.extensivity,
    laws.far_parts_add,
    laws.smooth_cutoff,
    laws.batching,
)


@dataclass(frozen=True)
class Report:
    """All laws of one surrogate; `print` shows a table.

    Args:
        name: what was checked. precision: which tolerances were taken, and why.
        laws: the measurements, in the order of the table.
    """

    name: str
    precision: str
    laws: tuple[Law, ...]

    @property
    def failed(self) -> tuple[Law, ...]:
        """Laws that are broken."""
        return tuple(law for law in self.laws if law.verdict == "FAIL")

    @property
    def passed(self) -> bool:
        """Whether no law is broken and at least one was tested with power."""
        return not self.failed and any(law.passed for law in self.laws)

    def __getitem__(self, name: str) -> Law:
        """A law by its name, such as "F = -dE/dx"."""
        for law in self.laws:
            if law.name == name:
                return law
        raise KeyError(f"{name!r}; measured were {', '.join(law.name for law in self.laws)}")

    def __str__(self) -> str:
        head = f"{'law':<28} {'error':>9} {'scale':>9} {'allowed':>9} {'unit':<10} verdict"
        rows = [_row(law) for law in self.laws]
        counts = {v: sum(law.verdict == v for law in self.laws) for v in ("pass", "FAIL", "no power", "not applicable")}
        summary = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
        return "\n".join([f"Laws of {self.name} ({self.precision})", head, *rows, summary])


def check_surrogate(
    thing: Any,
    structures: Any,
    *,
    drift: bool = False,
    rattle: float = 0.05,
    dtype: torch.dtype | None = torch.float64,
    tolerance: Tolerance | None = None,
) -> Report:
    """Measure every law of a Potential, Surrogate, ASE calculator or checkpoint (its path) on `structures`.

    Args:
        structures: ase.Atoms or pymatgen objects, one or a sequence; or an AtomsBatch or several.
        drift: also run short NVE dynamics (some hundred evaluations a structure).
        rattle: Å; atoms are displaced by this much first, since structures at rest have no forces to test.
        dtype: networks are measured as copies in this precision, since laws bind the function rather than its rounding;
            None: as they are.
        tolerance: what is allowed; None: by the precision found (float64, float32, or a foreign calculator's).
    Raises DomainError when there is no structure, or an element that the surrogate does not know.
    """
    ask = probe(thing, dtype)
    allowed, precision = (tolerance, "given tolerances") if tolerance else _by_precision(ask)
    batches = [_rattled(s, rattle) for s in laws.each(_batches(structures))]
    _refuse(ask, batches)
    found: list[Law] = []
    for law in LAWS:
        found += law(ask, batches, allowed)
    found += saved_is_loaded(thing, batches)
    if drift:
        found += nve_drift(ask, batches, allowed)
    return Report(ask.name, precision, tuple(found))


def _batches(structures: Any) -> Any:
    if isinstance(structures, AtomsBatch):
        return structures
    if isinstance(structures, Sequence) and len(structures) == 0:
        raise DomainError("no structures were given; laws are measured on structures, so give at least one ase.Atoms")
    if isinstance(structures, list | tuple) and isinstance(structures[0], AtomsBatch):
        return structures
    return from_ase(structures, dtype=torch.float64)


def _by_precision(ask: Probe) -> tuple[Tolerance, str]:
    if ask.foreign:
        return CONVERGED, "tolerances for a calculator whose energies are converged to about 1e-6 eV"
    if ask.dtype == torch.float64:
        return EXACT, "tolerances for float64"
    return SINGLE, f"tolerances for {str(ask.dtype).removeprefix('torch.')}; convert to float64 for a strict check"


def _refuse(ask: Probe, batches: list[AtomsBatch]) -> None:
    for k, atoms in enumerate(batches):
        unknown = check_elements(ask.surrogate, atoms.numbers.tolist())
        if unknown:
            raise DomainError(f"structure {k}: {unknown}; check it on structures of its own elements")


def _rattled(atoms: AtomsBatch, size: float) -> AtomsBatch:
    noise: Tensor = torch.randn(atoms.positions.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return moved(atoms, size * noise.to(atoms.positions))


def _row(law: Law) -> str:
    if law.verdict == "not applicable":
        return f"{law.name:<28} {'-':>9} {'-':>9} {'-':>9} {law.unit:<10} not applicable: {law.note}"
    numbers = f"{law.error:>9.1e} {law.scale:>9.1e} {law.tolerance:>9.1e}"
    return f"{law.name:<28} {numbers} {law.unit:<10} {law.verdict}{f'  ({law.note})' if law.note else ''}"
