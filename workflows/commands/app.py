"""What can be typed: names, arguments and examples; the work is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Scientific-simulation surrogates: from reference physics to a model one may trust.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Start with: surrogates run ethanol --quick",
)

Runs = Annotated[Path, typer.Option(help="Folder in which run directories lie.")]
OneHead = Annotated[str | None, typer.Option("--head", help="Which head, where the file has several.")]
Trust = Annotated[list[str] | None, typer.Option(help="A module or class that files may name; only you can allow it.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="step.key=value, as often as needed.")]


@app.command(epilog="Example: surrogates run ethanol --quick --set data.walkers.train.samples=100")
def run(
    file: Annotated[str, typer.Argument(help="A workflow file, or the name of a recipe.")],
    quick: Annotated[bool, typer.Option("--quick", help="The small version that the file describes.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; run nothing.")
    ] = False,
    settings: Set = None,
    runs: Runs = Path("runs"),
    trust: Trust = None,
) -> None:
    """Run a workflow; what is finished is kept, what was interrupted continues."""
    from surrogates.workflows.commands.run import run_file

    run_file(file, quick=quick, dry_run=dry_run, settings=settings or [], runs=runs, trust=tuple(trust or ()))


@app.command(
    epilog="Example: surrogates train frames.extxyz --minutes 4 --save mine.safetensors   "
    "or: surrogates train frames.extxyz --start big.safetensors --isolated refit --freeze trunk"
)
def train(
    structures: Annotated[Path, typer.Argument(help="Labelled structures.")],
    model: Annotated[str | None, typer.Option(help="The potential, as module:Class (default: our MACE).")] = None,
    start: Annotated[Path | None, typer.Option(help="A trained surrogate to go on from, instead of a model.")] = None,
    head: Annotated[str | None, typer.Option(help="Which head of it, where it has several.")] = None,
    freeze: Annotated[str, typer.Option(help="What of it stays: nothing, trunk, or k: k layers train.")] = "nothing",
    isolated: Annotated[
        str | None, typer.Option(help="Its isolated atoms: keep, or refit for another level of theory.")
    ] = None,
    replay: Annotated[Path | None, typer.Option(help="Structures of its own level, which it must not forget.")] = None,
    minutes: Annotated[float | None, typer.Option(help="CPU minutes a member (default: 4).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Budget in epochs, repeatable to the bit.")] = None,
    members: Annotated[int, typer.Option(help="Members of the ensemble.")] = 2,
    energy: Annotated[str, typer.Option(help="Key of the energies.")] = "energy",
    forces: Annotated[str, typer.Option(help="Key of the forces.")] = "forces",
    save: Annotated[Path, typer.Option(help="The checkpoint to write.")] = Path("potential.safetensors"),
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    runs: Runs = Path("runs"),
) -> None:
    """Train a potential on your own file and score it on a part kept apart."""
    from surrogates.workflows.commands.train import beginning, train_file

    keys = {"energy": energy, "forces": forces}
    settings = beginning(model, start, freeze, isolated, replay) | {"start_head": head}
    settings |= {"minutes": minutes, "epochs": epochs, "members": members}
    train_file(structures, keys, settings, save, seed, runs)


@app.command(
    epilog="Example: surrogates evaluate mine.safetensors test.extxyz   or: surrogates evaluate equation.safetensors"
)
def evaluate(
    file: Annotated[Path, typer.Argument(help="A checkpoint.")],
    structures: Annotated[
        Path | None, typer.Argument(help="Labelled structures, fields, meshes, or points with values of u.")
    ] = None,
    energy: Annotated[str, typer.Option(help="Key of the energies.")] = "energy",
    forces: Annotated[str, typer.Option(help="Key of the forces.")] = "forces",
    head: OneHead = None,
    trust: Trust = None,
) -> None:
    """Score a checkpoint on data kept apart; a solved equation also at random points, against its known solution."""
    from surrogates.workflows.commands.model import evaluate_file

    evaluate_file(file, structures, energy, forces, tuple(trust or ()), head)


@app.command(
    epilog="Example: surrogates predict mine.safetensors new.xyz --out labelled.extxyz   "
    "or: surrogates predict equation.safetensors points.csv --out values.csv   "
    "or: surrogates predict mmgp.safetensors new.vtu --out stress.vtu"
)
def predict(
    file: Annotated[Path, typer.Argument(help="A checkpoint.")],
    structures: Annotated[
        Path,
        typer.Argument(help="Structures, fields, meshes, or points: a .csv, .npz or .h5 with a column a coordinate."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write what is predicted here, with its spread.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="name=number of meshes whose files lack it, as often as needed.")
    ] = None,
    head: OneHead = None,
    trust: Trust = None,
) -> None:
    """Energies and forces, fields on grids or meshes, or values at points, with their spread where there is one."""
    from surrogates.workflows.commands.model import predict_file

    predict_file(file, structures, out, tuple(trust or ()), head, tuple(parameter or ()))


@app.command(
    epilog="Example: surrogates check mine.safetensors water.xyz   or: surrogates check emt copper.cif   "
    "or: surrogates check equation.safetensors"
)
def check(
    calculator: Annotated[str, typer.Argument(help="A checkpoint, or a calculator: module:Class, emt, lj, xtb.")],
    structures: Annotated[
        Path | None,
        typer.Argument(help="Structures, fields or meshes to measure the laws on; a solved equation needs none."),
    ] = None,
    first: Annotated[int, typer.Option(min=1, help="How many of them.")] = 3,
    drift: Annotated[bool, typer.Option("--drift", help="Also run short NVE dynamics.")] = False,
    head: OneHead = None,
    trust: Trust = None,
) -> None:
    """Measure the physical laws of a surrogate or of any calculator; exit code 1 when one is broken."""
    from surrogates.workflows.commands.model import check_calculator

    check_calculator(calculator, structures, first, drift, tuple(trust or ()), head)


@app.command(epilog="Example: surrogates convert frames.extxyz frames.h5")
def convert(
    source: Annotated[Path, typer.Argument(help="Anything that ASE or pymatgen reads, or our .h5.")],
    target: Annotated[Path, typer.Argument(help="Our .h5, or a format that ASE writes.")],
    energy: Annotated[str | None, typer.Option(help="Key of the energies.")] = None,
    forces: Annotated[str | None, typer.Option(help="Key of the forces.")] = None,
    head: Annotated[str | None, typer.Option(help="One head of a mace-torch .model file; all unless given.")] = None,
) -> None:
    """Convert files of structures, and mace-torch .model files to checkpoints."""
    from surrogates.workflows.commands.convert import convert_file

    convert_file(source, target, energy, forces, head)


@app.command(epilog="Example: surrogates info mine.safetensors")
def info(file: Annotated[Path, typer.Argument(help="A checkpoint or a data set.")]) -> None:
    """The model card of a checkpoint, or what a data set holds."""
    from surrogates.workflows.commands.model import print_info

    print_info(file)


@app.command(name="list", epilog="Example: surrogates list models")
def list_things(
    what: Annotated[str, typer.Argument(help="models, problems, steps, papers, recipes or generators.")],
) -> None:
    """What there is, read from the source."""
    from surrogates.workflows.commands.listing import print_list

    print_list(what)


@app.command(epilog="Example: surrogates schema > workflow.schema.json")
def schema() -> None:
    """JSON Schema of workflow files, for completion in editors."""
    from surrogates.workflows.commands.schema import print_schema

    print_schema()


@app.command(epilog="Example: surrogates explain runs/ethanol ethanol.yaml")
def explain(
    run_directory: Annotated[Path, typer.Argument(help="A run directory.")],
    file: Annotated[
        str | None, typer.Argument(help="The workflow file; without it the one the run was made with.")
    ] = None,
) -> None:
    """Which steps are finished, and why others are stale."""
    from surrogates.workflows.commands.explain import explain_run

    explain_run(run_directory, file)


@app.command(epilog="Example: surrogates report runs/ethanol")
def report(run_directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Write report.html anew."""
    from surrogates.workflows.commands.run import write_report

    write_report(run_directory)


@app.command(epilog="Example: surrogates new own-data")
def new(
    recipe: Annotated[str, typer.Argument(help="A recipe; see `surrogates list recipes`.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; RECIPE.yaml by default.")] = None,
) -> None:
    """A commented workflow file to start from."""
    from surrogates.workflows.commands.listing import new_file

    new_file(recipe, out)


@app.command(epilog="Example: surrogates cite runs/ethanol > ethanol.bib")
def cite(run_directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """BibTeX of the methods that a run used."""
    from surrogates.workflows.commands.cite import print_citations

    print_citations(run_directory)


@app.command(epilog="Example: surrogates doctor")
def doctor() -> None:
    """Versions, extras, threads, GPU, compiler and system libraries; what is missing, and how to get it."""
    from surrogates.workflows.commands.doctor import examine

    examine()
