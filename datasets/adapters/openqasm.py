"""Circuits from OpenQASM 2 and 3 text: declarations, gates with modifiers, loops unrolled, measurements, conditions.

Language: OpenQASM 3: A broader and deeper quantum assembly language (arXiv:2104.14722), and Open Quantum Assembly
Language (arXiv:1707.03429). The syntax tree comes from the reference parser, the package openqasm3 (extra `quantum`).
U(theta, phi, lambda) is the matrix with cos(theta/2) in its corner, as in Qiskit; revisions of the language differ in a
factor exp(i theta/2), which shows only where such a gate is controlled.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from surrogates.datasets.adapters.openqasm_values import integer, place, value
from surrogates.physics.circuits import Angle, Barrier, Circuit, Gate, Measure, Reset, known, of_matrix, unitary
from surrogates.physics.errors import DomainError, FileError, MissingExtra

MOST = 2_000_000  # operations after unrolling
LARGEST = 100_000  # bits or qubits of a register
_DEEPEST = 100  # definitions of gates within definitions
_NUMBERS = ("IntType", "UintType", "FloatType", "AngleType", "BoolType", None)
_INCLUDES = ("stdgates.inc", "qelib1.inc")
Conditions = tuple[tuple[int, bool], ...]


def read_qasm(source: str | Path) -> Circuit:
    """The circuit in OpenQASM text, or in a file of it (a path that ends in .qasm).

    Loops are unrolled and gate definitions expanded; `input` angles become parameters. Raises FileError with line and
    column for what cannot be read: unknown gates, and classical control that depends on more than measured bits.
    """
    file, text = "OpenQASM text", str(source)
    if isinstance(source, Path) or (text.rstrip().endswith(".qasm") and "\n" not in text):
        file = str(source)
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{file}: cannot be read ({error})") from None
    reader = _Reader(file)
    for statement in _parsed(text, file).statements:
        reader.statement(statement, ())
    return reader.circuit()


def _parsed(text: str, file: str) -> Any:
    try:
        import openqasm3
    except ImportError:
        raise MissingExtra("openqasm3", "quantum") from None
    if not text.strip():
        raise FileError(f"{file}: there is no text; give a program that begins with OPENQASM 3.0; or 2.0;")
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return openqasm3.parse(text)
    except openqasm3.parser.QASM3ParsingError as error:
        raise FileError(f"{file}: {_where(error)}") from None
    except Exception as error:  # the parser has other faults of its own
        raise FileError(f"{file}: cannot be parsed ({type(error).__name__}: {error})") from None


def _where(error: BaseException) -> str:
    """Place and reason of a syntax error; some come as text, some as a token within the cause."""
    told = re.match(r"line (\d+):(\d+) (.*)", str(error))
    if told:
        return f"line {told[1]}, column {int(told[2]) + 1}: {told[3]}"
    cause: BaseException | None = error
    while cause is not None:
        for one in (cause, *cause.args):
            token = getattr(one, "offendingToken", None)
            if token is not None:
                return f"line {token.line}, column {token.column + 1}: {token.text!r} is not expected here"
        cause = cause.__cause__ or cause.__context__
    return f"a syntax error {error}".rstrip()


class _Scope:
    """Names inside one block: numbers, qubits by register, and bits by register."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.qubits: dict[str, list[int]] = {}
        self.bits: dict[str, list[int]] = {}


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.scope = file, _Scope()
        self.operations: list[Any] = []
        self.phase = Angle()
        self.inputs: list[str] = []
        self.definitions: dict[str, Any] = {}
        self.count, self.bit_count, self.depth = 0, 0, 0
        self.qubit_names: list[tuple[str, int]] = []
        self.bit_names: list[tuple[str, int]] = []

    def circuit(self) -> Circuit:
        """What was read."""
        return Circuit(
            self.count,
            tuple(self.operations),
            self.bit_count,
            self.phase,
            tuple(self.qubit_names),
            tuple(self.bit_names),
            tuple(self.inputs),
        )

    def fail(self, node: Any, text: str) -> FileError:
        """The error at the node's place."""
        return FileError(f"{self.file}: {place(node)}: {text}")

    def statement(self, node: Any, when: Conditions) -> None:
        """One statement, under these conditions."""
        kind = type(node).__name__
        method = getattr(self, f"_{kind}", None)
        if method is None:
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
            raise self.fail(node, f"a {words} is not taken here; circuits of gates, measurements, ifs and fors are")
        method(node, when)
        if len(self.operations) > MOST:
            raise self.fail(node, f"the circuit has more than {MOST} operations")

    # declarations ----------------------------------------------------------------------------------------------------

    def _Include(self, node: Any, when: Conditions) -> None:
        if node.filename not in _INCLUDES:
            raise self.fail(node, f"include {node.filename!r}: only {' and '.join(_INCLUDES)} are known")

    def _Pragma(self, node: Any, when: Conditions) -> None:
        pass

    def _QubitDeclaration(self, node: Any, when: Conditions) -> None:
        size = 1 if node.size is None else integer(node.size, self.scope.values, self.file)
        name = self._new(node.qubit, size, node)
        self.scope.qubits[name] = list(range(self.count, self.count + size))
        self.count += size
        self.qubit_names.append((name, size))

    def _new(self, identifier: Any, size: int, node: Any) -> str:
        name = str(identifier.name)
        if name in self.scope.qubits or name in self.scope.bits or name in self.scope.values:
            raise self.fail(node, f"the name {name!r} is in use already")
        if not 1 <= size <= LARGEST:
            raise self.fail(node, f"{name} has size {size}; declare 1 to {LARGEST}")
        return name

    def _ClassicalDeclaration(self, node: Any, when: Conditions) -> None:
        kind = type(node.type).__name__
        if kind == "BitType":
            sized = node.type.size is not None
            size = integer(node.type.size, self.scope.values, self.file) if sized else 1
            name = self._new(node.identifier, size, node)
            self.scope.bits[name] = list(range(self.bit_count, self.bit_count + size))
            self.bit_count += size
            self.bit_names.append((name, size))
            first = node.init_expression
            if type(first).__name__ == "QuantumMeasurement":
                self._measure(first.qubit, self.scope.bits[name], node, when)
            elif first is not None and getattr(first, "value", 1) not in (0, False):
                raise self.fail(node, f"{name} starts with ones; bits start with zeros here")
            return
        self._ConstantDeclaration(node, when)

    def _ConstantDeclaration(self, node: Any, when: Conditions) -> None:
        kind = type(node.type).__name__
        if kind not in _NUMBERS or node.init_expression is None:
            raise self.fail(node, f"variables of type {kind} without a constant value are not taken here")
        if when:
            raise self.fail(node, "a variable that depends on a measurement is not taken here")
        self.scope.values[node.identifier.name] = value(node.init_expression, self.scope.values, self.file)

    def _IODeclaration(self, node: Any, when: Conditions) -> None:
        name, kind = node.identifier.name, type(node.type).__name__
        if node.io_identifier.name == "output":
            if kind == "BitType":
                node.init_expression = None
                self._ClassicalDeclaration(node, when)
                return
            raise self.fail(node, f"output {name}: only bits come out of a circuit")
        if kind not in ("FloatType", "AngleType"):
            raise self.fail(node, f"input {name}: parameters are angles or floats")
        self.scope.values[name] = Angle.parameter(name)
        self.inputs.append(name)

    def _AliasStatement(self, node: Any, when: Conditions) -> None:
        self.scope.qubits[node.target.name] = self._qubits(node.value)

    def _QuantumGateDefinition(self, node: Any, when: Conditions) -> None:
        self.definitions[node.name.name] = node

    # operations ------------------------------------------------------------------------------------------------------

    def _QuantumGate(self, node: Any, when: Conditions) -> None:
        places = [self._qubits(q) for q in node.qubits]
        for qubits in self._broadcast(places, node):
            gates, phase = self._gates(node, qubits, self.scope.values)
            self.phase = self.phase + phase if not when else self.phase
            self.operations += [replace(g, when=when) for g in gates] if when else gates

    def _QuantumPhase(self, node: Any, when: Conditions) -> None:
        qubits = [q for name in node.qubits for q in self._qubits(name)]
        gates, phase = self._modified(node, [], self._angle(node.argument, self.scope.values), qubits)
        self.phase = self.phase + phase if not when else self.phase
        self.operations += [replace(g, when=when) for g in gates]

    def _QuantumBarrier(self, node: Any, when: Conditions) -> None:
        named = [q for part in node.qubits for q in self._qubits(part)]
        self.operations.append(Barrier(tuple(dict.fromkeys(named or range(self.count)))))

    def _QuantumReset(self, node: Any, when: Conditions) -> None:
        self.operations += [Reset(q, when) for q in self._qubits(node.qubits)]

    def _QuantumMeasurementStatement(self, node: Any, when: Conditions) -> None:
        if node.target is None:
            raise self.fail(node, "this measurement is written to no bit; give it one: c = measure q")
        self._measure(node.measure.qubit, self._bits(node.target), node, when)

    def _measure(self, source: Any, bits: Sequence[int], node: Any, when: Conditions) -> None:
        qubits = self._qubits(source)
        if len(qubits) != len(bits):
            raise self.fail(node, f"{len(qubits)} qubits are measured into {len(bits)} bits")
        self.operations += [Measure(q, b, when) for q, b in zip(qubits, bits, strict=True)]

    # control ---------------------------------------------------------------------------------------------------------

    def _BranchingStatement(self, node: Any, when: Conditions) -> None:
        found = self._condition(node.condition)
        if isinstance(found, bool):
            for statement in node.if_block if found else node.else_block:
                self.statement(statement, when)
            return
        if node.else_block and len(found) != 1:
            raise self.fail(node, "else is taken after a condition on one bit only; write it as an if of its own")
        for block, condition in ((node.if_block, found), (node.else_block, tuple((b, not on) for b, on in found))):
            begin = len(self.operations)
            for statement in block:
                self.statement(statement, (*when, *condition))
            written = {o.bit for o in self.operations[begin:] if isinstance(o, Measure)}
            if written & {b for b, _ in found}:
                raise self.fail(node, "a bit that decides is measured again inside; use another bit")

    def _condition(self, node: Any) -> bool | Conditions:
        """Bits and the values they must have; a truth value where no bit is asked."""
        kind, operation = type(node).__name__, getattr(getattr(node, "op", None), "name", "")
        if kind == "BinaryExpression" and operation == "&&":
            both = [self._condition(node.lhs), self._condition(node.rhs)]
            if any(b is False for b in both):
                return False
            return tuple(c for b in both if isinstance(b, tuple) for c in b) or True
        if kind == "UnaryExpression" and operation == "!":
            inside = self._condition(node.expression)
            if isinstance(inside, bool):
                return not inside
            if len(inside) == 1:
                return ((inside[0][0], not inside[0][1]),)
        if kind == "BinaryExpression" and operation in ("==", "!="):
            bits = self._bits_or_none(node.lhs)
            if bits is not None:
                wanted = int(value(node.rhs, self.scope.values, self.file))
                if not 0 <= wanted < 2 ** len(bits):
                    return operation == "!="
                found = tuple((b, bool(wanted >> k & 1)) for k, b in enumerate(bits))
                if operation == "==":
                    return found
                if len(found) == 1:
                    return ((found[0][0], not found[0][1]),)
        bits = self._bits_or_none(node)
        if bits is not None and len(bits) == 1:
            return ((bits[0], True),)
        if bits is None and kind in ("BooleanLiteral", "BinaryExpression", "Identifier"):
            return bool(value(node, self.scope.values, self.file))
        raise self.fail(node, "this condition is not taken; compare bits or registers with ==, !, and join with &&")

    def _ForInLoop(self, node: Any, when: Conditions) -> None:
        name, before = node.identifier.name, self.scope.values.get(node.identifier.name)
        for k in self._range(node.set_declaration):
            self.scope.values[name] = k
            for statement in node.block:
                self.statement(statement, when)
        self.scope.values.pop(name, None)
        if before is not None:
            self.scope.values[name] = before

    def _CompoundStatement(self, node: Any, when: Conditions) -> None:
        for statement in node.statements:
            self.statement(statement, when)

    def _range(self, node: Any, size: int | None = None) -> list[int]:
        """Numbers of a range, whose end belongs to it, or of a set; negative ones count from the end of a register."""
        names, file = self.scope.values, self.file
        if type(node).__name__ == "DiscreteSet":
            found = [integer(v, names, file) for v in node.values]
        elif type(node).__name__ == "RangeDefinition":
            step = 1 if node.step is None else integer(node.step, names, file)
            ends = [None if e is None else integer(e, names, file) for e in (node.start, node.end)]
            if size is not None:
                ends = [e + size if e is not None and e < 0 else e for e in ends]
                ends = [(0 if step > 0 else size - 1) if ends[0] is None else ends[0], ends[1]]
                ends[1] = (size - 1 if step > 0 else 0) if ends[1] is None else ends[1]
            if step == 0 or None in ends:
                raise self.fail(node, "a range wants a start, an end, and a step other than 0")
            assert ends[0] is not None
            assert ends[1] is not None
            found = list(range(ends[0], ends[1] + (1 if step > 0 else -1), step))
        else:
            found = [integer(node, names, file)]
        return found if size is None else [k + size if k < 0 else k for k in found]

    # names of qubits and bits ----------------------------------------------------------------------------------------

    def _qubits(self, node: Any) -> list[int]:
        return self._of(node, self.scope.qubits, "qubits")

    def _bits(self, node: Any) -> list[int]:
        return self._of(node, self.scope.bits, "bits")

    def _bits_or_none(self, node: Any) -> list[int] | None:
        name = node
        while hasattr(name, "collection"):
            name = name.collection
        known = type(name).__name__ == "Identifier" and name.name in self.scope.bits
        return self._bits(node) if known else None

    def _of(self, node: Any, registers: Mapping[str, list[int]], what: str) -> list[int]:
        kind = type(node).__name__
        if kind == "Identifier":
            if node.name not in registers:
                known = ", ".join(registers) or "none"
                raise self.fail(node, f"there are no {what} named {node.name!r}; declared are {known}")
            return registers[node.name]
        if kind == "Concatenation":
            return [*self._of(node.lhs, registers, what), *self._of(node.rhs, registers, what)]
        if kind == "IndexExpression":
            return self._at(self._of(node.collection, registers, what), node.index, node)
        if kind == "IndexedIdentifier":
            found = self._of(node.name, registers, what)
            for index in node.indices:
                found = self._at(found, index, node)
            return found
        raise self.fail(node, f"{what} are wanted here")

    def _at(self, members: list[int], index: Any, node: Any) -> list[int]:
        parts = [index] if type(index).__name__ == "DiscreteSet" else index
        if len(parts) != 1:
            raise self.fail(node, "registers have one index")
        places = self._range(parts[0], len(members))
        if not all(0 <= k < len(members) for k in places):
            raise self.fail(node, f"the index {places} is outside a register of {len(members)}")
        return [members[k] for k in places]

    def _broadcast(self, places: list[list[int]], node: Any) -> Iterator[list[int]]:
        sizes = {len(p) for p in places if len(p) != 1}
        if len(sizes) > 1:
            raise self.fail(node, f"registers of different sizes {sorted(sizes)} in one gate")
        for k in range(sizes.pop() if sizes else 1):
            yield [p[k] if len(p) > 1 else p[0] for p in places]

    # gates -----------------------------------------------------------------------------------------------------------

    def _angle(self, node: Any, names: Mapping[str, Any]) -> Angle:
        found = value(node, names, self.file)
        return Angle.of(found)

    def _gates(self, node: Any, qubits: list[int], names: Mapping[str, Any]) -> tuple[list[Gate], Angle]:
        """A call of a gate, with its modifiers: the gates it stands for, and a global phase."""
        name = node.name.name
        angles = [self._angle(a, names) for a in node.arguments]
        controls = sum(self._times(m, names) for m in node.modifiers if m.modifier.name in ("ctrl", "negctrl"))
        inner = qubits[controls:]
        try:
            if name in self.definitions:
                self.depth += 1
                gates, phase = self._expanded(self.definitions[name], angles, inner, node)
                self.depth -= 1
            elif known(name):
                gates, phase = [Gate(name, tuple(inner), tuple(angles))], Angle()
            elif name == "cu3":
                gates, phase = [Gate("u", tuple(inner), tuple(angles), controls=(True,))], Angle()
            else:
                raise self.fail(node, f"the gate {name!r} is unknown; define it with `gate`, or include stdgates.inc")
            return self._modified(node, gates, phase, qubits, names)
        except DomainError as error:
            raise self.fail(node, str(error)) from None

    def _expanded(self, gate: Any, angles: list[Angle], qubits: list[int], call: Any) -> tuple[list[Gate], Angle]:
        if len(angles) != len(gate.arguments) or len(qubits) != len(gate.qubits):
            raise self.fail(
                call,
                f"{gate.name.name} takes {len(gate.arguments)} angles and {len(gate.qubits)} qubits; here are "
                f"{len(angles)} and {len(qubits)}",
            )
        if self.depth > _DEEPEST:
            raise self.fail(
                call, f"the definition of {gate.name.name} goes more than {_DEEPEST} deep; does it call itself?"
            )
        names = dict(zip((a.name for a in gate.arguments), angles, strict=True))
        where = dict(zip((q.name for q in gate.qubits), qubits, strict=True))
        gates, phase = list[Gate](), Angle()
        for inner in gate.body:
            kind = type(inner).__name__
            if kind == "QuantumBarrier":
                continue
            if kind not in ("QuantumGate", "QuantumPhase"):
                raise self.fail(inner, "a gate is made of gates")
            missing = [q for q in inner.qubits if getattr(q, "name", None) not in where]
            if missing:
                raise self.fail(inner, f"the gate {gate.name.name} has no such qubit")
            places = [where[q.name] for q in inner.qubits]
            if kind == "QuantumGate":
                more, turn = self._gates(inner, places, names)
            else:
                more, turn = self._modified(inner, [], self._angle(inner.argument, names), places, names)
            gates, phase = gates + more, phase + turn
        return gates, phase

    def _times(self, modifier: Any, names: Mapping[str, Any]) -> int:
        return 1 if modifier.argument is None else integer(modifier.argument, names, self.file)

    def _modified(
        self, node: Any, gates: list[Gate], phase: Angle, qubits: list[int], names: Mapping[str, Any] | None = None
    ) -> tuple[list[Gate], Angle]:
        """The gates under the modifiers of a call; the one next to the gate comes first."""
        names = self.scope.values if names is None else names
        left = sum(self._times(m, names) for m in node.modifiers if m.modifier.name in ("ctrl", "negctrl"))
        for modifier in reversed(node.modifiers):
            name = modifier.modifier.name
            if name == "inv":
                gates, phase = [g.inverse() for g in reversed(gates)], -phase
            elif name == "pow":
                gates, phase = self._power(node, gates, phase, value(modifier.argument, names, self.file))
            else:
                for _ in range(self._times(modifier, names)):
                    left -= 1
                    gates, phase = _controlled(gates, phase, qubits[left], name == "ctrl"), Angle()
        return gates, phase

    def _power(self, node: Any, gates: list[Gate], phase: Angle, power: Any) -> tuple[list[Gate], Angle]:
        power = power.number if isinstance(power, Angle) else power
        if power == int(power):
            if abs(power) * max(len(gates), 1) > MOST:
                raise self.fail(node, f"a power of {power} is more than {MOST} operations")
            once = gates if power >= 0 else [g.inverse() for g in reversed(gates)]
            return once * abs(int(power)), phase * int(power)
        places = sorted({q for g in gates for q in g.qubits})
        if any(g.parameters for g in gates) or len(places) > 4:
            raise self.fail(node, "broken powers are taken of gates with numbers for angles, on four qubits at most")
        local = [g.on({q: k for k, q in enumerate(places)}) for g in gates]
        matrix = unitary(Circuit(len(places), tuple(local)))
        values, vectors = torch.linalg.eig(matrix)
        vectors = torch.linalg.qr(vectors)[0]  # eigenvectors of a unitary, made orthogonal inside multiplets
        turned = torch.polar(torch.ones_like(values.real), values.angle() * power)
        return [of_matrix((vectors * turned) @ vectors.mH, places)], phase * power


def _controlled(gates: list[Gate], phase: Angle, control: int, on: bool) -> list[Gate]:
    """Gates and a phase under one more control."""
    found = [replace(g, qubits=(control, *g.qubits), controls=(on, *g.controls)) for g in gates]
    if phase.constant or phase.slopes:
        turn = [Gate("p", (control,), (phase,))]
        flip = [] if on else [Gate("x", (control,))]
        found += [*flip, *turn, *flip]
    return found
