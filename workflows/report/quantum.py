"""Chains and circuits: ground states, evolutions, compiled circuits, measured ones, and exact results beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from surrogates.workflows.report import quantum_figures as figures
from surrogates.workflows.report.finished import Finished
from surrogates.workflows.report.page import Picture, Section, Table
from surrogates.workflows.report.words import number

_QUBITS = 24  # rows of a table of mean values


def ground_state(unit: Finished) -> Iterator[Section]:
    """Energies by bond dimension and start, the extrapolation, entanglement, local values, correlations."""
    r = unit.result
    rows = [
        [s.start, str(s.chi), f"{s.energy:.12g}", number(s.variance), number(s.discarded), str(s.sweeps),
         "yes" if s.converged else "no", "-" if s.fidelity is None else f"{s.fidelity:.8f}"]
        for s in r.searches
    ]  # fmt: skip
    header = ["start", "bond dimension", "energy", "variance", "discarded weight", "sweeps", "settled", "overlap"]
    note = (
        "Variance: <H^2> - <H>^2; an eigenvalue of H lies within its root of the energy. Discarded weight: the largest "
        "of a cut in the last sweep. Overlap: |<this state|the one kept>|^2."
    )
    arrays = unit.arrays(r.file)
    first = [s for s in r.searches if s.start == r.searches[0].start][: unit_sizes(unit)]
    points = [(s.variance, s.energy, s.chi) for s in first]
    others = {s.start: (s.variance, s.energy) for s in r.searches[len(first) :]}
    names = [first[0].start, *others]
    curves = {n: arrays[f"curve_{k}"] for k, n in enumerate(names) if f"curve_{k}" in arrays}
    lowest = min(float(c.min()) for c in curves.values())
    blocks: list[Any] = [
        Table(header, rows, note),
        Picture(figures.energies(points, r.extrapolated, others), "Energy against variance, by bond dimension."),
        Picture(figures.sweeps(curves, lowest), "The searches, sweep by sweep."),
    ]
    yield Section(f"The ground state: {unit.name}", [_settled(r), *_levels(r)], blocks)
    local = {name: arrays[f"local_{name}"] for name in r.measured}
    blocks = [
        Picture(figures.profile({"entropy": arrays["entropy"]}, "cut", "entanglement entropy", 1), "Entanglement."),
        Picture(figures.profile(local, "site", "mean value"), f"{', '.join(r.measured)} on every site."),
        Picture(figures.correlation(arrays["correlation"]), f"Connected correlations of {r.measured[0]}."),
    ]
    text = f"{r.model}. The middle cut has an entanglement entropy of {r.entropy:.4f} (natural logarithm)."
    yield Section(f"What the state is like: {unit.name}", [text], blocks)


def unit_sizes(unit: Finished) -> int:
    """How many bond dimensions the first start went through."""
    return len(unit.settings.get("chi", [16, 32, 64]))


def _settled(r: Any) -> str:
    text = f"The lowest energy found is {r.energy:.10g}, with a standard deviation of {number(math.sqrt(r.variance))}. "
    text += "The search settled. " if r.converged else "The search did NOT settle within its sweeps. "
    if r.extrapolated is not None:
        text += (
            f"At variance zero the line through the last two bond dimensions says {r.extrapolated:.10g}, "
            f"{number(r.extrapolation_error)} away. "
        )
    else:
        text += "There is no extrapolation: the variance has to fall with the bond dimension for one. "
    if r.starts_differ is None:
        return text + "There was no second start: a search that is stuck would not be noticed."
    same = [s.fidelity for s in r.searches if s.fidelity is not None and s.fidelity < 1.0]
    alike = min(same, default=1.0)
    text += f"Other starts ended within {number(r.starts_differ)} of it"
    if alike > 0.99:
        return text + ", in the same state."
    if r.starts_differ < 1e-6 * abs(r.energy):
        return text + f", but in another state (overlap {alike:.3g}): the ground state is, or nearly is, degenerate."
    return text + f", in another state (overlap {alike:.3g}): the search got stuck from one of them."


def _levels(r: Any) -> list[str]:
    if len(r.levels) < 2:
        return []
    gaps = ", ".join(f"{e - r.levels[0]:.8g}" for e in r.levels[1:])
    return [f"Levels above the lowest one, counted from it: {gaps}{'' if r.levels_converged else ' (not settled)'}."]


def evolution(unit: Finished) -> Iterator[Section]:
    """Light cone, growth of entanglement, conserved energy, differences to half of chi and twice the step."""
    r = unit.result
    arrays = unit.arrays(r.file)
    times, name = arrays["time"], r.measured[0]
    change = arrays[name] - arrays[name].mean() if arrays[name].min() >= 0 else arrays[name]
    middle = (r.length - 1) // 2
    curves: dict[str, Any] = {f"bond dimension {r.chi}": (times, arrays["entropy"][:, middle])}
    for job, label in (("half-chi", f"{max(2, r.chi // 2)}"), ("twice-dt", "twice the step")):
        if f"{job}_entropy" in arrays and job == "half-chi":
            curves[f"bond dimension {label}"] = (arrays[f"{job}_clock"], arrays[f"{job}_entropy"])
    blocks: list[Any] = [
        Picture(figures.raster(change, times, "site", signed=bool(change.min() < 0)), f"{name} by site and time."),
        Picture(
            figures.raster(arrays["entropy"], times, "cut", signed=False, first=1),
            "Entanglement entropy by cut and time.",
        ),
        Picture(figures.growth(curves, math.log(r.chi)), "Growth of entanglement."),
    ]
    energy = arrays["energy"]
    drift = np.abs(energy - energy[0]) / (abs(energy[0]) if abs(energy[0]) > 1e-9 else 1.0)
    off: dict[str, Any] = {"energy, relative": (times, drift.tolist())}
    for job, label in (("half-chi", "half of chi"), ("twice-dt", "twice dt")):
        if f"{job}_off" in arrays:
            off[f"{', '.join(r.measured)}: {label}"] = (arrays[f"{job}_time"], arrays[f"{job}_off"].tolist())
    drawn = figures.logarithmic(off, "time", "largest difference")
    blocks.append(Picture(drawn, "What is off: energy from its start, and measured values from the coarser runs."))
    row = [str(r.chi), str(r.chi_reached), number(r.discarded), number(r.error_bound), number(r.energy_drift)]
    row += [number(r.chi_differs), number(r.dt_differs)]
    header = ["bond dimension", "reached", "discarded weight", "error bound", "energy drift", "half of chi", "twice dt"]
    note = (
        "Error bound: of the distance to the state that nothing was cut from. The last two: largest difference of any "
        "measured value at any time to a run with half of chi or twice dt."
    )
    blocks.insert(0, Table(header, [row], note))
    yield Section(f"In time: {unit.name}", [f"{r.model}, from {r.start}, by {r.method}.", _lasts(r)], blocks)


def _lasts(r: Any) -> str:
    if r.trusted is None:
        return "Nothing was run beside it: how large its errors are is not known."
    if r.trusted >= r.time * (1 - 1e-9):
        return (
            f"Half of the bond dimension gives the same within {number(max(r.chi_differs, 1e-12))} up to the end; with "
            "all of it the error is smaller still."
        )
    return (
        f"Up to t = {r.trusted:g} half of the bond dimension gives the same values to 1e-3. Behind that the two "
        f"differ by {number(r.chi_differs)} at most: later values are not to be trusted without a larger chi."
    )


def circuits(unit: Finished) -> Iterator[Section]:
    """Infidelity against depth, compiled and Trotter."""
    r = unit.result
    plain = {t.cz_depth: t.infidelity for t in r.trotter}
    rows = []
    for c in r.circuits:
        same = plain.get(c.cz_depth, c.start)
        needed = min((d for d, i in plain.items() if i <= c.infidelity), default=None)
        deeper = "more than any here" if needed is None else str(needed)
        row = [str(c.steps), str(c.cz_depth), str(c.cz_count), number(c.infidelity), number(c.searched)]
        rows.append([*row, number(same), deeper, str(c.gradients)])
    header = ["Trotter steps to begin with", "cz depth", "cz gates", "1 - F", "at chi of the search"]
    header += ["Trotter, same depth", "Trotter needs depth", "gradients"]
    note = (
        "F: overlap squared with the target, at twice the bond dimension of the search. Trotter: second order, steps "
        "merged, counted in the same gates."
    )
    compiled = ([c.cz_depth for c in r.circuits], [c.infidelity for c in r.circuits])
    known = ([t.cz_depth for t in r.trotter], [t.infidelity for t in r.trotter])
    drawn = figures.logarithmic({"compiled": compiled, "Trotter": known}, "layers of cz", "1 - F", marks="o-")
    arrays = unit.arrays(r.curves)
    curves = {f"{c.steps} steps": _curve(arrays[f"steps_{c.steps}"]) for c in r.circuits}
    blocks: list[Any] = [
        Table(header, rows, note),
        Picture(drawn, "Infidelity against depth."),
        Picture(figures.logarithmic(curves, "gradients", "1 - F"), "The searches."),
    ]
    best = next(c for c in r.circuits if c.steps == r.best)
    text = (
        f"{r.model}, t = {r.time:g}: the best circuit has {best.cz_depth} layers of cz and misses the target by "
        f"1 - F = {number(best.infidelity)}. It is in {unit.name}/{r.file} (OpenQASM 3: rz, sx, cz). The target itself "
        f"has bond dimension {r.target_chi} and gave up a weight of {number(r.target_discarded)} when it was made."
    )
    yield Section(f"Compiled circuits: {unit.name}", [text], blocks)


def _curve(values: np.ndarray) -> tuple[list[float], list[float]]:
    return [float(k) for k in range(1, len(values) + 1)], values.tolist()


def measured(unit: Finished) -> Iterator[Section]:
    """Of a circuit: shots, mean values at chi and twice chi, entanglement."""
    r = unit.result
    noisy = " Shots are noisy; mean values are of the circuit without noise." if r.noisy else ""
    facts = [str(r.qubits), str(r.gates), str(r.depth), "-" if r.cz_depth is None else str(r.cz_depth)]
    facts += [str(r.chi), "-" if r.chi_reached is None else str(r.chi_reached)]
    facts += [f"{r.fidelity:.10g}", "-" if r.doubled is None else number(r.doubled)]
    header = ["qubits", "gates", "depth", "cz depth", "bond dimension", "reached", "fidelity", "1 - F at twice chi"]
    note = (
        "Fidelity: estimated from what truncation cut. Beside it what the state at twice the bond dimension says. cz "
        "depth: compiled to rz, sx, cz. Gates: " + ", ".join(f"{k} {n}" for k, n in r.counted.items()) + "."
    )
    blocks: list[Any] = [Table(header, [facts], note)]
    if r.values:
        blocks.append(_values(r))
    blocks.append(
        Picture(figures.counts(r.counts, r.shots), f"The {len(r.counts)} most frequent of {r.distinct} results.")
    )
    arrays = unit.arrays(r.file)
    if "entropy" in arrays and len(arrays["entropy"]) > 1:
        shown = figures.profile({"entropy": arrays["entropy"]}, "cut", "entanglement entropy", 1)
        blocks.append(Picture(shown, "Entanglement after the gates."))
        blocks.append(Picture(figures.profile({"Z": arrays["z"]}, "qubit", "<Z>"), "Mean of Z."))
    yield Section(f"The circuit: {unit.name}", [_exact(r) + noisy], blocks)


def _values(r: Any) -> Table:
    rows = []
    for v in r.values[:_QUBITS]:
        drawn = "-" if v.drawn is None else f"{v.drawn:.4f} ± {v.error:.4f}"
        rows.append([v.name, _plain(v.value), _plain(v.again), drawn])
    left = len(r.values) - len(rows)
    note = "Drawn: from shots, with the standard error that so many have." + (
        f" {left} more are in result.json." if left else ""
    )
    return Table(["mean of", "at chi", "at twice chi", "drawn"], rows, note)


def _plain(value: float) -> str:
    return f"{round(value, 10) + 0.0:.10f}"  # no minus before zero


def _exact(r: Any) -> str:
    if not r.pure:
        return (
            "The circuit measures, resets or decides on its way: it has no one state, so each shot was simulated by "
            f"itself. The worst of them has an estimated fidelity of {r.fidelity:.6g}."
        )
    if r.doubled is not None and r.doubled < 1e-10 and 1 - r.fidelity < 1e-10:
        return f"Nothing was cut: a bond dimension of {r.chi_reached} holds the state exactly."
    return (
        f"The state at bond dimension {r.chi} is an approximation: 1 - F is {number(1 - r.fidelity)} by what was cut, "
        f"and {number(r.doubled)} by comparison with twice the bond dimension. Raise chi until the means stop changing."
    )


def exact(unit: Finished) -> Section:
    """Everything beside what is known exactly."""
    rows = []
    for c in unit.result.rows:
        own = "itself" if c.whole else f"the same method on {c.sites} sites"
        values = [("-" if x is None else f"{x:.12g}") for x in (c.value, c.reference)]
        rows.append([f"{c.result}: {c.what}", own, c.by, *values, number(c.error)])
    without = [n for n in unit.result.names if not unit.result.of(n)]
    text = (
        [f"Nothing exact is known for {', '.join(without)}: too large, and no shorter chain is like it."]
        if without
        else []
    )
    header = ["compared", "on", "with", "found", "exact", "off by"]
    note = "Off by: relative for energies, absolute for the rest, the largest where there are many."
    blocks = [Table(header, rows, note)] if rows else []
    return Section("Beside what is known exactly", text, blocks)


def nothing(unit: Finished) -> Iterator[Section]:
    """Of steps that are told of elsewhere."""
    return iter(())


STEPS = {"ground_state": ground_state, "evolve": evolution, "compile_circuit": circuits, "measure_circuit": measured}
