"""What the surrogate says of crystals: elastic constants, equations of state, phonons, the reference beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.eos import birchmurnaghan, vinet

from surrogates.physics.units import GPA
from surrogates.workflows.report import figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Picture, Section, Table

_FORMS = {"birch-murnaghan": birchmurnaghan, "vinet": vinet}
_SHOWN = 6  # crystals of a step that are drawn


def elasticity(unit: Finished) -> Section:
    """Constants of each crystal, surrogate and reference, with errors and difference; moduli; what it cost."""
    blocks: list[Any] = []
    for k, own in enumerate(unit.result.structures):
        other = _at(unit.result.reference, k)
        rows = [_cell_row(own, other)]
        for name in own.independent if other is None else other.independent:
            words = ["-" if r is None else f"{r[name]:.1f} ± {r.error(name):.2f}" for r in (own, other)]
            rows.append([f"{name} (GPa)", *words, _apart(own[name], None if other is None else other[name])])
        for name, text, digits in _DERIVED:
            rows.append(
                _compared_row(text, getattr(own, name), None if other is None else getattr(other, name), digits)
            )
        note = f"Point group {own.point_group}, Cartesian axes of the structure given; {own.method}. "
        note += "± is the error of the fit with its truncation." if "stress" in own.method else ""
        blocks.append(Table([own.formula, "surrogate", "reference", "difference"], rows, note))
    return Section(f"Elastic constants: {unit.name}", _text(unit, _unstable(unit)), blocks)


def curves(unit: Finished) -> Section:
    """E(V) with the fits, and their parameters."""
    blocks: list[Any] = []
    for k, own in enumerate(unit.result.structures):
        other = _at(unit.result.reference, k)
        rows = [_cell_row(own, other)]
        for name, text, digits in (("volume", "volume (Å^3/atom)", 4), ("bulk", "bulk modulus (GPa)", 2)):
            rows.append(_fitted_row(own, other, name, text, digits))
        rows.append(_fitted_row(own, other, "derivative", "dB/dP", 2))
        rows.append(
            _compared_row("misfit (meV/atom)", own.residual, None if other is None else other.residual, 4, plain=True)
        )
        gap = _at(unit.result.compared, k)
        note = f"Fit: {unit.result.form}; ± is its standard error."
        if gap is not None:
            note += f" Distance of the curves within 6 % of the volume: {gap.delta:.2f} meV/atom."
        blocks.append(Table([own.formula, "surrogate", "reference", "difference"], rows, note))
        if k < _SHOWN:
            drawn = {"surrogate": _curve(own, unit.result.form)}
            drawn |= {} if other is None else {"reference": _curve(other, unit.result.form)}
            svg = figures.fitted(drawn, xlabel="volume (Å³/atom)", ylabel="energy - least (meV/atom)")
            blocks.append(Picture(svg, f"{own.formula}: computed points and fit, each from its own least energy."))
    return Section(f"Equation of state: {unit.name}", _text(unit, []), blocks)


def phonons(unit: Finished) -> Section:
    """Bands over bands and densities of states, thermal properties, and what is imaginary."""
    blocks: list[Any] = []
    for k, own in enumerate(unit.result.structures):
        other, gap = _at(unit.result.reference, k), _at(unit.result.compared, k)
        rows = [_cell_row(own, other)]
        for name, text, digits in _WAVES:
            theirs = None if other is None else getattr(other, name)
            rows.append(_compared_row(text.format(own), getattr(own, name), theirs, digits, plain=True))
        note = (
            f"Supercell of {own.atoms} atoms; {own.method}. Acoustic sum rule broken by {own.sum_rule:.1e} eV/Å^2 "
            f"before it was imposed; force constants at the rim of the supercell are {100 * own.truncation:.2g} % of "
            "those of neighbours."
        )
        if gap is not None:
            note += f" On the mesh: mean |difference| {gap.mean:.3f} THz, largest {gap.largest:.3f} THz."
        blocks.append(Table([own.formula, "surrogate", "reference", "difference"], rows, note))
        if k < _SHOWN:
            sets = {"surrogate": unit.arrays(own.file)}
            sets |= {} if other is None else {"reference": unit.arrays(other.file)}
            svg = figures.bands(sets, labels=own.labels)
            blocks.append(Picture(svg, f"{own.formula}: phonon bands and density of states; below zero: imaginary."))
    return Section(f"Phonons: {unit.name}", _text(unit, _imaginary(unit)), blocks)


_DERIVED = (
    ("bulk", "bulk modulus (GPa)", 1),
    ("shear", "shear modulus (GPa)", 1),
    ("young", "Young's modulus (GPa)", 1),
    ("poisson", "Poisson's ratio", 3),
    ("anisotropy", "universal anisotropy", 3),
    ("softest", "softest strain (GPa)", 1),
    ("debye_temperature", "Debye temperature (K)", 0),
)
_WAVES = (
    ("highest", "highest frequency (THz)", 3),
    ("lowest", "lowest frequency (THz)", 3),
    ("zero_point_energy", "zero-point energy (eV/cell)", 4),
    ("free_energy", "free energy, {0.temperature:g} K (eV/cell)", 4),
    ("entropy", "entropy, {0.temperature:g} K (meV/K/cell)", 4),
    ("heat_capacity", "heat capacity, {0.temperature:g} K (meV/K/cell)", 4),
)


def _at(rows: Any, k: int) -> Any:
    return rows[k] if k < len(rows) else None


def _cell_row(own: Any, other: Any) -> list[str]:
    """Lattice constants; those that equal the first are not repeated."""
    mine = own.lattice
    names = [n for n in "abc" if n == "a" or abs(getattr(mine, n) - mine.a) > 1e-3]
    values = ", ".join(f"{getattr(mine, n):.4f}" for n in names)
    words = ["lattice " + ", ".join(names) + f" (Å), {mine.space_group}", values, "-", "-"]
    if other is not None:
        words[2] = ", ".join(f"{getattr(other.lattice, n):.4f}" for n in names)
        words[3] = ", ".join(f"{getattr(mine, n) - getattr(other.lattice, n):+.4f} Å" for n in names)
    return words


def _compared_row(text: str, own: float | None, other: float | None, digits: int, *, plain: bool = False) -> list[str]:
    """Both values and their difference, relative unless `plain`."""
    words = [text, *("-" if v is None else f"{_rounded(v, digits):.{digits}f}" for v in (own, other))]
    if own is None or other is None or not plain:
        return [*words, _apart(own, other)]
    return [*words, f"{_rounded(own - other, digits):+.{digits}f}"]


def _apart(own: float | None, other: float | None) -> str:
    return "-" if own is None or not other else f"{100 * (own / other - 1):+.1f} %"


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # no minus before a zero


def _fitted_row(own: Any, other: Any, name: str, text: str, digits: int) -> list[str]:
    words = [text]
    for row in (own, other):
        words.append(
            "-" if row is None else f"{getattr(row, name):.{digits}f} ± {getattr(row, name + '_error'):.{digits}f}"
        )
    if other is None:
        return [*words, "-"]
    gap = getattr(own, name) - getattr(other, name)
    return [*words, f"{gap:+.{digits}f}" if name == "derivative" else f"{100 * gap / getattr(other, name):+.2f} %"]


def _curve(row: Any, form: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points and fit, meV/atom above the least energy."""
    volumes, energies = np.array(row.volumes), np.array(row.energies)
    fine = np.linspace(volumes.min(), volumes.max(), 120)
    fit = _FORMS[form](fine, 0.0, row.bulk * GPA, row.derivative, row.volume)
    return volumes, 1e3 * (energies - row.energy), fine, 1e3 * fit


