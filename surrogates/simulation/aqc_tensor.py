"""A matrix product state as a shallow circuit, compiled by its gradient.

Paper: Approximate Quantum Compiling for Quantum Simulation: A Tensor Network based approach (arXiv:2301.08609). The
circuit has the layout of a few Trotter steps, so that its depth does not grow with the chain, and starts at them; then
all its gates are optimised at once for F = |<target|V|start>|^2. Where the paper has angles of cnot blocks, gates here
are whole unitaries B exp(i x . P) with the 15 Pauli products P: the same circuits (three cz a gate), without redundant
angles, and every gate of a layer from one sweep.

The published code guards against vanishing gradients by a surrogate cost: C = 1 - (1 - w) F - w max_b F_b over the
start and its single flips b, with w falling as C does. It can converge to a flipped state and stay. The cure is exact:
an X on the flipped qubit goes into the first gate there, and F becomes F_b at once.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from surrogates.physics.circuits import Angle, Circuit, Gate, in_gates, simulate, to_basis
from surrogates.physics.circuits.gates import KIND, PAULI
from surrogates.physics.circuits.layers import Layers, check_layers, overlap, pulled_back
from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import Hamiltonian
from surrogates.physics.tensor_networks import MPS
from surrogates.physics.tensor_networks.tebd import bond_hamiltonians

_PRODUCTS = torch.stack(
    [torch.kron(PAULI[a], PAULI[b]) for a, b in itertools.product("IXYZ", repeat=2) if a + b != "II"]
)
_LEADER = 1.1  # a flip leads only where it is so many times larger
_ROUND = 20  # iterations between changes of a surrogate cost


@dataclass(frozen=True)
class Ansatz:
    """Layers of gates on neighbours, by first sites, and the gates (K, 4, 4) to start from, in that order."""

    layers: tuple[tuple[int, ...], ...]
    gates: Tensor

    @property
    def depth(self) -> int:
        """Layers of cz, three a gate."""
        return 3 * len(self.layers)


@dataclass(frozen=True)
class Compiled:
    """A circuit for a state.

    Args:
        circuit: from |0...0>, with the gates that make the start, in u and cz gates. ansatz: its gates as matrices.
        fidelity: |<target|V|start>|^2 at the bond dimension of the optimisation. verified: at twice that, by
            simulating the circuit afresh. initial: of the ansatz's start. history: infidelity after each gradient.
        discarded: weight that truncation took from the last gradient's states. seconds: of this process's time.
        folded: qubits whose X went into the first gate.
    """

    circuit: Circuit
    ansatz: Ansatz
    fidelity: float
    verified: float
    initial: float
    history: tuple[float, ...]
    discarded: float
    seconds: float
    folded: tuple[int, ...] = ()

    @property
    def cz_depth(self) -> int:
        """Layers of cz of the circuit in rz, sx and cz."""
        return to_basis(self.circuit).depth(of=2)


def trotter(model: Hamiltonian, time: float | int, steps: int) -> Ansatz:
    """Second-order Trotter steps as an ansatz: 2 steps + 1 layers, the half layers between steps merged.

    Raises DomainError for terms beyond neighbours, dimensions other than 2, and less than one step.
    """
    if steps < 1 or model.dimension != 2:
        raise DomainError(f"steps={steps} on sites of dimension {model.dimension}; give one step or more, of qubits")
    bonds, dt = bond_hamiltonians(model), time / steps
    even, odd = tuple(range(0, len(bonds), 2)), tuple(range(1, len(bonds), 2))
    layers, gates = list[tuple[int, ...]](), list[Tensor]()
    for k in range(2 * steps + 1):
        layer = even if k % 2 == 0 else odd
        length = dt / 2 if k in (0, 2 * steps) else dt
        layers.append(layer)
        gates += [torch.linalg.matrix_exp(-1j * length * bonds[n]) for n in layer]
    return Ansatz(tuple(layers), torch.stack(gates))


def random_ansatz(length: int, layers: int, *, scale: float | int = math.pi, seed: int = 0) -> Ansatz:
    """Brickwork of random gates exp(i x . P), x normal with this scale."""
    generator = torch.Generator().manual_seed(seed)
    placed = tuple(tuple(range(k % 2, length - 1, 2)) for k in range(layers))
    x = torch.randn(sum(map(len, placed)), 15, generator=generator, dtype=torch.float64) * scale
    return Ansatz(placed, _turned(torch.eye(4, dtype=KIND).expand(len(x), 4, 4), x))


def compile_state(
    target: Any,
    ansatz: Ansatz,
    *,
    start: Sequence[int] | None = None,
    cost: str = "fidelity",
    iterations: int = 100,
    stop: float | int = 0.0,
    chi_max: int = 64,
    cutoff: float | int = 1e-12,
    progress: Callable[[int, float], None] | None = None,
) -> Compiled:
    """The ansatz's gates with the largest fidelity to `target`, an MPS of qubits, that L-BFGS finds.

    Args:
        start: bits of the product state that the circuit begins with; None is 0 everywhere.
        cost: "fidelity", 1 - F; "surrogate", the published one with single flips, followed by folding the flip that
            leads and by "fidelity".
        iterations: of L-BFGS in all. stop: infidelity at which to end. chi_max, cutoff: of both states on the way.
        progress: called with the number of gradients and the infidelity.
    The best gates seen are kept, so that the result is never worse than the start. Raises DomainError for a target that
    is no chain of qubits, layers that overlap, or another cost.
    """
    bits = [0] * len(target) if start is None else [int(b) for b in start]
    _check(target, ansatz, bits, cost)
    search = _Search(target.normalized(), ansatz, bits, chi_max, float(cutoff), progress)
    begun, folded = time.process_time(), list[int]()
    initial = search.evaluate(torch.zeros(len(ansatz.gates), 15, dtype=torch.float64))[0]
    left = iterations
    if cost == "surrogate":
        left = search.surrogate(iterations, stop)
    while True:
        flip = search.leading_flip()
        if flip is None:
            break
        search.fold(flip)
        folded.append(flip)
    search.descend(left, stop)
    done = replace(ansatz, gates=search.best_gates)
    circuit = circuit_of(done, bits)
    again = simulate(circuit, chi_max=2 * chi_max, cutoff=min(float(cutoff), 1e-14))
    return Compiled(
        circuit=circuit,
        ansatz=done,
        fidelity=1 - search.best,
        verified=again.state.fidelity(target),
        initial=1 - initial,
        history=tuple(search.history),
        discarded=search.discarded,
        seconds=time.process_time() - begun,
        folded=tuple(folded),
    )


def circuit_of(ansatz: Ansatz, bits: Sequence[int]) -> Circuit:
    """The start's x gates and the ansatz's gates in u and cz, from |0...0>."""
    operations: list[Any] = [Gate("x", (q,)) for q, b in enumerate(bits) if b]
    phase, k = Angle(), 0
    for layer in ansatz.layers:
        for n in layer:
            part = in_gates(ansatz.gates[k], (n, n + 1))
            operations += list(part)
            phase, k = phase + part.phase, k + 1
    return Circuit(len(bits), tuple(operations), phase=phase)


def _turned(gates: Tensor, x: Tensor) -> Tensor:
    """B exp(i x . P), (K, 4, 4)."""
    return gates @ torch.linalg.matrix_exp(1j * torch.einsum("kj,jab->kab", x.to(KIND), _PRODUCTS))


@dataclass
class _Search:
    target: MPS
    ansatz: Ansatz
    bits: list[int]
    chi_max: int
    cutoff: float
    progress: Callable[[int, float], None] | None
    best: float = math.inf
    history: list[float] = field(default_factory=list)
    discarded: float = 0.0

    def __post_init__(self) -> None:
        self.base = self.best_gates = self.ansatz.gates.to(KIND)
        self.layers: Layers = self.ansatz.layers

    def evaluate(self, x: Tensor, leader: int | None = None, weight: float = 0.0) -> tuple[float, Tensor]:
        """Cost and gradient (K, 15) at B exp(i x . P). With a leader, (1 - w) F + w F_leader is what counts."""
        x = x.detach().requires_grad_()
        gates = _turned(self.base, x)
        fixed = gates.detach()
        states, lost = pulled_back(self.target, self.layers, fixed, chi_max=self.chi_max, cutoff=self.cutoff)
        gained = 0.0
        total = torch.zeros((), dtype=torch.float64)
        for share, flip in ((1 - weight, None), (weight, leader)):
            if share == 0:
                continue
            begin = _product(self.bits, flip)
            found = overlap(begin, states, self.layers, fixed, chi_max=self.chi_max, cutoff=self.cutoff)
            fidelity = abs(found.value) ** 2
            gained += share * fidelity
            total = total + share * 2 * (found.value.conjugate() * (found.gradient * gates).sum()).real
            if flip is None:
                self.discarded = lost + found.discarded
                self._note(1 - fidelity, fixed)
        total.backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None
        return 1 - gained, -x.grad

    def _note(self, infidelity: float, gates: Tensor) -> None:
        self.history.append(infidelity)
        if infidelity < self.best:
            self.best, self.best_gates = infidelity, gates
        if self.progress is not None:
            self.progress(len(self.history), infidelity)

    def descend(self, iterations: int, stop: float, leader: int | None = None, weight: float = 0.0) -> int:
        """L-BFGS from the present base, which moves to where it ends; iterations made."""
        if iterations < 1 or self.best <= stop:
            return 0

        def function(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self.evaluate(torch.from_numpy(flat.reshape(-1, 15).copy()), leader, weight)
            if leader is None and value <= stop:
                raise _Reached
            return value, slope.numpy().ravel()

        made = 0

        def count(_: Any) -> None:
            nonlocal made
            made += 1

        begin = np.zeros(15 * len(self.base))
        options = {"maxiter": iterations, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-10}
        try:
            found = scipy.optimize.minimize(
                function, begin, jac=True, method="L-BFGS-B", callback=count, options=options
            )
            self.base = _turned(self.base, torch.from_numpy(found.x.reshape(-1, 15)))
        except _Reached:
            self.base = self.best_gates
        return made

    def surrogate(self, iterations: int, stop: float) -> int:
        """The published cost in rounds of fixed weight and leader; iterations that are left."""
        weight, leader, left = 1.0, None, iterations
        while left > 0 and weight > 0.05:
            flips = self._flips()
            first = max(range(len(flips)), key=lambda q: flips[q][1])
            held = self._fidelity() if leader is None else flips[leader][1]
            if flips[first][1] > _LEADER * max(held, self._fidelity()):
                leader = first
            elif self._fidelity() > _LEADER * held:
                leader = None
            made = self.descend(min(_ROUND, left), stop, leader, weight if leader is not None else 0.0)
            left -= max(made, 1)
            led = self._flips()[leader][1] if leader is not None else self._fidelity()
            cost = 1 - (1 - weight) * self._fidelity() - weight * led
            for _ in range(max(made, 1)):
                weight += 0.1 * (math.sqrt(abs(cost)) - weight)
            if leader is None or made < 2:
                break
        return max(left, iterations // 2)

    def leading_flip(self) -> int | None:
        """The qubit whose flip of the start has the larger overlap, None where the start itself leads."""
        flips = self._flips()
        first = max(range(len(flips)), key=lambda q: flips[q][1])
        return first if flips[first][1] > _LEADER * self._fidelity() else None

    def fold(self, qubit: int) -> None:
        """X on this qubit into the first gate that acts on it."""
        gates, k = self.base.clone(), 0
        for layer in self.layers:
            for n in layer:
                if qubit in (n, n + 1):
                    one = torch.eye(2, dtype=KIND)
                    turn = torch.kron(PAULI["X"], one) if qubit == n else torch.kron(one, PAULI["X"])
                    gates[k] = gates[k] @ turn
                    self.base = gates
                    self.best = math.inf
                    self.evaluate(torch.zeros(len(gates), 15, dtype=torch.float64))
                    return
                k += 1
        raise DomainError(f"no gate of the ansatz acts on qubit {qubit}; add a layer that does")

    def _fidelity(self) -> float:
        return abs(complex(self._pulled().inner(_product(self.bits)))) ** 2

    def _flips(self) -> list[tuple[int, float]]:
        pulled = self._pulled()
        return [(q, abs(complex(pulled.inner(_product(self.bits, q)))) ** 2) for q in range(len(self.bits))]

    def _pulled(self) -> MPS:
        return pulled_back(self.target, self.layers, self.base, chi_max=self.chi_max, cutoff=self.cutoff)[0][-1]


class _Reached(Exception):
    """The infidelity asked for is there."""


def _product(bits: Sequence[int], flip: int | None = None) -> MPS:
    return MPS.product([b ^ (q == flip) for q, b in enumerate(bits)])


def _check(target: Any, ansatz: Ansatz, bits: Sequence[int], cost: str) -> None:
    if not isinstance(target, MPS):
        raise DomainError(f"the target is a {type(target).__name__}; give an MPS, such as tebd(...).state")
    check_layers(ansatz.layers, len(target))
    if target.site.dimension != 2 or len(bits) != len(target) or not set(bits) <= {0, 1}:
        raise DomainError(
            f"a target of {len(target)} sites and a start {list(bits)}; give a chain of qubits, a bit each"
        )
    if len(ansatz.gates) != sum(map(len, ansatz.layers)):
        raise DomainError(f"{len(ansatz.gates)} gates for {sum(map(len, ansatz.layers))} places")
    if cost not in ("fidelity", "surrogate"):
        raise DomainError(f"cost={cost!r} is unknown; choose fidelity or surrogate")
