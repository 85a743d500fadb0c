"""A run directory -> report.html, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surrogates.workflows.files import write_text
from surrogates.workflows.report import (
    accuracy,
    costs,
    crystals,
    equations,
    fields,
    mesh_training,
    meshes,
    quantum,
    simulations,
    training,
)
from surrogates.workflows.report.criteria import criteria
from surrogates.workflows.report.finished import Finished, FinishedRun, finished_run
from surrogates.workflows.report.page import Section, render
from surrogates.workflows.report.verdict import judge


def write(folder: Path) -> Path:
    """Write `report.html` of the run in `folder` and return its path; unfinished steps are left out."""
    run = finished_run(Path(folder))
    page = render(run.name, judge(criteria(run)), list(sections(run)), costs.provenance(run))
    path = Path(folder) / "report.html"
    write_text(path, page)
    return path


def sections(run: FinishedRun) -> Iterator[Section]:
    """What the page shows, in the order a reader asks."""
    judged = list(run.of("evaluate"))
    for k, unit in enumerate(judged):
        yield from _judged(unit, run, again=any(unit.result.scores == one.result.scores for one in judged[:k]))
    for unit in run.of("evaluate_operator"):
        yield from fields.judged(unit, run)
    for unit in run.of("evaluate_equation"):
        yield from equations.judged(unit, run)
    for unit in run.of("evaluate_mesh_surrogate"):
        yield from meshes.judged(unit, run)
    for unit in run.of("evaluate_quantum"):
        yield quantum.exact(unit)
    for unit in run.units:
        yield from quantum.STEPS.get(unit.use, quantum.nothing)(unit)
    for unit in run.of("rollout"):
        yield fields.rollout(unit)
    for unit in run.of("train"):
        yield training.training(unit, costs.invested(run)[0])
    for unit in run.of("train_operator"):
        yield fields.training(unit)
    for unit in run.of("solve_equation"):
        yield equations.training(unit)
    for kind, section in (
        ("mesh_rollout", mesh_training.rollout),
        ("fit_mmgp", mesh_training.processes),
        ("train_mesh_surrogate", mesh_training.training),
        ("train_plate_graph", mesh_training.training),
        ("relax", simulations.minima),
        ("vibrations", simulations.vibrations),
        ("equation_of_state", crystals.curves),
        ("elastic", crystals.elasticity),
        ("phonons", crystals.phonons),
        ("dynamics", simulations.trajectory),
        ("generate", training.data),
        ("generate_fields", fields.data),
        ("read_fields", fields.data),
        ("generate_meshes", mesh_training.data),
        ("read_meshes", mesh_training.data),
    ):
        for unit in run.of(kind):
            yield section(unit)


def _judged(unit: Finished, run: FinishedRun, *, again: bool) -> Iterator[Section]:
    """What a step `evaluate` found; its scores are not shown `again`."""
    temperatures = {
        name: float(walker["temperature"])
        for made in run.of("generate")
        for name, walker in made.settings["walkers"].items()
        if "temperature" in walker  # a list of walkers has none of its own
    }
    optional = [accuracy.laws(unit), costs.speed(unit, run)]
    if not again:
        yield accuracy.accuracy(unit)
        optional = [accuracy.spread(unit), accuracy.physics_and_statistics(unit, temperatures), *optional]
    yield from (section for section in optional if section is not None)
