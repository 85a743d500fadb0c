"""The thresholds of the verdict on a potential: each with its reason, all printed on the page.

They are those of practice, not of one molecule: forces within a tenth of their own size give usable dynamics, fewer
than fifty frames neither train nor judge a potential, 30 1/cm is the anharmonic shift that a harmonic comparison
ignores, and 0.1 meV/atom/ps heats a system by about 1 K a picosecond.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from surrogates.workflows.report import crystals_criteria as crystals
from surrogates.workflows.report import equations_criteria as equations
from surrogates.workflows.report import fields_criteria as fields
from surrogates.workflows.report import meshes_criteria as meshes
from surrogates.workflows.report import quantum_criteria as quantum
from surrogates.workflows.report.accuracy import ordered, slope
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.verdict import Criterion

NEAR = "energies and forces near the training data"


def criteria(run: FinishedRun) -> list[Criterion]:
    """Every criterion that a run is judged by; those not measured say so."""
    if any(run.of("train_operator")) or any(run.of("evaluate_operator")):
        return list(fields.criteria(run))
    if any(run.of("solve_equation")) or any(run.of("evaluate_equation")):
        return list(equations.criteria(run))
    if any(unit for kind in (*meshes.TRAINING, "evaluate_mesh_surrogate") for unit in run.of(kind)):
        return list(meshes.criteria(run))
    if any(unit.use in quantum.STEPS for unit in run.units):
        return list(quantum.criteria(run))
    evaluated = next(run.of("evaluate"), None)
    found = [*_data(run), *(_accuracy(evaluated) if evaluated else [Criterion("force error", None, essential=True)])]
    if evaluated is not None:
        found += [*_laws(evaluated), *_spread(evaluated)]
    rules = {"relax": _minima, "vibrations": _modes, "equation_of_state": crystals.curves}
    rules |= {"elastic": crystals.elasticity, "phonons": crystals.phonons, "dynamics": _drift}
    for kind, rule in rules.items():
        for unit in run.of(kind):
            found += rule(unit)
    return found


def _data(run: FinishedRun) -> Iterator[Criterion]:
    for unit in run.of("train"):
        advice = "Label more structures: the learning curve says how many."
        yield Criterion(
            "frames trained on", float(unit.result.train), low=50.0, essential=True, use=NEAR, advice=advice
        )


def _accuracy(unit: Finished) -> Iterator[Criterion]:
    name, scores = next(iter(ordered(unit).items()))
    arrays = unit.arrays(scores.file)
    advice = "Keep 50 structures or more apart from training, as with split: {test: 0.2} of 250; too few cannot judge."
    yield Criterion("frames tested on", float(scores.structures), low=50.0, essential=True, use=NEAR, advice=advice)
    force = None if not scores.force_mae_trivial else scores.force_mae / scores.force_mae_trivial
    advice = "Train longer or on more data; if neither helps, the labels do not belong to these structures."
    yield Criterion(f"force error over mean force, {name}", force, high=0.1, essential=True, use=NEAR, advice=advice)
    energy = None if not scores.energy_mae_trivial else scores.energy_mae / scores.energy_mae_trivial
    advice = "Give energies more weight, or check that energies and forces come from one calculation."
    yield Criterion(
        f"energy error over trivial error, {name}", energy, high=0.3, use="energy differences", advice=advice
    )
    advice = "Energies and forces disagree in unit or origin: check `units`."
    yield Criterion(
        "reference energy over predicted, slope", slope(arrays), low=0.8, high=1.25, essential=True, advice=advice
    )
    advice = "Check the units of positions, energies and forces: these forces belong to no sample of matter."
    heat = scores.configurational_temperature
    yield Criterion(
        "temperature that the forces reveal", heat, low=20.0, high=6000.0, unit="K", essential=True, advice=advice
    )


def _laws(unit: Finished) -> Iterator[Criterion]:
    laws = unit.result.laws
    broken = float(sum(law.verdict == "FAIL" for law in laws)) if laws else None
    yield Criterion("physical laws broken", broken, high=0.0, essential=True, advice="See the table of laws.")


def _spread(unit: Finished) -> Iterator[Criterion]:
    name, scores = next(iter(ordered(unit).items()))
    band = scores.spread_forces
    advice = "Calibrate on data like that of use, on twenty structures at least."
    share = None if band is None else band.coverage
    yield Criterion(
        f"coverage of the 90 % force band, {name}", share, low=0.85, high=0.96, use="error bars", advice=advice
    )
    rank = None if band is None else band.rank_correlation
    advice = "The spread does not know where the errors are; train more members."
    yield Criterion("rank correlation of spread and error", rank, low=0.3, use="error bars", advice=advice)


def _minima(unit: Finished) -> Iterator[Criterion]:
    rows = unit.result.structures
    share = sum(s.converged for s in rows) / len(rows)
    advice = "Look at the failures in the table; raise `steps` or `fmax`."
    yield Criterion(f"share converged, {unit.name}", share, low=0.95, use="relaxation", advice=advice)
    far = [s.certified.rmsd for s in rows if s.certified and s.certified.rmsd is not None]
    advice = "Let the reference finish (`verify:`), and add structures near the minimum to the data."
    value = max(far) if far else None
    yield Criterion(
        f"distance to the reference's minimum, {unit.name}", value, high=0.05, unit="Å", use="relaxation", advice=advice
    )


def _modes(unit: Finished) -> Iterator[Criterion]:
    gaps = [gap.mean for gap in unit.result.compared]
    value = float(np.mean(gaps)) if gaps else None
    advice = "Add structures near the minimum, or train longer."
    yield Criterion(
        f"mean frequency error, {unit.name}", value, high=30.0, unit="1/cm", use="vibrations", advice=advice
    )


def _drift(unit: Finished) -> Iterator[Criterion]:
    run = unit.result.surrogate
    failed = float(sum(f is not None for f in run.failures))
    advice = "A trajectory left the data or the time step is too long."
    yield Criterion(f"trajectories that failed, {unit.name}", failed, high=0.0, use="molecular dynamics", advice=advice)
    if unit.result.ensemble == "nve":
        drift = max((abs(d) for d in run.drift if d is not None), default=None)
        advice = "Shorten the time step; compare with the reference's own drift."
        yield Criterion(
            f"|NVE drift|, {unit.name}", drift, high=0.1, unit="meV/atom/ps", use="molecular dynamics", advice=advice
        )