def _text(unit: Finished, more: list[str]) -> list[str]:
    """How many reference calls there were, how long they took, and what must be said aloud."""
    calls, times = unit.result.calls or {}, unit.times.get("jobs", {})
    computed = (unit.times.get("calls") or {}).get("reference", {}).get("computed")
    lines = []
    if "reference" in calls and "reference" in times:
        took, own = float(times["reference"].get("wall", 0.0)), float(times["all"].get("wall", 0.0))
        known = "" if computed in (None, calls["reference"]) else f" ({calls['reference'] - computed} known already)"
        lines.append(
            f"The reference relaxed and measured by {calls['reference']} calculations{known}: {took:.1f} s; the "
            f"surrogate took {own:.1f} s in all."
        )
    elif "reference" not in calls and not unit.result.reference:
        lines.append("No reference was named: nothing here says whether the surrogate is right.")
    return lines + more


def _unstable(unit: Finished) -> list[str]:
    return [
        f"{row.formula}: the {name}'s crystal is unstable against a homogeneous strain ({row.softest:.1f} GPa)."
        for name, rows in (("surrogate", unit.result.structures), ("reference", unit.result.reference))
        for row in rows
        if row.softest <= 0
    ]


def _imaginary(unit: Finished) -> list[str]:
    return [
        f"{row.formula}: the {name} has imaginary modes, down to {abs(row.lowest):.2f}i THz: its crystal is no "
        "minimum, and thermal properties leave these modes out."
        for name, rows in (("surrogate", unit.result.structures), ("reference", unit.result.reference))
        for row in rows
        if not row.stable
    ]
