"""What the surrogate was used for: minima, vibrations, trajectories."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.workflows.report import figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Molecules, Picture, Section, Table

_FRAMES = 60  # of a movie
_ATOMS = 400  # of a structure worth drawing
_BINS = 120


def minima(unit: Finished) -> Section:
    """Relaxed structures, the reference's certificate beside them."""
    header = ["structure", "converged", "steps", "energy (eV)", "largest force (eV/Å)", "certified by the reference"]
    rows = [
        [s.formula, _fate(s), str(s.steps), _number(s.energy, 4), _number(s.fmax, 4), _certificate(s.certified)]
        for s in unit.result.structures
    ]
    if any(s.stress is not None for s in unit.result.structures):
        header = [*header, "volume (Å^3)", "pressure (GPa)"]
        rows = [
            [*row, _number(s.volume, 3), _pressure(s.stress)]
            for row, s in zip(rows, unit.result.structures, strict=True)
        ]
    blocks: list[Any] = [Table(header, rows[:40], f"{len(rows)} structures." if len(rows) > 40 else "")]
    drawn = _first(unit.folder / unit.result.file)
    if drawn is not None:
        blocks.append(drawn)
    return Section(f"Minimum: {unit.name}", (), blocks)


def vibrations(unit: Finished) -> Section:
    """Frequencies of the surrogate and of the reference, back to back."""
    own, theirs = unit.result.structures, unit.result.reference
    header = ["structure", "minimum", "zero-point energy (eV)", "mean |difference|", "largest |difference|"]
    rows = []
    for k, modes in enumerate(own):
        gap = unit.result.compared[k] if k < len(unit.result.compared) else None
        far = ["-", "-"] if gap is None else [f"{gap.mean:.1f} 1/cm", f"{gap.largest:.1f} 1/cm"]
        rows.append([modes.formula, "yes" if modes.minimum else "no", f"{modes.zero_point_energy:.4f}", *far])
    down = theirs[0].frequencies if theirs else None
    svg = figures.sticks(own[0].frequencies, down, xlabel="wavenumber (1/cm)", names=("surrogate", "reference"))
    return Section(f"Vibrations: {unit.name}", (), [Table(header, rows), Picture(svg, own[0].formula)])


def trajectory(unit: Finished) -> Section:
    """Total energy along dynamics, its drift, distances between atoms, and a movie."""
    moved = unit.result
    rows, curves, distances = [], {}, {}
    for name, run in (("surrogate", moved.surrogate), ("reference", moved.reference)):
        if run is None:
            continue
        drift = f"{run.drift[0]:+.4f}" if run.drift and run.drift[0] is not None else "-"
        failed = sum(f is not None for f in run.failures)
        rows.append([name, run.formulas[0], f"{run.time:g}", f"{run.temperature[0]:.0f}", drift, str(failed)])
        if moved.ensemble == "npt":
            rows[-1] += [_number(run.volume[0], 2), _number(run.pressure[0], 3)]
        arrays = unit.arrays(run.energies)
        total = arrays["energy"][:, 0] + arrays["kinetic"][:, 0]
        curves[name] = (arrays["time"], 1e3 * (total - total[0]))
        distances[name] = _distances(unit.folder / run.files[0])
    header = ["calculator", "structure", "time (fs)", "mean T (K)", "drift (meV/atom/ps)", "failed"]
    header += ["mean volume (Å^3)", "mean pressure (GPa)"] if moved.ensemble == "npt" else []
    blocks: list[Table | Picture | Molecules] = [Table(header, rows)]
    label = "total energy - first (meV)"
    if moved.ensemble == "nve":
        blocks.append(Picture(figures.lines(curves, xlabel="time (fs)", ylabel=label), "Total energy along the run."))
    caption = "Distances between all pairs of atoms along the run."
    blocks.append(Picture(figures.lines(distances, xlabel="distance (Å)", ylabel="share of pairs per Å"), caption))
    movie = _movie(unit.folder / moved.surrogate.files[0])
    if movie is not None:
        blocks.append(movie)
    return Section(f"Dynamics: {unit.name}", (), blocks)


def _fate(structure: Any) -> str:
    return f"failed: {structure.failure}" if structure.failure else "yes" if structure.converged else "no"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _pressure(stress: Any) -> str:
    known = stress is not None and None not in stress[:3]
    return f"{-sum(stress[:3]) / 3:.4f}" if known else "-"


def _certificate(found: Any) -> str:
    if found is None:
        return "not asked for"
    if found.failure:
        return f"failed: {found.failure}"
    if not found.converged:
        return f"not after {found.calls} calls"
    return f"with {found.calls} calls; {found.rmsd:.4f} Å away, {1e3 * found.energy_drop:.2f} meV lower"


def _first(path: Path) -> Molecules | None:
    from surrogates.datasets import Structures

    atoms = Structures.open(path).atoms[0]
    return Molecules(_xyz([atoms]), f"{atoms.get_chemical_formula()} at its minimum.") if len(atoms) <= _ATOMS else None


def _movie(path: Path) -> Molecules | None:
    frames = _read(path)
    if not frames or len(frames[0]) > _ATOMS:
        return None
    chosen = frames[:: max(1, len(frames) // _FRAMES)][:_FRAMES]
    return Molecules(_xyz(chosen), "Frames of the surrogate's run, played in order.", len(chosen))


def _distances(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Histogram of pair distances below 6 Å over a trajectory, minimum images: (distance, density)."""
    found = []
    frames = _read(path)
    for atoms in frames[:: max(1, len(frames) // 200)]:
        if len(atoms) > 1:
            r = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
            found.append(r[np.triu_indices(len(atoms), 1)])
    values = np.concatenate(found) if found else np.zeros(1)
    density, edges = np.histogram(values, bins=_BINS, range=(0.5, 6.0), density=True)
    return (edges[1:] + edges[:-1]) / 2, density


def _read(path: Path) -> list[Any]:
    from ase.io import read

    return list(read(path, index=":"))


def _xyz(frames: list[Any]) -> str:
    from ase.io import write

    text = io.StringIO()
    for atoms in frames:
        write(text, atoms, format="xyz", comment="", fmt="%.4f")
    return text.getvalue()
