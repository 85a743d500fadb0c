"""Shots of circuits that measure, reset, decide, or are noisy: one pure state for each, a quantum trajectory.

Wave-function approach to dissipative processes in quantum optics (10.1103/PhysRevLett.68.580): of a channel's Kraus
operators one is drawn with the probability |K psi|^2, which is local where the chain's centre is. Circuits that only
measure at their end are simulated once, and all shots are drawn from that state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits.circuit import Barrier, Circuit, Gate, Measure, Reset
from surrogates.physics.circuits.gates import KIND, PAULI
from surrogates.physics.circuits.mps_simulator import Chain, Simulation, simulate
from surrogates.physics.circuits.noise import Channel, Noise
from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks import MPS
from surrogates.physics.tensor_networks.sampling import sample


@dataclass(frozen=True)
class Shots:
    """Classical bits of each shot, (shots, bits) of 0 and 1, and the smallest fidelity estimate of the states."""

    bits: Tensor
    fidelity: float

    def counts(self) -> dict[str, int]:
        """How often each string of bits occurred; bit 0 is the last character, as in Qiskit."""
        rows, times = torch.unique(self.bits, dim=0, return_counts=True)
        words = ["".join(map(str, reversed(row))) for row in rows.tolist()]
        return dict(zip(words, times.tolist(), strict=True))


def sample_circuit(
    circuit: Circuit,
    shots: int = 1024,
    parameters: Mapping[str, Any] | None = None,
    *,
    noise: Noise | None = None,
    chi_max: int = 64,
    cutoff: float | int = 1e-14,
    seed: int = 0,
) -> Shots:
    """What its measurements give, `shots` times.

    Raises DomainError for a circuit without measurements, less than one shot, and parameters without values.
    """
    if shots < 1 or not any(isinstance(o, Measure) for o in circuit):
        raise DomainError(f"{shots} shots of a circuit with {circuit.bits} bits; measure something, once or more")
    if noise is None and (place := _only_at_the_end(circuit)) is not None:
        return _at_once(circuit, place, shots, parameters, chi_max, cutoff, seed)
    generator = torch.Generator().manual_seed(seed)
    matrices = [o.unitary(parameters) if isinstance(o, Gate) else None for o in circuit]
    bits = torch.zeros(shots, circuit.bits, dtype=torch.int64)
    worst = 1.0
    for shot in range(shots):
        chain = Chain(MPS.product([0] * circuit.qubits), chi_max=chi_max, cutoff=cutoff)
        walk(circuit, matrices, chain, noise, bits[shot], generator)
        worst = min(worst, chain.fidelity)
    return Shots(bits, worst)


def average(
    circuit: Circuit,
    measure: Callable[[MPS], float],
    shots: int,
    parameters: Mapping[str, Any] | None = None,
    *,
    noise: Noise | None = None,
    chi_max: int = 64,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean of a number over the states of `shots` trajectories, and its standard error."""
    if shots < 2:
        raise DomainError(f"{shots} trajectories; give two or more, so that there is an error bar")
    generator = torch.Generator().manual_seed(seed)
    matrices = [o.unitary(parameters) if isinstance(o, Gate) else None for o in circuit]
    values = []
    for _ in range(shots):
        chain = Chain(MPS.product([0] * circuit.qubits), chi_max=chi_max, cutoff=1e-14)
        walk(circuit, matrices, chain, noise, torch.zeros(circuit.bits, dtype=torch.int64), generator)
        values.append(float(measure(chain.done().state)))
    found = torch.tensor(values, dtype=torch.float64)
    return float(found.mean()), float(found.std() / shots**0.5)


def walk(
    circuit: Circuit,
    matrices: Sequence[Tensor | None],
    chain: Chain,
    noise: Noise | None,
    bits: Tensor,
    generator: torch.Generator,
) -> None:
    """One trajectory, in place: the chain and the bits."""
    for operation, matrix in zip(circuit, matrices, strict=True):
        if isinstance(operation, Barrier) or not all(bool(bits[b]) == on for b, on in operation.when):
            continue
        if isinstance(operation, Measure):
            outcome = _look(chain, operation.qubit, generator)
            wrong = noise is not None and float(torch.rand((), generator=generator)) < noise.readout
            bits[operation.bit] = outcome ^ wrong
        elif isinstance(operation, Reset):
            if _look(chain, operation.qubit, generator):
                chain.apply(PAULI["X"], (operation.qubit,))
        else:
            assert matrix is not None
            chain.apply(matrix, operation.qubits)
            for channel in () if noise is None else noise.after.get(len(operation.qubits), ()):
                for q in operation.qubits:
                    _disturb(chain, q, channel, generator)


def _look(chain: Chain, qubit: int, generator: torch.Generator) -> int:
    """Measures a qubit: the outcome, the state projected."""
    one = float(chain.density(qubit)[1, 1].real)
    outcome = int(float(torch.rand((), generator=generator, dtype=torch.float64)) < one)
    chain.project(qubit, torch.diag(torch.tensor([1 - outcome, outcome], dtype=KIND)))
    return outcome


def _disturb(chain: Chain, qubit: int, channel: Channel, generator: torch.Generator) -> None:
    operators = channel.operators
    chances = torch.einsum("mab,bc,mac->m", operators, chain.density(qubit), operators.conj()).real
    uniform = torch.rand((), generator=generator, dtype=torch.float64)
    chosen = int((chances.cumsum(0) <= uniform * chances.sum()).sum().clamp(max=len(operators) - 1))
    chain.project(qubit, operators[chosen])


def _only_at_the_end(circuit: Circuit) -> dict[int, int] | None:
    """Qubit of each bit, where nothing follows a measurement of a qubit and nothing decides; None otherwise."""
    place: dict[int, int] = {}
    measured: set[int] = set()
    for operation in circuit:
        if isinstance(operation, Barrier):
            continue
        if operation.when or isinstance(operation, Reset) or measured & set(operation.qubits):
            return None
        if isinstance(operation, Measure):
            measured.add(operation.qubit)
            place[operation.bit] = operation.qubit
    return place


def _at_once(
    circuit: Circuit,
    place: Mapping[int, int],
    shots: int,
    parameters: Mapping[str, Any] | None,
    chi_max: int,
    cutoff: float | int,
    seed: int,
) -> Shots:
    gates = tuple(o for o in circuit if isinstance(o, Gate))
    found: Simulation = simulate(Circuit(circuit.qubits, gates), parameters, chi_max=chi_max, cutoff=cutoff)
    states = sample(found.state, shots, seed=seed).states
    bits = torch.zeros(shots, circuit.bits, dtype=torch.int64)
    for bit, qubit in place.items():
        bits[:, bit] = states[:, qubit]
    return Shots(bits, found.fidelity)
