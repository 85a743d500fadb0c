"""Exact simulation by the whole state vector: 2^N amplitudes, qubit 0 slowest. The reference for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits.circuit import Circuit, Gate
from surrogates.physics.circuits.gates import KIND
from surrogates.physics.errors import DomainError

MOST = 26  # qubits: a gigabyte of amplitudes


def statevector(circuit: Circuit, parameters: Mapping[str, Any] | None = None, start: Tensor | None = None) -> Tensor:
    """Amplitudes (2^N,) after the circuit, from |0...0> or `start`; differentiable in the parameters' values.

    Raises DomainError for more than 26 qubits (simulate those as matrix product states), and for circuits that measure,
    reset or decide.
    """
    n = circuit.qubits
    if n > MOST:
        raise DomainError(f"{n} qubits need {2.0 ** (n - 26):.3g} GiB of amplitudes; simulate them as an MPS instead")
    if not circuit.unitary:
        raise DomainError("a circuit that measures, resets or decides has no single state; sample it instead")
    if start is None:
        psi = torch.zeros(2**n, dtype=KIND)
        psi[0] = 1
    else:
        psi = start.to(KIND)
    psi = psi.reshape([2] * n)
    for gate in circuit:
        if isinstance(gate, Gate):
            psi = applied(gate.unitary(parameters), gate.qubits, psi)
    turn = torch.as_tensor(circuit.phase.value(parameters or {}), dtype=torch.float64)
    return psi.reshape(-1) * torch.polar(torch.ones_like(turn), turn)


def applied(matrix: Tensor, qubits: tuple[int, ...], psi: Tensor) -> Tensor:
    """A matrix (2^k, 2^k) on the axes `qubits` of psi (2, 2, ...)."""
    k = len(qubits)
    found = torch.tensordot(matrix.reshape([2] * (2 * k)), psi, dims=(list(range(k, 2 * k)), list(qubits)))
    return torch.movedim(found, tuple(range(k)), qubits)


def unitary(circuit: Circuit, parameters: Mapping[str, Any] | None = None) -> Tensor:
    """The whole matrix (2^N, 2^N), for small N."""
    columns = [statevector(circuit, parameters, row) for row in torch.eye(2**circuit.qubits, dtype=KIND)]
    return torch.stack(columns, dim=1)
