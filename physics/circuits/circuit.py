"""Circuits as lists of gates with named parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.circuits.angles import Angle
from surrogates.physics.circuits.gates import KIND, controlled, definition, standard
from surrogates.physics.errors import DomainError

UNITARY = 1e-8  # how far from unitary a matrix may be, in the largest entry of M^dagger M - 1


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate on some qubits.

    Args:
        name: of a standard gate, see `gates`; for a matrix whatever it is called.
        qubits: what it acts on, controls first. angles: numbers or `Angle`s.
        controls: for qubits in front that control the rest: whether each acts where it is 1.
        matrix: a unitary of its own (2^k, 2^k) on the qubits behind the controls, first qubit slowest.
        when: classical bits that must have these values, (bit, value) each, for the gate to act.
    Raises DomainError for an unknown gate, a wrong number of qubits or angles, qubits twice, and matrices that are not
    unitary.
    """

    name: str
    qubits: tuple[int, ...]
    angles: tuple[Any, ...] = ()
    controls: tuple[bool, ...] = ()
    matrix: Tensor | None = None
    when: tuple[tuple[int, bool], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "qubits", tuple(int(q) for q in self.qubits))
        object.__setattr__(self, "angles", tuple(Angle.of(a) for a in self.angles))
        if len(set(self.qubits)) < len(self.qubits):
            raise DomainError(f"{self.name} acts on the qubits {self.qubits}; name each one once")
        if self.matrix is None:
            known = definition(self.name)
            object.__setattr__(self, "name", standard(self.name))
            expected, angles = known.qubits, known.angles
        else:
            expected, angles = _qubits_of(self.name, self.matrix), 0
        if len(self.qubits) != expected + len(self.controls) or len(self.angles) != angles:
            raise DomainError(
                f"{self.name} takes {expected + len(self.controls)} qubits and {angles} angles; here are "
                f"{len(self.qubits)} and {len(self.angles)}"
            )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in its angles."""
        return tuple(dict.fromkeys(name for angle in self.angles for name in angle.slopes))

    def unitary(self, parameters: Mapping[str, Any] | None = None) -> Tensor:
        """(..., 2^k, 2^k) on all its qubits, complex128; leading axes are those of the parameters' values."""
        if self.matrix is not None:
            found = self.matrix.to(KIND)
        else:
            found = definition(self.name).matrix(*(a.value(parameters or {}) for a in self.angles))
        for on in reversed(self.controls):
            found = controlled(found, on=on)
        return found

    def inverse(self) -> Gate:
        """The gate that takes it back."""
        if self.matrix is not None:
            return replace(self, matrix=self.matrix.mH, name=f"{self.name}_dg")
        name, angles = definition(self.name).inverse(*self.angles)
        return replace(self, name=name, angles=tuple(Angle.of(a) for a in angles))

    def on(self, qubits: Sequence[int] | Mapping[int, int]) -> Gate:
        """The same with qubit k replaced by qubits[k]."""
        return replace(self, qubits=tuple(qubits[q] for q in self.qubits))


@dataclass(frozen=True)
class Measure:
    """One qubit into one classical bit."""

    qubit: int
    bit: int
    when: tuple[tuple[int, bool], ...] = ()

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubit measured."""
        return (self.qubit,)


@dataclass(frozen=True)
class Reset:
    """One qubit to 0."""

    qubit: int
    when: tuple[tuple[int, bool], ...] = ()

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubit reset."""
        return (self.qubit,)


@dataclass(frozen=True)
class Barrier:
    """Nothing; compilers do not move gates over it."""

    qubits: tuple[int, ...]


Operation = Gate | Measure | Reset | Barrier


