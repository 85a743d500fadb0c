"""Errors on data kept apart, spread against error, laws: the sections of `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogates.workflows.report import bands, figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import number

_MOST = 6000  # points of a cloud


def accuracy(unit: Finished) -> Section:
    """Table of errors beside trivial predictions, parity clouds and errors by element."""
    scores = ordered(unit)
    header = ["data", "structures", "energy MAE", "energy RMSE", "trivial", "force MAE", "force RMSE", "trivial"]
    rows = [_row(name, s) for name, s in scores.items()]
    note = (
        "Energies in meV/atom, forces by component in meV/Å. Trivial: the best sum of atomic energies, and no force at "
        "all. The first row is held-out data like the training data; rows below it lie further out."
    )
    blocks: list[Any] = [Table(header, rows, note)]
    for name, s in scores.items():
        blocks += [Picture(svg, f"{name}: {what}") for what, svg in _clouds(unit.arrays(s.file))]
    by_element = {n: {k: 1e3 * v for k, v in s.force_mae_by_element.items()} for n, s in scores.items()}
    if len({element for row in by_element.values() for element in row}) > 1:
        blocks.append(Picture(figures.bars(by_element, ylabel="force MAE (meV/Å)"), "Force error by element."))
    return Section("How wrong it is", (), blocks)


def spread(unit: Finished) -> Section | None:
    """Coverage, width and rank correlation of the calibrated bands; None for a surrogate without spread."""
    scores = {name: s for name, s in ordered(unit).items() if s.spread_forces is not None}
    if not scores:
        return None
    clouds, terciles, rows = {}, {}, []
    for name, s in scores.items():
        band, arrays = s.spread_forces, unit.arrays(s.file)
        clouds[name] = _band_and_error(arrays, band.level)
        terciles[name] = (band.coverage, band.terciles)
        rows += [bands.row(f"{name}: forces", band, factor=1e3, unit="meV/Å")]
        rows += [bands.row(f"{name}: energy", s.spread_energy, factor=1e3, unit="meV")] if s.spread_energy else []
    level = next(iter(scores.values())).spread_forces.level
    pictures = [
        Picture(figures.spread_against_error({name: pair}, unit="eV/Å"), f"{name}: force band of each atom.")
        for name, pair in clouds.items()
    ]
    pictures.append(Picture(figures.coverage_by_tercile(terciles, level=level), "All atoms, and thirds by band width."))
    flagged = [f"{n}: {100 * s.foreign:.1f} %" for n, s in scores.items() if s.foreign is not None]
    text = [f"Called unlike the training data: {', '.join(flagged)} of the structures."] if flagged else []
    return Section("How sure it is", text, [Table(bands.HEADER, rows, bands.promise(level)), *pictures])


def physics_and_statistics(unit: Finished, temperatures: dict[str, float]) -> Section | None:
    """Physics says, statistics says: a row a data set; `temperatures` (K) are those that data was sampled at."""
    rows = []
    for name, s in ordered(unit).items():
        if s.configurational_temperature is None:
            continue
        sampled = f"{temperatures[name]:g} K" if name in temperatures else "unknown"
        band = "no spread" if s.spread_forces is None else f"± {1e3 * s.spread_forces.mean_width:.0f} meV/Å"
        actual = "-" if s.spread_forces is None else f"{1e3 * s.spread_forces.mean_error:.0f} meV/Å"
        rows.append([name, f"{s.configurational_temperature:.0f} K", sampled, band, actual])
    if not rows:
        return None
    note = (
        "Physics: in a canonical ensemble k T = <|grad E|^2> / <laplacian E> (Rugh 1997): labels above, "
        "surrogate below, so that wrong units or a wrong curvature show as an impossible temperature. "
        "Statistics: mean 90 % band of the force on an atom, beside the mean error that was made."
    )
    header = ["data", "physics says", "sampled at", "statistics says", "error made"]
    return Section("Physics says, statistics says", (), [Table(header, rows, note)])


def laws(unit: Finished) -> Section | None:
    """Every law's violation with its scale, the reference's beside it."""
    if not unit.result.laws:
        return None
    theirs = {law.name: law for law in getattr(unit.result, "reference_laws", ())}
    rows = []
    for law in unit.result.laws:
        other = theirs.get(law.name)
        rows.append([law.name, number(law.error), number(law.tolerance), number(law.scale), law.unit, law.verdict])
        rows[-1].append("-" if other is None else number(other.error))
    header = ["law", "violation", "allowed", "scale", "unit", "holds", "the reference's own violation"]
    return Section("The laws it obeys", (), [Table(header, rows)])


def ordered(unit: Finished) -> dict[str, Any]:
    """Scores by name, in the order in which the workflow names the files; the first is what the verdict looks at."""
    return {name: unit.result.scores[name] for name in unit.result.names}


def slope(arrays: dict[str, np.ndarray]) -> float | None:
    """Slope of the reference energy over the predicted one, means removed; 1 for energies in the forces' unit."""
    if "energy_reference" not in arrays or len(arrays["energy"]) < 10:
        return None
    atoms = arrays["sizes"]
    x, y = arrays["energy"] / atoms, arrays["energy_reference"] / atoms
    x, y = x - x.mean(), y - y.mean()
    return float(np.sum(x * y) / np.sum(x * x)) if np.any(x) else None


def _row(name: str, s: Any) -> list[str]:
    values = (s.energy_mae, s.energy_rmse, s.energy_mae_trivial, s.force_mae, s.force_rmse, s.force_mae_trivial)
    return [name, str(s.structures), *("-" if v is None else f"{1e3 * v:.4g}" for v in values)]


def _clouds(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    if "energy_reference" in arrays:
        atoms = arrays["sizes"]
        shift = np.mean(arrays["energy_reference"] / atoms)
        pair = [1e3 * (arrays[key] / atoms - shift) for key in ("energy_reference", "energy")]
        yield "energies about their mean", figures.parity([("energy (meV/atom)", *pair)])
    if "forces_reference" in arrays:
        pick = np.linspace(0, arrays["forces"].size - 1, min(arrays["forces"].size, _MOST)).astype(int)
        pair = [arrays[key].ravel()[pick] for key in ("forces_reference", "forces")]
        yield "force components", figures.parity([("force (eV/Å)", *pair)])


def _band_and_error(arrays: dict[str, np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray]:
    from surrogates.evaluation.coverage import force_band

    width = force_band(arrays["forces_std"], level=level)
    error = np.linalg.norm(arrays["forces"] - arrays["forces_reference"], axis=1)
    pick = np.linspace(0, len(width) - 1, min(len(width), _MOST)).astype(int)
    return width[pick], np.maximum(error[pick], 1e-9)
