"""The jobs of a step `compile_circuit`: one ansatz each, and Trotter circuits beside them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets.adapters.openqasm_writer import write_qasm
from surrogates.physics.circuits import simulate, to_basis
from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks import MPS
from surrogates.simulation.aqc_tensor import circuit_of, compile_state, trotter
from surrogates.workflows.desk import Desk
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.quantum_objects import made_model, made_start, plain, read_state, write_record
from surrogates.workflows.steps.compile_circuit import (
    FILE,
    Circuit,
    CompileCircuit,
    CompiledCircuits,
    TrotterCircuit,
)

_MORE = 4  # times as many Trotter steps as the largest ansatz has
_FINE = 1e-14


def compiled(step: CompileCircuit, steps: int, folder: Path, desk: Desk) -> None:
    """One ansatz: the best gates, and the circuit in basis gates as a file."""
    target = _target(step)

    def progress(gradients: int, infidelity: float) -> None:
        desk.progress(min(gradients, step.iterations), step.iterations, f"gradients, 1 - F = {infidelity:.2g}")

    found = compile_state(
        target,
        trotter(made_model(step.model), step.time, steps),
        start=_bits(step, desk),
        cost=step.cost,
        iterations=step.iterations,
        stop=step.stop,
        chi_max=step.chi,
        progress=progress,
    )
    circuit = to_basis(found.circuit)
    write_qasm(circuit, folder / FILE)
    row = {
        "steps": steps,
        "cz_depth": circuit.depth(of=2),
        "cz_count": circuit.count().get("cz", 0),
        "infidelity": _infidelity(found.verified),
        "searched": _infidelity(found.fidelity),
        "start": _infidelity(found.initial),
        "gradients": len(found.history),
        "discarded": found.discarded,
    }
    write_json(folder / "row.json", {"row": row, "curve": list(found.history)})


def trotter_curve(step: CompileCircuit, folder: Path, desk: Desk) -> None:
    """Plain Trotter circuits of more and more steps."""
    target, bits, model, rows = _target(step), _bits(step, desk), made_model(step.model), []
    most = _MORE * step.steps[-1]
    asked = step.trotter or sorted({*step.steps, *(2**k for k in range(8) if 2**k <= most), most})
    for k, steps in enumerate(asked):
        made = trotter(model, step.time, steps)
        state = simulate(circuit_of(made, bits), chi_max=2 * step.chi, cutoff=_FINE).state
        rows.append({"steps": steps, "cz_depth": made.depth, "infidelity": _infidelity(state.fidelity(target))})
        desk.progress(k + 1, len(asked), "Trotter circuits")
    write_json(folder / "rows.json", rows)


def gathered(step: CompileCircuit, desk: Desk) -> CompiledCircuits:
    """Circuits by depth, the best one beside the result."""
    circuits, curves = [], dict[str, Any]()
    for n in step.steps:
        told = read_json(desk.job_folder(f"steps-{n}") / "row.json")
        circuits.append(Circuit(**told["row"], file=f"jobs/steps-{n}/{FILE}"))
        curves[f"steps_{n}"] = np.array(told["curve"])
    np.savez(desk.folder / "arrays.npz", **curves)
    best = min(circuits, key=lambda c: c.infidelity)
    shutil.copyfile(desk.folder / best.file, desk.folder / FILE)
    target = _target(step)
    found = CompiledCircuits(
        model=step.model.told,
        qubits=len(target),
        time=step.time,
        circuits=tuple(circuits),
        trotter=tuple(TrotterCircuit(**row) for row in read_json(desk.job_folder("trotter") / "rows.json")),
        best=best.steps,
        target_discarded=target.discarded,
        target_chi=max(target.bonds, default=1),
    )
    words = {"model": plain(step.model), "target": str(Path(step.target).resolve()), "chi": step.chi}
    write_record(desk.folder, "compile_circuit", {**words, "start": step.start}, found)
    return found


def _target(step: CompileCircuit) -> MPS:
    target = read_state(step.target)
    if len(target) != step.model.length or target.site.dimension != 2:
        raise DomainError(
            f"the target has {len(target)} sites of {target.site.name}, the model {step.model.length}; compile a chain "
            "of qubits with the model that made it"
        )
    return target


def _bits(step: CompileCircuit, desk: Desk) -> list[int]:
    """Of the product state that the circuit begins with."""
    state: Any = made_start(step.start, made_model(step.model), desk.seed)
    return [int(t.flatten().abs().argmax()) for t in state.tensors]


def _infidelity(fidelity: float) -> float:
    return max(1.0 - fidelity, 0.0)