@dataclass(frozen=True, eq=False)
class Circuit:
    """Operations on `qubits` qubits and `bits` classical bits, in order.

    Args:
        phase: global phase, exp(i phase). bit_names: of classical registers, in order of their bits: (name, size).
        qubit_names: likewise. inputs: order of the parameters; those in gates come behind.
    Raises DomainError for a qubit or bit that there is not.
    """

    qubits: int
    operations: tuple[Operation, ...] = ()
    bits: int = 0
    phase: Angle = field(default_factory=Angle)
    qubit_names: tuple[tuple[str, int], ...] = ()
    bit_names: tuple[tuple[str, int], ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.qubits < 1 or self.bits < 0:
            raise DomainError(f"a circuit of {self.qubits} qubits and {self.bits} bits; give at least one qubit")
        for k, operation in enumerate(self.operations):
            bits = [b for b, _ in getattr(operation, "when", ())] + (
                [operation.bit] if isinstance(operation, Measure) else []
            )
            if not all(0 <= q < self.qubits for q in operation.qubits) or not all(0 <= b < self.bits for b in bits):
                raise DomainError(
                    f"operation {k} acts on qubits {operation.qubits} and bits {tuple(bits)}; the circuit has "
                    f"{self.qubits} qubits and {self.bits} bits, counted from 0"
                )

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that have no value yet."""
        inside = [name for g in self.operations if isinstance(g, Gate) for name in g.parameters]
        return tuple(dict.fromkeys([*self.inputs, *self.phase.slopes, *inside]))

    @property
    def unitary(self) -> bool:
        """Whether nothing in it is measured, reset or conditional."""
        return all(isinstance(o, Barrier) or (isinstance(o, Gate) and not o.when) for o in self.operations)

    def add(self, name: str, *qubits: int, angles: Sequence[Any] = ()) -> Circuit:
        """With one gate more: circuit.add("cx", 0, 1), circuit.add("rz", 3, angles=[0.1])."""
        return replace(self, operations=(*self.operations, Gate(name, qubits, tuple(angles))))

    def __add__(self, other: Any) -> Circuit:
        """One after the other, on the same qubits and bits."""
        if not isinstance(other, Circuit):
            return NotImplemented
        return replace(
            self,
            qubits=max(self.qubits, other.qubits),
            bits=max(self.bits, other.bits),
            operations=(*self.operations, *other.operations),
            phase=self.phase + other.phase,
            inputs=tuple(dict.fromkeys([*self.inputs, *other.inputs])),
        )

    def inverse(self) -> Circuit:
        """The circuit that takes it back. Raises DomainError where something is measured, reset or conditional."""
        if not self.unitary:
            raise DomainError("a circuit that measures, resets or decides has no inverse; take those parts out")
        back = tuple(o.inverse() if isinstance(o, Gate) else o for o in reversed(self.operations))
        return replace(self, operations=back, phase=-self.phase)

    def bind(self, values: Mapping[str, Any] | Sequence[Any]) -> Circuit:
        """With numbers for parameters, by name or in order. Raises DomainError for names or numbers too many."""
        given = dict(values) if isinstance(values, Mapping) else dict(zip(self.parameters, values, strict=False))
        unknown = set(given) - set(self.parameters)
        if unknown or (not isinstance(values, Mapping) and len(values) != len(self.parameters)):
            raise DomainError(f"{values!r} does not fit the parameters {', '.join(self.parameters) or '(none)'}")

        def bound(angle: Angle) -> Angle:
            rest = Angle(angle.constant, {n: s for n, s in angle.slopes.items() if n not in given})
            return rest + sum(s * float(given[n]) for n, s in angle.slopes.items() if n in given)

        operations = tuple(
            replace(o, angles=tuple(bound(a) for a in o.angles)) if isinstance(o, Gate) else o for o in self.operations
        )
        inputs = tuple(n for n in self.inputs if n not in given)
        return replace(self, operations=operations, phase=bound(self.phase), inputs=inputs)

    def depth(self, *, of: int = 1) -> int:
        """Layers of gates on at least `of` qubits; barriers hold layers apart, measurements do not count."""
        level = [0] * self.qubits
        for operation in self.operations:
            counts = isinstance(operation, Gate) and len(operation.qubits) >= of
            if counts or isinstance(operation, Barrier) or len(operation.qubits) > 1:
                top = max((level[q] for q in operation.qubits), default=0) + counts
                for q in operation.qubits:
                    level[q] = top
        return max(level, default=0)

    def count(self) -> dict[str, int]:
        """Gates by name."""
        found: dict[str, int] = {}
        for operation in self.operations:
            if isinstance(operation, Gate):
                found[operation.name] = found.get(operation.name, 0) + 1
        return found


def of_matrix(matrix: Any, qubits: Sequence[int], name: str = "unitary") -> Gate:
    """A gate of one's own: a unitary (2^k, 2^k), first qubit slowest. Raises DomainError where it is not unitary."""
    return Gate(name, tuple(qubits), matrix=torch.as_tensor(matrix, dtype=KIND))


def _qubits_of(name: str, matrix: Tensor) -> int:
    size = matrix.shape[-1] if matrix.ndim == 2 else 0
    k = size.bit_length() - 1
    if matrix.ndim != 2 or matrix.shape[0] != size or size < 2 or 2**k != size:
        raise DomainError(f"{name} has a matrix of shape {tuple(matrix.shape)}; give (2^k, 2^k)")
    wrong = float((matrix.mH @ matrix - torch.eye(size, dtype=matrix.dtype)).abs().max())
    if not wrong < UNITARY:
        raise DomainError(f"{name} is not unitary: M^dagger M differs from 1 by {wrong:.2g}; give a unitary matrix")
    return k
