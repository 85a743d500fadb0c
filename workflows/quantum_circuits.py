"""The work of a step `measure_circuit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets.adapters.openqasm import read_qasm
from surrogates.datasets.adapters.openqasm_writer import write_qasm
from surrogates.physics.circuits import Circuit, Gate, Measure, Noise, Simulation, sample_circuit, simulate, to_basis
from surrogates.physics.circuits.noise import depolarizing
from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks import MPS, expect_operator, mpo, save
from surrogates.workflows.desk import Desk
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.quantum_objects import entropies, made_terms, write_record
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.measure_circuit import FILE, CircuitMeasured, MeasureCircuit, Value

_SHOWN = 16  # results in the table
_SMALL = 1e-12


def measured(step: MeasureCircuit, folder: Path, desk: Desk) -> None:
    """Simulate at chi and 2 chi, draw shots, take means."""
    circuit = bound(step)
    before = unmeasured(circuit)
    noisy = step.noise > 0 or step.readout > 0
    asked = circuit if any(isinstance(o, Measure) for o in circuit) else measuring_all(circuit)
    arrays: dict[str, Any] = {}
    state: MPS | None = None
    values: tuple[Value, ...] = ()
    told: dict[str, Any] = {"chi_reached": None, "bound": None, "doubled": None, "entropy": None, "worst_pull": None}
    if before is not None:
        once, twice = (simulate(before, chi_max=chi) for chi in (step.chi, 2 * step.chi))
        state = twice.state
        desk.progress(1, 3, "stages")
        told |= {"chi_reached": once.chi, "bound": once.error_bound, "fidelity": once.fidelity}
        told["doubled"] = max(1 - once.state.fidelity(state), 0.0)
        arrays["entropy"] = entropies(state).numpy()
        told["entropy"] = float(arrays["entropy"].max()) if len(arrays["entropy"]) else 0.0
        values = _means(step, once, twice)
        arrays["z"] = state.expect("Z").numpy()
    elif step.observables:
        raise DomainError(
            "the circuit measures, resets or decides on its way, so it has no one state; drop observables"
        )
    after = {k: (depolarizing(step.noise),) for k in range(1, 7)} if step.noise else {}
    noise = Noise(after, step.readout) if noisy else None
    shots = sample_circuit(asked, step.shots, noise=noise, chi_max=2 * step.chi, seed=desk.seed)
    desk.progress(2, 3, "stages")
    told.setdefault("fidelity", shots.fidelity)
    place = {o.bit: o.qubit for o in asked if isinstance(o, Measure)}
    if before is not None:
        values, told["worst_pull"] = _drawn(values, shots.bits.numpy(), place, clean=not noisy)
    counts = sorted(shots.counts().items(), key=lambda pair: (-pair[1], pair[0]))
    arrays["frequency"] = np.array([n for _, n in counts]) / step.shots
    np.savez(desk.folder / "arrays.npz", **arrays)
    save(state if state is not None else MPS.product([0] * circuit.qubits), desk.folder / FILE)
    write_qasm(circuit, desk.folder / "read.qasm")
    result = CircuitMeasured(
        qubits=circuit.qubits,
        gates=sum(isinstance(o, Gate) for o in circuit),
        depth=circuit.depth(),
        cz_depth=_cz_depth(circuit),
        counted=dict(sorted(circuit.count().items())),
        pure=before is not None,
        chi=step.chi,
        shots=step.shots,
        noisy=noisy,
        values=values,
        counts=dict(counts[:_SHOWN]),
        distinct=len(counts),
        **told,
    )
    write_json(folder / "result.json", encode(result))
    desk.progress(3, 3, "stages")


def gathered(step: MeasureCircuit, desk: Desk) -> CircuitMeasured:
    """The result, and its record."""
    found: CircuitMeasured = decode(CircuitMeasured, read_json(desk.job_folder("all") / "result.json"))
    words = {"circuit": str(Path(step.circuit).resolve()), "parameters": step.parameters}
    write_record(desk.folder, "measure_circuit", {**words, "observables": step.observables}, found)
    return found


def bound(step: MeasureCircuit) -> Circuit:
    """The circuit of the file, with values for its parameters."""
    return bound_circuit(step.circuit, step.parameters)


def bound_circuit(path: str, parameters: dict[str, float]) -> Circuit:
    """Likewise. Raises DomainError for a parameter without a value, or a value too many."""
    circuit = read_qasm(Path(path))
    missing = [name for name in circuit.parameters if name not in parameters]
    if missing:
        raise DomainError(
            f"{Path(path).name}: the input {missing[0]!r} has no value; write parameters: {{{missing[0]}: 0.1}}"
        )
    return circuit.bind(parameters)


def unmeasured(circuit: Circuit) -> Circuit | None:
    """The gates before the measurements at its end; None where it measures on its way, resets or decides."""
    seen: set[int] = set()
    for operation in circuit:
        if isinstance(operation, Measure) and not operation.when:
            if operation.qubit in seen:
                return None
            seen.add(operation.qubit)
        elif isinstance(operation, Gate) and not operation.when:
            if seen & set(operation.qubits):
                return None
        elif not hasattr(operation, "qubits") or type(operation).__name__ != "Barrier":
            return None
    return replace(circuit, operations=tuple(o for o in circuit if not isinstance(o, Measure)), bits=0, bit_names=())


def measuring_all(circuit: Circuit) -> Circuit:
    """With a measurement of every qubit at its end."""
    n = circuit.qubits
    operations = (*circuit.operations, *(Measure(q, q) for q in range(n)))
    return replace(circuit, operations=operations, bits=n, bit_names=(("meas", n),))


def _means(step: MeasureCircuit, once: Simulation, twice: Simulation) -> tuple[Value, ...]:
    """Observables, then Z of each qubit, at chi and twice chi."""
    found, length = [], len(once.state)
    for name, terms in step.observables.items():
        operator = mpo(made_terms(terms, length))
        if not operator.hermitian():
            raise DomainError(f"the observable {name} is not Hermitian; add the adjoint of each term")
        ends = [expect_operator(operator, s.state).real for s in (once, twice)]
        found.append(Value(name, *ends))
    pair = [s.state.expect("Z").tolist() for s in (once, twice)]
    return (*found, *(Value(f"Z of qubit {q}", a, b) for q, (a, b) in enumerate(zip(*pair, strict=True))))


def _drawn(
    values: tuple[Value, ...], bits: np.ndarray, place: dict[int, int], *, clean: bool
) -> tuple[tuple[Value, ...], float | None]:
    """Means of Z from shots, and the largest distance from the state's own over its standard error."""
    bit_of = {f"Z of qubit {q}": b for b, q in place.items()}
    found, pulls = [], []
    for v in values:
        if v.name not in bit_of:
            found.append(v)
            continue
        z = 1.0 - 2.0 * bits[:, bit_of[v.name]]
        error = float(np.sqrt(max(1 - v.again**2, 0.0) / len(z)))  # of the state's own distribution
        found.append(replace(v, drawn=float(z.mean()), error=error))
        if error > _SMALL:
            pulls.append(abs(float(z.mean()) - v.again) / error)
    return tuple(found), max(pulls) if pulls and clean else None


def _cz_depth(circuit: Circuit) -> int | None:
    try:
        return to_basis(circuit).depth(of=2)
    except DomainError:  # a gate that is not taken apart
        return None
