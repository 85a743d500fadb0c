"""Circuits in the gates of a machine: rz, sx and cz, with neighbouring gates of a qubit or a pair drawn together.

u(theta, phi, lam) = rz(phi + pi) sx rz(theta + pi) sx rz(lam), up to a phase: Efficient Z-gates for quantum computing
(arXiv:1612.00858).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from surrogates.physics.circuits.angles import Angle
from surrogates.physics.circuits.circuit import Circuit, Gate, Operation
from surrogates.physics.circuits.decompose import euler, in_gates
from surrogates.physics.circuits.gates import KIND
from surrogates.physics.errors import DomainError

_SMALL = 1e-10


def to_basis(circuit: Circuit) -> Circuit:
    """The same circuit, global phase included, of rz, sx and cz only.

    Gates on a pair that follow each other become one block of at most three cz. Measurements, resets, barriers and
    conditions stay where they are. Raises DomainError for parameters without value and gates on three qubits or more,
    except ccx, ccz and cswap.
    """
    if circuit.parameters:
        raise DomainError(f"parameters without value ({', '.join(circuit.parameters)}); bind them first")
    blocks = _blocks([g for o in circuit for g in _small(o)])
    operations: list[Operation] = []
    phase = circuit.phase.number
    waiting: dict[int, Tensor] = {}  # one-qubit unitaries that no gate has used yet

    def release(qubit: int) -> None:
        nonlocal phase
        matrix = waiting.pop(qubit, None)
        if matrix is not None:
            turn, gates = _one_qubit(matrix, qubit)
            phase += turn
            operations.extend(gates)

    def lay(gate: Gate) -> None:
        if len(gate.qubits) == 1:
            q = gate.qubits[0]
            waiting[q] = gate.unitary() @ waiting.get(q, torch.eye(2, dtype=KIND))
            return
        for q in gate.qubits:
            release(q)
        operations.append(gate)

    for operation in blocks:
        if isinstance(operation, Gate) and not operation.when:
            for gate in (operation,) if len(operation.qubits) == 1 else _two_qubits(operation):
                if isinstance(gate, Angle):
                    phase += gate.number
                else:
                    lay(gate)
            continue
        for q in operation.qubits:
            release(q)
        if isinstance(operation, Gate):
            inside = to_basis(Circuit(circuit.qubits, (replace(operation, when=()),)))
            operations += [replace(g, when=operation.when) for g in inside if isinstance(g, Gate)]
        else:
            operations.append(operation)
    for q in sorted(waiting):
        release(q)
    return replace(circuit, operations=tuple(operations), phase=Angle(math.remainder(phase, math.tau)))


def _two_qubits(block: Gate) -> list[Gate | Angle]:
    found = in_gates(block.unitary(), block.qubits)
    return [found.phase, *(g for g in found if isinstance(g, Gate))]


def _one_qubit(matrix: Tensor, qubit: int) -> tuple[float, list[Gate]]:
    """rz, sx, rz, sx, rz, fewer where they will do, and the phase."""
    turn, gate = euler(matrix.numpy(), qubit)
    theta, phi, lam = (a.number for a in gate.angles)
    theta = math.remainder(theta, math.tau)
    if abs(theta) < _SMALL:
        return turn + (phi + lam) / 2, _rz(phi + lam, qubit)
    if abs(abs(theta) - math.pi / 2) < _SMALL:
        sign = math.copysign(1.0, theta)
        gates = [
            *_rz(lam - sign * math.pi / 2, qubit),
            Gate("sx", (qubit,)),
            *_rz(phi + sign * math.pi / 2, qubit),
        ]
    else:
        gates = [
            *_rz(lam, qubit),
            Gate("sx", (qubit,)),
            *_rz(theta + math.pi, qubit),
            Gate("sx", (qubit,)),
            *_rz(phi + math.pi, qubit),
        ]
    made = torch.eye(2, dtype=KIND)
    for g in gates:
        made = g.unitary() @ made
    return float(torch.angle((made.conj() * matrix.to(KIND)).sum())), gates


def _rz(angle: float, qubit: int) -> list[Gate]:
    angle = math.remainder(angle, 2 * math.tau)  # its period, the sign being part of the phase
    return [] if abs(angle) < _SMALL else [Gate("rz", (qubit,), (angle,))]


def _small(operation: Operation) -> list[Operation]:
    """Gates on at most two qubits in place of the few larger ones that are known."""
    if not isinstance(operation, Gate) or len(operation.qubits) <= 2:
        return [operation]
    name, qubits, when = operation.name, operation.qubits, operation.when
    if operation.controls == (True, True) and name in ("x", "z"):
        name = "cc" + name
    elif operation.controls == (True,) and name in ("cx", "cz", "swap"):
        name = "c" + name
    elif operation.controls:
        name = ""
    if name not in ("ccx", "ccz", "cswap"):
        raise DomainError(f"{operation.name} on {len(qubits)} qubits is not taken apart; write it in smaller gates")
    a, b, c = qubits
    core = [
        Gate(g, q)
        for g, q in (
            ("cx", (b, c)), ("tdg", (c,)), ("cx", (a, c)), ("t", (c,)), ("cx", (b, c)), ("tdg", (c,)), ("cx", (a, c)),
            ("t", (b,)), ("t", (c,)), ("cx", (a, b)), ("t", (a,)), ("tdg", (b,)), ("cx", (a, b)),
        )
    ]  # fmt: skip
    around = {"ccz": [], "ccx": [Gate("h", (c,))], "cswap": [Gate("cx", (c, b)), Gate("h", (c,))]}[name]
    return [replace(g, when=when) for g in (*around, *core, *reversed(around))]


def _blocks(operations: list[Operation]) -> list[Operation]:
    """Runs of gates within one pair of qubits as one matrix each."""
    found: list[Operation | None] = []
    last: dict[int, int] = {}  # the place of the latest operation on each qubit
    for operation in operations:
        if isinstance(operation, Gate) and not operation.when:
            at = {last.get(q, -1) for q in operation.qubits}
            place = at.pop() if len(at) == 1 else -1
            before = found[place] if place >= 0 else None
            if isinstance(before, Gate) and not before.when and set(operation.qubits) <= set(before.qubits):
                found[place] = _product(before, operation)
                continue
            if isinstance(operation, Gate) and len(operation.qubits) == 2:
                operation = _absorbed(operation, found, last)
        for q in operation.qubits:
            last[q] = len(found)
        found.append(operation)
    return [o for o in found if o is not None]


def _absorbed(gate: Gate, found: list[Operation | None], last: dict[int, int]) -> Gate:
    """With the one-qubit gates that stand right before it multiplied in."""
    for q in gate.qubits:
        place = last.get(q, -1)
        before = found[place] if place >= 0 else None
        if isinstance(before, Gate) and not before.when and len(before.qubits) == 1:
            found[place] = None
            gate = _product(replace(before, qubits=before.qubits), gate)
    return gate


def _product(first: Gate, second: Gate) -> Gate:
    """Both as one matrix, first on the qubits of the larger."""
    qubits = first.qubits if len(first.qubits) >= len(second.qubits) else second.qubits
    matrix = _on(second, qubits) @ _on(first, qubits)
    return Gate("block", qubits, matrix=matrix)


def _on(gate: Gate, qubits: tuple[int, ...]) -> Tensor:
    matrix = gate.unitary()
    if gate.qubits == qubits:
        return matrix
    eye = torch.eye(2, dtype=matrix.dtype)
    if len(gate.qubits) == 1:
        return torch.kron(matrix, eye) if gate.qubits[0] == qubits[0] else torch.kron(eye, matrix)
    return matrix.reshape(2, 2, 2, 2).permute(1, 0, 3, 2).reshape(4, 4)


def cz_depth(circuit: Circuit) -> int:
    """Layers of gates on two qubits after `to_basis`: what noise on a machine goes with."""
    return to_basis(circuit).depth(of=2)
