"""A state of qubits compiled into shallow circuits (AQCtensor), of several depths, beside Trotter circuits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, Output, Positive, QuantumState
from surrogates.workflows.names import is_name
from surrogates.workflows.quantum_models import Chain, check_start

FILE = "circuit.qasm"


@dataclass(frozen=True)
class CompileCircuit:
    """Find circuits of few layers for a state that a chain reaches from a product state.

    Args:
        target: the state, of qubits. model, time, start: what made it; the ansatz begins as Trotter steps of this.
        steps: Trotter steps of each ansatz, a circuit each: 3 (2 steps + 1) layers of cz. trotter: steps of plain
            Trotter circuits to compare with; up to four times the largest of `steps` where none are named.
        iterations: of L-BFGS. stop: infidelity at which it ends. chi: of states on the way; the circuits are verified
            at twice that. cost: fidelity, or the published surrogate with flipped bits.
    """

    target: QuantumState
    model: Chain
    time: Positive
    start: str | list[str] = "neel"
    steps: list[Count] = field(default_factory=lambda: [1, 2])
    trotter: list[Count] | None = None
    iterations: Count = 100
    stop: Positive = 1e-6
    chi: Count = 64
    cost: Literal["fidelity", "surrogate"] = "fidelity"

    def __post_init__(self) -> None:
        check_start(self.start, self.model.length)
        if self.start == "random":
            raise ValueError("a circuit begins with bits; start from neel, shuffled or a list of up and down")
        if not self.steps or sorted(set(self.steps)) != self.steps:
            raise ValueError(f"steps: {self.steps}; give numbers of Trotter steps in ascending order, such as [1, 2]")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("quantum result", "record.json"), "circuit": Output("circuit", FILE)}

    def jobs(self) -> list[str]:
        found = [*(f"steps-{n}" for n in self.steps), "trotter"]
        assert all(is_name(name) for name in found)
        return found

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows import quantum_compiling

        if job == "trotter":
            quantum_compiling.trotter_curve(self, desk.job_folder(job), desk)
        else:
            quantum_compiling.compiled(self, int(job.rpartition("-")[2]), desk.job_folder(job), desk)

    def finish(self, desk: Desk) -> CompiledCircuits:
        from surrogates.workflows.quantum_compiling import gathered

        return gathered(self, desk)


@dataclass(frozen=True)
class Circuit:
    """A circuit for the target.

    Args:
        steps: Trotter steps of its ansatz. cz_depth, cz_count: of it in rz, sx and cz. infidelity: 1 - F, verified at
            twice the bond dimension of the search, `searched` at that itself; of the `start`, the Trotter circuit.
        gradients: evaluated. discarded: weight that truncation took from the last ones. file: OpenQASM 3.
    """

    steps: int
    cz_depth: int
    cz_count: int
    infidelity: float
    searched: float
    start: float
    gradients: int
    discarded: float
    file: str


@dataclass(frozen=True)
class TrotterCircuit:
    """A Trotter circuit of second order for the same state: 1 - F at twice the bond dimension."""

    steps: int
    cz_depth: int
    infidelity: float


@dataclass(frozen=True)
class CompiledCircuits:
    """Circuits by depth, and Trotter's; `best` is the file with the smallest infidelity, copied to `file`.

    `target_discarded` is the weight that truncation took from the target while it was made. `curves`: arrays with the
    infidelity after each gradient, by steps.
    """

    model: str
    qubits: int
    time: float
    circuits: tuple[Circuit, ...]
    trotter: tuple[TrotterCircuit, ...]
    best: int
    target_discarded: float
    target_chi: int
    file: str = FILE
    curves: str = "arrays.npz"
