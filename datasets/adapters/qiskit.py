"""Qiskit's circuits, in and out (extra `quantum`).

Its first qubit is the fastest index of a matrix, ours the slowest.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits import Angle, Barrier, Circuit, Gate, Measure, Reset, known, of_matrix
from surrogates.physics.errors import DomainError, FileError, MissingExtra

_DEEPEST = 20  # definitions within definitions


def from_qiskit(circuit: Any) -> Circuit:
    """A QuantumCircuit as our Circuit: gates, matrices, controls, parameters, measurements, ifs and fors.

    Parameters must enter angles in an affine way. Raises FileError naming the instruction that is not taken.
    """
    if not hasattr(circuit, "clbits") or not hasattr(circuit, "data"):
        raise FileError(f"a {type(circuit).__name__} is no circuit of Qiskit; give a qiskit.QuantumCircuit")
    reader = _Reader(circuit)
    reader.block(
        circuit, {b: k for k, b in enumerate(circuit.qubits)}, {b: k for k, b in enumerate(circuit.clbits)}, ()
    )
    return Circuit(
        circuit.num_qubits,
        tuple(reader.operations),
        circuit.num_clbits,
        reader.phase,
        _registers(circuit.qregs, circuit.num_qubits),
        _registers(circuit.cregs, circuit.num_clbits),
        tuple(p.name for p in circuit.parameters),
    )


def to_qiskit(circuit: Circuit) -> Any:
    """Our Circuit as a QuantumCircuit."""
    try:
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit import Parameter
        from qiskit.circuit.library import UnitaryGate
    except ImportError:
        raise MissingExtra("qiskit", "quantum") from None
    names = {name: Parameter(name) for name in circuit.parameters}

    def angle(value: Angle) -> Any:
        found: Any = value.constant
        for name, slope in value.slopes.items():
            found = found + slope * names[name]
        return found

    registers = [QuantumRegister(size, name) for name, size in circuit.qubit_names or (("q", circuit.qubits),)]
    bits = [
        ClassicalRegister(size, name)
        for name, size in circuit.bit_names or ((("c", circuit.bits),) * (circuit.bits > 0))
    ]
    made = QuantumCircuit(*registers, *bits, global_phase=angle(circuit.phase))
    for operation in circuit:
        if isinstance(operation, Barrier):
            made.barrier(*operation.qubits)
            continue
        with _under(made, operation.when):
            if isinstance(operation, Measure):
                made.measure(operation.qubit, operation.bit)
            elif isinstance(operation, Reset):
                made.reset(operation.qubit)
            elif operation.matrix is not None or operation.controls:
                made.append(_controlled(operation, angle, UnitaryGate), operation.qubits)
            else:
                made.append(_standard(operation.name, [angle(a) for a in operation.angles]), operation.qubits)
    return made


class _Reader:
    def __init__(self, circuit: Any) -> None:
        self.operations: list[Any] = []
        self.phase = Angle()
        self.names = {p: Angle.parameter(p.name) for p in circuit.parameters}

    def block(self, circuit: Any, qubits: Any, bits: Any, when: tuple[tuple[int, bool], ...]) -> None:
        """All instructions of a circuit whose qubits and bits are these of ours."""
        if not when:
            self.phase = self.phase + self.angle(circuit.global_phase)
        for instruction in circuit.data:
            places = [qubits[q] for q in instruction.qubits]
            clbits = [bits[b] for b in instruction.clbits]
            self.operation(instruction.operation, places, clbits, when, bits)

    def operation(self, op: Any, places: list[int], clbits: list[int], when: Any, bits: Any, depth: int = 0) -> None:
        name = op.name
        if name == "barrier":
            self.operations.append(Barrier(tuple(places)))
        elif name == "measure":
            self.operations.append(Measure(places[0], clbits[0], when))
        elif name == "reset":
            self.operations.append(Reset(places[0], when))
        elif name == "if_else":
            self.branch(op, places, clbits, when, bits)
        elif name == "for_loop":
            self.loop(op, places, clbits, when)
        elif (gate := self.gate(op, places)) is not None:
            self.operations.append(replace(gate, when=when))
        elif getattr(op, "definition", None) is not None and depth < _DEEPEST:
            inner = op.definition
            if not when:
                self.phase = self.phase + self.angle(inner.global_phase)
            for instruction in inner.data:
                where = [places[inner.find_bit(q).index] for q in instruction.qubits]
                into = [clbits[inner.find_bit(b).index] for b in instruction.clbits]
                self.operation(instruction.operation, where, into, when, bits, depth + 1)
        else:
            raise FileError(
                f"Qiskit circuit: the instruction {name!r} is not taken; write it in gates, or decompose it"
            )

    def gate(self, op: Any, places: list[int]) -> Gate | None:
        """A standard gate, a matrix, or either under controls; None where its definition must be looked at."""
        if hasattr(op, "base_gate") and not (known(op.name) and _all_ones(op)):
            inner = self.gate(op.base_gate, places[op.num_ctrl_qubits :])
            if inner is None:
                matrix = _ours(torch.tensor(op.base_gate.to_matrix()))
                inner = of_matrix(matrix, places[op.num_ctrl_qubits :], op.base_gate.name)
            on = tuple(bool(op.ctrl_state >> k & 1) for k in range(op.num_ctrl_qubits))
            return replace(inner, qubits=tuple(places), controls=(*on, *inner.controls))
        if known(op.name) and op.name != "unitary":
            return Gate(op.name, tuple(places), tuple(self.angle(p) for p in op.params))
        if op.name == "unitary":
            return of_matrix(_ours(torch.tensor(op.params[0])), places)
        return None

    def branch(self, op: Any, places: list[int], clbits: list[int], when: Any, bits: Any) -> None:
        condition = _condition(op, bits)
        blocks = [(op.blocks[0], condition)]
        if len(op.blocks) > 1:
            if len(condition) != 1:
                raise FileError("Qiskit circuit: else is taken after a condition on one bit only")
            blocks.append((op.blocks[1], ((condition[0][0], not condition[0][1]),)))
        for inner, more in blocks:
            self.block(
                inner,
                dict(zip(inner.qubits, places, strict=True)),
                dict(zip(inner.clbits, clbits, strict=True)),
                (*when, *more),
            )

    def loop(self, op: Any, places: list[int], clbits: list[int], when: Any) -> None:
        values, variable, inner = op.params
        for value in values:
            body = inner if variable is None else inner.assign_parameters({variable: value})
            self.block(
                body,
                dict(zip(body.qubits, places, strict=True)),
                dict(zip(body.clbits, clbits, strict=True)),
                when,
            )

    def angle(self, value: Any) -> Angle:
        """A number or an affine expression of parameters."""
        free = sorted(getattr(value, "parameters", ()), key=lambda p: p.name)
        if not free:
            return Angle.of(complex(value).real)
        at_zero = {p: 0.0 for p in free}
        constant = float(value.assign_all(at_zero)) if hasattr(value, "assign_all") else float(value.bind(at_zero))
        found = Angle(constant)
        for p in free:
            slope = float(value.bind({**at_zero, p: 1.0})) - constant
            found = found + slope * Angle.parameter(p.name)
        probe = {p: 0.7 + 0.31 * k for k, p in enumerate(free)}
        expected = found.value({p.name: x for p, x in probe.items()})
        if abs(float(value.bind(probe)) - expected) > 1e-9 * (1 + abs(expected)):
            raise FileError(f"Qiskit circuit: the angle {value} is no affine function of its parameters; bind some")
        return found


def _all_ones(op: Any) -> bool:
    return bool(op.ctrl_state == 2**op.num_ctrl_qubits - 1)


def _ours(matrix: Tensor) -> Tensor:
    """A matrix whose first qubit is the fastest index as one whose first is the slowest, and back."""
    k = matrix.shape[0].bit_length() - 1
    axes = [*reversed(range(k)), *reversed(range(k, 2 * k))]
    return matrix.reshape([2] * (2 * k)).permute(axes).reshape(2**k, 2**k)


def _registers(registers: Any, count: int) -> tuple[tuple[str, int], ...]:
    found = tuple((r.name, len(r)) for r in registers)
    return found if sum(size for _, size in found) == count else ()


def _condition(op: Any, bits: Any) -> tuple[tuple[int, bool], ...]:
    try:
        target, value = op.condition
    except TypeError:
        raise FileError("Qiskit circuit: conditions are bits or registers compared with a number") from None
    if hasattr(target, "__len__"):
        return tuple((bits[b], bool(int(value) >> k & 1)) for k, b in enumerate(target))
    return ((bits[target], bool(value)),)


def _standard(name: str, angles: list[Any]) -> Any:
    from qiskit.circuit import library

    classes = {
        "id": "IGate", "p": "PhaseGate", "cp": "CPhaseGate", "sxdg": "SXdgGate", "sdg": "SdgGate", "tdg": "TdgGate",
        "iswap": "iSwapGate", "cswap": "CSwapGate", "swap": "SwapGate", "csdg": "CSdgGate",
    }  # fmt: skip
    found = getattr(library, classes.get(name, f"{name.upper()}Gate"), None)
    if found is not None:
        return found(*angles)
    if name == "iswapdg":
        return library.iSwapGate().inverse()
    if name == "csxdg":
        return library.SXdgGate().control(1)
    raise DomainError(f"Qiskit has no gate {name!r}")


def _controlled(gate: Gate, angle: Any, unitary: Any) -> Any:
    base = (
        unitary(_ours(gate.matrix).numpy())
        if gate.matrix is not None
        else _standard(gate.name, [angle(a) for a in gate.angles])
    )
    if not gate.controls:
        return base
    return base.control(len(gate.controls), ctrl_state=sum(on << k for k, on in enumerate(gate.controls)))


def _under(circuit: Any, when: tuple[tuple[int, bool], ...]) -> Any:
    """Qiskit's if around what follows."""
    if not when:
        return contextlib.nullcontext()
    stack = contextlib.ExitStack()
    for bit, on in when:
        stack.enter_context(circuit.if_test((circuit.clbits[bit], int(on))))
    return stack
