"""Scores, timings and frequencies as plain dataclasses. Imported in workers only; the results stand in steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch

from surrogates.datasets.adapters.ase import from_ase
from surrogates.datasets.collate import collate
from surrogates.evaluation.configurational_temperature import configurational_temperature
from surrogates.evaluation.metrics import evaluate
from surrogates.simulation.foreign import placement
from surrogates.testing.check_surrogate import check_surrogate
from surrogates.workflows.cpu import cpu_seconds
from surrogates.workflows.steps.evaluate import Band, LawRow, Scores, Timing

_GAP = 3.0  # Å between copies of a molecule, about what a liquid has
_SAMPLED = 40  # structures that a configurational temperature is measured on
_LEAST = 0.3  # CPU seconds that a timing takes at least


def scores(surrogate: Any, data: Any, arrays: Path) -> Scores:
    """Errors on labelled data; what reports draw goes to the file `arrays`."""
    found = evaluate(surrogate, data, spread=can_spread(surrogate))
    np.savez(arrays, **found.arrays)  # type: ignore[arg-type]
    plain = {k: v for k, v in asdict(found).items() if k not in ("arrays", "spread")}
    spread = found.spread
    return Scores(
        **plain,
        file=arrays.name,
        hash=data.hash,
        spread_forces=_band(getattr(spread, "forces", None)),
        spread_energy=_band(getattr(spread, "energy", None)),
        configurational_temperature=_temperature(surrogate, data),
        foreign=_foreign(surrogate, data),
    )


def can_spread(surrogate: Any) -> bool:
    """Whether a surrogate says how sure it is."""
    return getattr(surrogate, "spread", None) is not None


def law_rows(surrogate: Any, structures: list[ase.Atoms], *, drift: bool = True) -> tuple[LawRow, ...]:
    """Every law of `surrogates check`, measured; `drift` adds that of short NVE dynamics."""
    report = check_surrogate(surrogate, structures, drift=drift)
    return tuple(
        LawRow(law.name, law.error, law.scale, law.tolerance, law.unit, law.verdict, law.note) for law in report.laws
    )


def timings(surrogate: Any, reference: Any, atoms: ase.Atoms, copies: list[int]) -> list[Timing]:
    """CPU seconds of one evaluation of energy and forces, by size."""
    rows = []
    for n in copies:
        larger = copied(atoms, n)
        rows.append(
            Timing(len(larger), per_call(surrogate, larger), per_call(reference, larger) if reference else None)
        )
    return rows


def per_call(surrogate: Any, atoms: ase.Atoms) -> float:
    """CPU seconds of a call on `atoms`, slightly moved each time so that nothing is answered from memory."""
    device, dtype = placement(surrogate)
    generator = np.random.default_rng(0)

    def call() -> None:
        moved = atoms.copy()
        moved.positions += generator.normal(scale=1e-3, size=moved.positions.shape)
        batch = from_ase([moved], dtype=dtype).to(device)
        surrogate.predict(batch.with_edges(surrogate.r_max) if surrogate.r_max else batch).forces.cpu()

    return _timed(call)


def copied(atoms: ase.Atoms, n: int) -> ase.Atoms:
    """n^3 copies: a supercell of a crystal, a cluster of a molecule's copies."""
    if atoms.pbc.all():
        return atoms.repeat(n)
    box = np.ptp(atoms.positions, axis=0) + _GAP
    copy = ase.Atoms(atoms.numbers, atoms.positions, cell=np.diag(box)).repeat(n)
    copy.set_cell(None)
    copy.info = {"charge": n**3 * atoms.info.get("charge", 0)}
    return copy


def _timed(call: Callable[[], None]) -> float:
    call()  # the first call compiles and allocates
    calls, started = 0, cpu_seconds()
    while cpu_seconds() - started < _LEAST or calls < 2:
        call()
        calls += 1
        if calls >= 200:
            break
    return (cpu_seconds() - started) / calls


def _band(coverage: Any) -> Band | None:
    return None if coverage is None else Band(**asdict(coverage))


def _temperature(surrogate: Any, data: Any) -> float | None:
    """Configurational temperature, K, of structures spread evenly over the data; None without forces."""
    if "forces" not in data.labels:
        return None
    some = data[:: max(1, len(data) // _SAMPLED)]
    device, dtype = placement(surrogate)
    batch = collate([some[i] for i in range(len(some))], r_max=float(surrogate.r_max), dtype=dtype).to(device)
    forces = batch.labels.forces
    assert forces is not None
    return configurational_temperature(
        surrogate.predict, batch.atoms, forces, generator=torch.Generator().manual_seed(0)
    )


def _foreign(surrogate: Any, data: Any) -> float | None:
    """Share of structures that the out-of-data detector calls foreign."""
    domain = getattr(surrogate, "domain", None)
    if domain is None:
        return None
    from surrogates.uncertainty.domain import edged

    device = domain.environments.mean.device
    flags = [domain.foreign(batch.to(device)).cpu() for batch in edged(data, surrogate.r_max)]
    return float(np.concatenate([f.numpy() for f in flags]).mean())
