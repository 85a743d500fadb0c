"""A circuit of one's own simulated as a matrix product state: shots, mean values, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import CircuitFile, Count, Fraction, Output
from surrogates.workflows.quantum_models import Terms, check_terms

FILE = "state.h5"


@dataclass(frozen=True)
class MeasureCircuit:
    """Run an OpenQASM circuit as a matrix product state, at chi and at twice chi, and measure.

    Args:
        circuit: a .qasm file (OpenQASM 2 or 3), or an output of another step. parameters: values of its inputs.
        chi: largest bond. shots: draws; of its measurements, or of all qubits where it measures none. observables:
            by name, as terms [coefficient, operator, qubit, operator, qubit, ...] of X, Y and Z. noise: probability of
            a depolarising error after each gate, on each of its qubits; needs one trajectory a shot. readout: of
            reading a bit wrongly.
    """

    circuit: CircuitFile
    parameters: dict[str, float] = field(default_factory=dict)
    chi: Count = 64
    shots: Count = 2000
    observables: dict[str, Terms] = field(default_factory=dict)
    noise: Fraction = 0.0
    readout: Fraction = 0.0

    def __post_init__(self) -> None:
        for terms in self.observables.values():
            check_terms(terms)

    def outputs(self) -> dict[str, Output]:
        return {"": Output("quantum result", "record.json"), "state": Output("quantum state", FILE)}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.quantum_circuits import measured

        measured(self, desk.job_folder(job), desk)

    def finish(self, desk: Desk) -> CircuitMeasured:
        from surrogates.workflows.quantum_circuits import gathered

        return gathered(self, desk)


@dataclass(frozen=True)
class Value:
    """A mean value: `value` at chi, `again` at twice chi, `drawn` from shots with its standard error; None where it
    cannot be had from them."""

    name: str
    value: float
    again: float
    drawn: float | None = None
    error: float | None = None


@dataclass(frozen=True)
class CircuitMeasured:
    """What a circuit gives.

    Args:
        qubits, gates, depth, cz_depth: of the circuit; cz_depth in the gates rz, sx and cz, None where it is not
            compiled to these. pure: whether it has one state before its measurements; the rest is known for such alone.
        chi, chi_reached: asked and needed. fidelity: estimate of |<exact|state>|^2 from what was cut; bound: which
            the distance to the exact state cannot exceed. doubled: 1 - |<chi|2 chi>|^2. shots: drawn. noisy: with
            noise. values: observables, and Z of each qubit. counts: the most frequent results. distinct: how many
            different ones. worst_pull: of drawn means, largest distance over its standard error. file: arrays.
    """

    qubits: int
    gates: int
    depth: int
    cz_depth: int | None
    counted: dict[str, int]
    pure: bool
    chi: int
    chi_reached: int | None
    fidelity: float
    bound: float | None
    doubled: float | None
    shots: int
    noisy: bool
    values: tuple[Value, ...]
    counts: dict[str, int]
    distinct: int
    worst_pull: float | None
    entropy: float | None
    file: str = "arrays.npz"
