"""`surrogates evaluate`, `predict`, `check` and `info`: what one asks of a checkpoint or calculator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError, FileError, WorkflowError
from surrogates.workflows.commands.fields_file import (
    check_fields,
    evaluate_fields,
    predict_fields,
    print_fields,
)
from surrogates.workflows.commands.meshes_file import check_meshes, evaluate_meshes, predict_meshes, print_meshes
from surrogates.workflows.commands.structures_file import check_target, write_structures

SHORT = {
    "emt": {"use": "ase.calculators.emt:EMT"},
    "lj": {"use": "ase.calculators.lj:LennardJones"},
    "xtb": {"use": "tblite.ase:TBLite", "method": "GFN2-xTB", "accuracy": 0.01},
}
_OUTSIDE = "  outside the training data: check it against a reference"
_BATCH = 64  # structures predicted at once


def evaluate_file(
    file: Path, structures: Path | None, energy: str, forces: str, trust: tuple[str, ...], head: str | None = None
) -> None:
    """Print the scores of a checkpoint; rows that it was trained on are refused."""
    from surrogates.datasets import read_structures
    from surrogates.training import load
    from surrogates.workflows.commands.equations import evaluate_equation

    fitted = load(file, trust=trust, head=head)
    if _of_meshes(fitted):
        evaluate_meshes(fitted, _given(structures, "meshes"))
        return
    if _solves(fitted):
        evaluate_equation(fitted, structures)
        return
    structures = _given(structures, "labelled structures, or fields")
    if _holds_fields(structures):
        evaluate_fields(fitted, structures)
        return
    data = read_structures(structures, energy=energy, forces=forces)
    if seen := fitted.seen(data):
        raise FileError(
            f"{len(seen)} of {len(data)} structures in {structures} (first: {seen[0]}) were trained on, so errors "
            "there say nothing; give structures kept apart"
        )
    print(fitted.evaluate(data))


def predict_file(
    file: Path,
    structures: Path,
    out: Path | None,
    trust: tuple[str, ...],
    head: str | None = None,
    parameters: Sequence[str] = (),
) -> None:
    """Print, and write where asked for, what a checkpoint says of structures; `parameters` are those of meshes."""
    from surrogates.datasets import read_structures
    from surrogates.datasets.adapters.ase import total_charge
    from surrogates.simulation.charges import warn_of_charges
    from surrogates.training import load
    from surrogates.workflows.commands.equations import predict_equation

    fitted = load(file, trust=trust, head=head)
    if _of_meshes(fitted):
        predict_meshes(fitted, structures, out, parameters)
        return
    if _solves(fitted):
        predict_equation(fitted, structures, out)
        return
    if _holds_fields(structures):
        predict_fields(fitted, structures, out)
        return
    if out is not None:
        check_target(out)
    fitted = _of_one_head(fitted, file)
    spread = fitted.spread is not None
    atoms = list(read_structures(structures, energy=None, forces=None).atoms)
    _check_known(fitted, atoms)
    warn_of_charges(fitted, (total_charge(one) for one in atoms))
    labelled: list[Any] = []
    print(f"{'structure':<24} {'energy eV':>14} {'± eV':>8} {'max force eV/Å':>15} {'± eV/Å':>8}")
    try:
        for begin in range(0, len(atoms), _BATCH):
            for k, row in enumerate(_predicted(fitted, atoms[begin : begin + _BATCH], spread), begin):
                print(f"{f'{k} {row.symbols}':<24} {_numbers(row)}")
                labelled.append(row)
    finally:  # what was computed before Ctrl-C or an error is kept
        if out is not None and labelled:
            write_structures(labelled, out)
            print(f"wrote {out}: {len(labelled)} of {len(atoms)} structures")


def check_calculator(
    calculator: str, structures: Path | None, first: int, drift: bool, trust: tuple[str, ...], head: str | None = None
) -> None:
    """Print the laws of a calculator; exit code 1 when one is broken."""
    from surrogates.datasets import read_structures
    from surrogates.simulation.foreign import AseSurrogate
    from surrogates.testing.check_surrogate import check_surrogate
    from surrogates.training import load
    from surrogates.workflows.commands.equations import check_equation

    fitted = load(calculator, trust=trust, head=head) if Path(calculator).is_file() else None
    if fitted is not None and _of_meshes(fitted):
        check_meshes(fitted, _given(structures, "meshes to measure the laws on"), first)
        return
    if fitted is not None and _solves(fitted):
        check_equation(fitted)
        return
    structures = _given(structures, "structures, or fields, to measure the laws on")
    if fitted is not None and _holds_fields(structures):
        check_fields(fitted, structures)
        return
    atoms = list(read_structures(structures, energy=None, forces=None).atoms[:first])
    thing = AseSurrogate(_foreign(calculator, trust)) if fitted is None else _of_one_head(fitted, calculator)
    report = check_surrogate(thing, atoms, drift=drift)
    print(report)
    if not report.passed:
        sys.exit(1)


def print_info(file: Path) -> None:
    """The card of a checkpoint or of a data set."""
    if _holds_meshes(file):
        print_meshes(file)
        return
    if _holds_fields(file):
        print_fields(file)
        return
    if file.is_dir() or file.suffix in (".h5", ".hdf5"):
        from surrogates.datasets import Structures

        data = Structures.open(file)
        print(f"{file}: {len(data)} structures\n{data.description}\nhash {data.hash}\nunits {data.units}")
        return
    from surrogates.training import info

    print(info(file))


def _holds_fields(path: Path) -> bool:
    """Whether a file has fields on a grid; asked before anything heavy is imported for other files."""
    if not path.exists() or not (path.is_dir() or path.suffix in (".h5", ".hdf5")):
        return False
    from surrogates.workflows.inputs import holds_fields

    return holds_fields(str(path))


def _holds_meshes(path: Path) -> bool:
    """Whether a file or folder has meshes; asked before anything heavy is imported for checkpoints."""
    if not path.exists() or path.suffix in (".safetensors", ".model"):
        return False
    from surrogates.workflows.mesh_inputs import holds_meshes

    return holds_meshes(path)


def _of_meshes(fitted: Any) -> bool:
    """Whether a checkpoint predicts fields on meshes."""
    from surrogates.workflows.mesh_inputs import is_mesh_surrogate

    return is_mesh_surrogate(fitted)


def _solves(fitted: Any) -> bool:
    """Whether a checkpoint is a network that solves an equation."""
    from surrogates.workflows.equation_inputs import is_equation

    return is_equation(fitted)


def _given(structures: Path | None, what: str) -> Path:
    if structures is None:
        raise FileError(f"a file of {what} is missing; only solutions of equations bring points of their own")
    return structures


def _of_one_head(fitted: Any, file: str | Path) -> Any:
    if fitted.heads:
        raise DomainError(f"{file} has the heads {', '.join(fitted.heads)}; choose one with --head {fitted.heads[0]}")
    return fitted


def _foreign(name: str, trust: tuple[str, ...]) -> Any:
    from surrogates.datasets.generators.references import parse_reference

    if name not in SHORT and ":" not in name:
        raise WorkflowError(
            f"{name!r} is no file and no calculator; give a checkpoint, module:Class, or {', '.join(SHORT)}"
        )
    return parse_reference(SHORT.get(name, {"use": name}), trust=trust)


def _check_known(fitted: Any, atoms: list[Any]) -> None:
    """Before anything is computed: every element is one that the surrogate knows."""
    from surrogates.simulation.foreign import check_elements

    for k, one in enumerate(atoms):
        if reason := check_elements(fitted, one.numbers):
            raise FileError(f"structure {k} ({one.symbols}): {reason}; leave it out, or train on such structures")


def _predicted(fitted: Any, atoms: list[Any], spread: bool) -> list[Any]:
    import numpy as np
    from ase.calculators.singlepoint import SinglePointCalculator

    from surrogates.datasets.adapters.ase import from_ase
    from surrogates.simulation.foreign import placement

    device, dtype = placement(fitted)
    batch = from_ase(atoms, dtype=dtype).to(device).with_edges(fitted.r_max)
    result = fitted.predict(batch, spread=spread)
    outside = [False] * len(atoms) if fitted.domain is None else fitted.domain.foreign(batch).tolist()
    ends = np.cumsum([len(a) for a in atoms])[:-1]
    forces = np.split(result.forces.detach().cpu().double().numpy(), ends)
    widths = np.split(result.forces_std.detach().cpu().double().numpy(), ends) if spread else [None] * len(atoms)
    for k, one in enumerate(atoms):
        if not (np.isfinite(float(result.energy[k])) and np.isfinite(forces[k]).all()):
            raise DomainError(f"{one.symbols}: energy or forces are not finite; this checkpoint is no good, train anew")
        one.calc = SinglePointCalculator(one, energy=float(result.energy[k]), forces=forces[k])
        one.info["outside_data"] = outside[k]
        if spread:
            one.info["energy_std"] = float(result.energy_std[k])
            one.arrays["forces_std"] = widths[k]
    return atoms


def _numbers(atoms: Any) -> str:
    import numpy as np

    largest = int(np.linalg.norm(atoms.get_forces(), axis=1).argmax()) if len(atoms) else 0
    force = float(np.linalg.norm(atoms.get_forces()[largest]))
    std = atoms.info.get("energy_std")
    width = atoms.arrays["forces_std"][largest] if "forces_std" in atoms.arrays else None
    energy_std = f"{std:8.3f}" if std is not None else f"{'-':>8}"
    force_std = f"{float(np.linalg.norm(width)):8.3f}" if width is not None else f"{'-':>8}"
    note = _OUTSIDE if atoms.info["outside_data"] else ""
    return f"{atoms.get_potential_energy():14.5f} {energy_std} {force:15.4f} {force_std}{note}"
