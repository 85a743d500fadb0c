"""Circuits as matrix product states: gates on neighbours with truncation, the centre moved only where a cut is made.

Efficient classical simulation of slightly entangled quantum computations (arXiv:quant-ph/0301063). Gates on one qubit
wait and are multiplied into the next gate on two. Qubits that are far apart are swapped together, and where a qubit has
got to is remembered; they are brought back in order at the end only.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits.circuit import Circuit, Gate
from surrogates.physics.circuits.gates import KIND
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.tensor_networks import MPS, split
from surrogates.physics.tensor_networks.center import carried
from surrogates.physics.tensor_networks.truncate import split_by_gram

_LARGE = 48  # smaller side from which the eigenvalues of a Gram matrix are cheaper than singular values
_WIDEST = 6  # qubits of a gate


@dataclass(frozen=True)
class Simulation:
    """The state after a circuit, and what truncation has cost.

    Args:
        state: of norm one. fidelity: estimate of |<exact|state>|^2, the product of 1 - w over all cuts.
        error_bound: sum of sqrt(2 - 2 sqrt(1 - w)), which the distance to the exact state cannot exceed.
        discarded: sum of the w. chi: largest bond that occurred. cuts: how often something was cut away.
    """

    state: MPS
    fidelity: float
    error_bound: float
    discarded: float
    chi: int
    cuts: int


def simulate(
    circuit: Circuit,
    parameters: Mapping[str, Any] | None = None,
    *,
    start: MPS | None = None,
    chi_max: int = 64,
    cutoff: float | int = 1e-14,
    error: float | int | None = None,
) -> Simulation:
    """The state after a circuit without measurements, from |0...0> or `start`.

    Args:
        chi_max: largest bond. cutoff: discarded weight that may be given up at each cut for smaller bonds.
        error: infidelity that is wanted; where the estimate is larger, a warning says which chi_max would do.
    Raises DomainError for circuits that measure, reset or decide (see `sample_circuit`), parameters without a value or
    with several, and a start of another length.
    """
    if not circuit.unitary:
        raise DomainError("a circuit that measures, resets or decides has no single state; sample it instead")
    if start is not None and (len(start) != circuit.qubits or start.site.dimension != 2):
        raise DomainError(
            f"a start of {len(start)} sites of {start.site.name} for {circuit.qubits} qubits; give a qubit each"
        )
    many = [name for name, x in (parameters or {}).items() if getattr(x, "ndim", 0)]
    if many:
        raise DomainError(
            f"the parameter {many[0]!r} has several values; simulate one set of them, or use CircuitBatch"
        )
    chain = Chain(MPS.product([0] * circuit.qubits) if start is None else start, chi_max=chi_max, cutoff=cutoff)
    for operation in circuit:
        if isinstance(operation, Gate):
            chain.apply(operation.unitary(parameters), operation.qubits)
    turn = float(circuit.phase.value(parameters or {}))
    found = chain.done(complex(math.cos(turn), math.sin(turn)))
    if error is not None and 1 - found.fidelity > error:
        warnings.warn(
            f"chi_max={chi_max} left an infidelity of about {1 - found.fidelity:.2g}, more than the {error:g} asked "
            f"for; try chi_max={2 * chi_max} and compare",
            SurrogatesWarning,
            stacklevel=2,
        )
    return found


class Chain:
    """A state under gates, in place. Qubit q stands on site `site_of[q]`."""

    def __init__(self, start: MPS, *, chi_max: int, cutoff: float | int) -> None:
        state = start.canonical(0 if start.center is None else start.center).normalized()
        assert state.center is not None
        self.tensors = [t.to(KIND) for t in state.tensors]
        self.center, self.chi_max, self.cutoff = state.center, chi_max, float(cutoff)
        self.site_of, self.qubit_at = list(range(len(start))), list(range(len(start)))
        self.waiting: dict[int, Tensor] = {}
        self.log_fidelity, self.bound, self.discarded = 0.0, 0.0, 0.0
        self.chi, self.cuts, self.template = max(t.shape[2] for t in self.tensors), 0, state

    def apply(self, matrix: Tensor, qubits: Sequence[int]) -> None:
        """A unitary (2^k, 2^k) on these qubits, the first one slowest."""
        if len(qubits) > _WIDEST:
            raise DomainError(f"a gate on {len(qubits)} qubits is too wide for a chain; write it in gates on {_WIDEST}")
        if len(qubits) == 1:
            q = qubits[0]
            self.waiting[q] = matrix @ self.waiting[q] if q in self.waiting else matrix
            return
        for q in qubits:
            if (before := self.waiting.pop(q, None)) is not None:
                k = list(qubits).index(q)
                whole = matrix.reshape(matrix.shape[0], 2**k, 2, -1)
                matrix = torch.einsum("abcd,ce->abed", whole, before).reshape(matrix.shape)
        first = self._together(qubits)
        order = [self.site_of[q] - first for q in qubits]  # site of each axis of the gate
        if order != sorted(order):
            k, place = len(qubits), [order.index(n) for n in range(len(qubits))]
            axes = [*place, *(p + k for p in place)]
            matrix = matrix.reshape([2] * (2 * k)).permute(axes).reshape(matrix.shape)
        self._block(first, matrix, len(qubits))

    def settle(self) -> None:
        """Waiting gates applied, qubits brought back in order."""
        for q, matrix in self.waiting.items():
            n = self.site_of[q]
            self.tensors[n] = torch.einsum("ab,lbr->lar", matrix, self.tensors[n])
        self.waiting.clear()
        for n in range(len(self.tensors)):  # insertion sort: each swap undoes one inversion
            for m in range(self.site_of[n], n, -1):
                self._swap(m - 1)

    def done(self, factor: complex = 1.0) -> Simulation:
        """The state, of norm one."""
        self.settle()
        tensors = list(self.tensors)
        if factor != 1.0:
            tensors[self.center] = tensors[self.center] * factor
        state = replace(
            self.template,
            tensors=tuple(tensors),
            center=self.center,
            log_norm=0.0,
            discarded=self.template.discarded + self.discarded,
            error_bound=self.template.error_bound + self.bound,
        ).normalized()
        return Simulation(state, self.fidelity, self.bound, self.discarded, self.chi, self.cuts)

    @property
    def fidelity(self) -> float:
        """The estimate so far."""
        return math.exp(self.log_fidelity)

    def density(self, qubit: int) -> Tensor:
        """Density matrix (2, 2) of one qubit, on which the centre then stands."""
        t = self._centred(qubit)
        return torch.einsum("lar,lbr->ab", t, t.conj())

    def project(self, qubit: int, matrix: Tensor) -> None:
        """A matrix (2, 2) on one qubit, unitary or not, and norm one again. The result must not vanish."""
        t = torch.einsum("ab,lbr->lar", matrix, self._centred(qubit))
        self.tensors[self.center] = t / torch.linalg.vector_norm(t)

    # inside ----------------------------------------------------------------------------------------------------------

    def _centred(self, qubit: int) -> Tensor:
        """The tensor of one qubit, with the centre on it and nothing waiting."""
        n = self.site_of[qubit]
        self.center = carried(self.tensors, self.center, n)
        if (before := self.waiting.pop(qubit, None)) is not None:
            self.tensors[n] = torch.einsum("ab,lbr->lar", before, self.tensors[n])
        return self.tensors[n]

    def _together(self, qubits: Sequence[int]) -> int:
        """Swaps the qubits onto neighbouring sites around the middle one; the first of these sites."""
        sites = sorted(self.site_of[q] for q in qubits)
        middle = len(sites) // 2
        for k in range(middle + 1, len(sites)):
            for n in range(sites[k], sites[k - 1] + 1, -1):
                self._swap(n - 1)
            sites[k] = sites[k - 1] + 1
        for k in range(middle - 1, -1, -1):
            for n in range(sites[k], sites[k + 1] - 1):
                self._swap(n)
            sites[k] = sites[k + 1] - 1
        return sites[0]

    def _swap(self, n: int) -> None:
        a, b = self.qubit_at[n], self.qubit_at[n + 1]
        self._block(n, None, 2)
        self.qubit_at[n], self.qubit_at[n + 1] = b, a
        self.site_of[a], self.site_of[b] = n + 1, n

    def _block(self, first: int, matrix: Tensor | None, count: int) -> None:
        """A gate on `count` sites from `first` (None swaps two), and the cuts behind it, towards the far end."""
        last = first + count - 1
        self.center = carried(self.tensors, self.center, min(max(self.center, first), last))
        theta = self.tensors[first]
        for n in range(first + 1, last + 1):
            theta = torch.tensordot(theta, self.tensors[n], dims=1)
        left, right = theta.shape[0], theta.shape[-1]
        if matrix is None:
            theta = theta.transpose(1, 2).reshape(left, 4, right)
        else:
            theta = torch.matmul(matrix.to(theta), theta.reshape(left, 2**count, right))
        forward = self.center == first
        for n in range(first, last) if forward else range(last, first, -1):
            cut = self._cut(theta.reshape(theta.shape[0] * 2, -1) if forward else theta.reshape(-1, 2 * right), forward)
            if forward:
                self.tensors[n] = cut[0].reshape(left, 2, -1)
                theta, left = cut[1], cut[1].shape[0]
            else:
                self.tensors[n] = cut[1].reshape(-1, 2, right)
                theta, right = cut[0], cut[0].shape[1]
        end = last if forward else first
        self.tensors[end] = theta.reshape(-1, 2, right) if forward else theta.reshape(left, 2, -1)
        self.center = end

    def _cut(self, theta: Tensor, forward: bool) -> tuple[Tensor, Tensor]:
        side = min(theta.shape)
        absorb = "right" if forward else "left"
        found = None
        if side > _LARGE and side > self.chi_max:
            quick = split_by_gram(theta, chi_max=self.chi_max, cutoff=self.cutoff, absorb=absorb)
            found = quick if quick.discarded > 1e-12 else None  # below, rounding in the Gram matrix would be seen
        if found is None:
            found = split(theta, chi_max=self.chi_max, cutoff=self.cutoff, absorb=absorb)
        weight = min(found.discarded, 1 - 1e-16)
        if weight > 1e-16:
            self.cuts += 1
            self.log_fidelity += math.log1p(-weight)
            self.discarded += weight
            self.bound += math.sqrt(2 - 2 * math.sqrt(1 - weight))
            scale = 1 / math.sqrt(1 - weight)  # norm one again
            left, right = (found.left, found.right * scale) if forward else (found.left * scale, found.right)
        else:
            left, right = found.left, found.right
        self.chi = max(self.chi, left.shape[1])
        return left, right
