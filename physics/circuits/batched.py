"""One circuit with many sets of parameter values at once: state vectors with a leading axis, qubit 0 slowest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits.circuit import Circuit, Gate
from surrogates.physics.circuits.gates import KIND
from surrogates.physics.circuits.statevector import MOST
from surrogates.physics.errors import DomainError


def statevectors(circuit: Circuit, parameters: Mapping[str, Any], count: int) -> Tensor:
    """Amplitudes (count, 2^N) from |0...0>, where each parameter has `count` values; differentiable in them.

    Gates without parameters are applied to all at once, gates with them as a batch of matrices. Raises DomainError for
    more amplitudes in all than 26 qubits have, and for circuits that measure, reset or decide.
    """
    n = circuit.qubits
    if n > MOST or count * 2**n > 2**MOST:
        needed = f"{count} states of {n} qubits need {count * 2.0 ** (n - 26):.3g} GiB of amplitudes"
        raise DomainError(f"{needed}; take fewer at once, or simulate them as MPS")
    if not circuit.unitary:
        raise DomainError("a circuit that measures, resets or decides has no single state; sample it instead")
    values = dict(parameters)
    device = next((v.device for v in values.values() if isinstance(v, Tensor)), torch.device("cpu"))
    psi = torch.zeros(count, 2**n, dtype=KIND, device=device)
    psi[:, 0] = 1
    psi = psi.reshape(count, *[2] * n)
    for gate in circuit:
        if isinstance(gate, Gate):
            psi = _applied(gate.unitary(values).to(device), gate.qubits, psi)
    turn = torch.as_tensor(circuit.phase.value(values), dtype=torch.float64, device=device).reshape(-1, 1)
    return psi.reshape(count, -1) * torch.polar(torch.ones_like(turn), turn)


def _applied(matrix: Tensor, qubits: tuple[int, ...], psi: Tensor) -> Tensor:
    """A matrix (2^k, 2^k), or one for each state, on the axes `qubits` of psi (batch, 2, 2, ...)."""
    k, axes = len(qubits), tuple(q + 1 for q in qubits)
    front = tuple(range(1, k + 1))
    moved = torch.movedim(psi, axes, front)
    found = torch.matmul(matrix, moved.reshape(psi.shape[0], 2**k, -1))
    return torch.movedim(found.reshape(moved.shape), front, axes)
