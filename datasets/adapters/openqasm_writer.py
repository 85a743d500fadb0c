"""Circuits as OpenQASM text, to the last digit of their angles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surrogates.physics.circuits import Angle, Barrier, Circuit, Gate, Measure, Reset, in_gates
from surrogates.physics.errors import DomainError, FileError

_DEFINED = {
    "rxx": "gate rxx(t) a, b { h a; h b; cx a, b; rz(t) b; cx a, b; h a; h b; }",
    "ryy": "gate ryy(t) a, b { rx(pi/2) a; rx(pi/2) b; cx a, b; rz(t) b; cx a, b; rx(-pi/2) a; rx(-pi/2) b; }",
    "rzz": "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; }",
    "rzx": "gate rzx(t) a, b { h b; cx a, b; rz(t) b; cx a, b; h b; }",
    "iswap": "gate iswap a, b { s a; s b; h a; cx a, b; cx b, a; h b; }",
    "iswapdg": "gate iswapdg a, b { h b; cx b, a; cx a, b; h a; sdg b; sdg a; }",
    "ecr": "gate ecr a, b { h b; cx a, b; rz(pi/4) b; cx a, b; h b; x a; h b; cx a, b; rz(-pi/4) b; cx a, b; h b; }",
}
_ALIKE = {  # what stdgates.inc has under a modifier
    "sxdg": ("inv @ ", "sx"), "cs": ("ctrl @ ", "s"), "csdg": ("ctrl @ ", "sdg"), "csx": ("ctrl @ ", "sx"),
    "csxdg": ("ctrl @ inv @ ", "sx"), "ccz": ("ctrl(2) @ ", "z"), "u": ("", "U"),
}  # fmt: skip
_SAME = ("cx", "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "rx", "ry", "rz", "cz", "cy", "ch", "ccx", "crz", "u2")
_SECOND = {"u": "u3", "p": "u1", "cp": "cu1", **{name: name for name in _SAME}}  # qelib1.inc as published


def write_qasm(circuit: Circuit, path: str | Path | None = None, *, version: int = 3) -> str:
    """OpenQASM 3 (or 2) text of a circuit, also written to `path` where one is given.

    Gates that the standard libraries lack are defined in the text; matrices on one or two qubits become gates.
    Raises FileError where it cannot be written, DomainError for matrices on more qubits or under controls, and in
    version 2 for parameters and conditions.
    """
    if version not in (2, 3):
        raise DomainError(f"OpenQASM {version} is unknown; choose 2 or 3")
    writer = _Writer(circuit, version)
    text = writer.text()
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise FileError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from None
    return text


class _Writer:
    def __init__(self, circuit: Circuit, version: int) -> None:
        self.circuit, self.version = circuit, version
        self.defined: dict[str, str] = {}
        self.qubits = _names(circuit.qubit_names, circuit.qubits, "q")
        self.bits = _names(circuit.bit_names, circuit.bits, "c")

    def text(self) -> str:
        circuit, three = self.circuit, self.version == 3
        if not three and circuit.parameters:
            raise DomainError(f"OpenQASM 2 has no parameters ({', '.join(circuit.parameters)}); bind them first")
        body = [line for operation in circuit for line in self._lines(operation)]
        if three and (circuit.phase.constant or circuit.phase.slopes):
            body.insert(0, f"gphase({_angle(circuit.phase)});")
        head = ["OPENQASM 3.0;", 'include "stdgates.inc";'] if three else ["OPENQASM 2.0;", 'include "qelib1.inc";']
        head += [f"input angle {name};" for name in circuit.parameters]
        head += self.defined.values()
        for registers, new, old, count, letter in (
            (circuit.qubit_names, "qubit", "qreg", circuit.qubits, "q"),
            (circuit.bit_names, "bit", "creg", circuit.bits, "c"),
        ):
            for name, size in registers or ([(letter, count)] if count else []):
                head.append(f"{new}[{size}] {name};" if three else f"{old} {name}[{size}];")
        return "\n".join([*head, *body]) + "\n"

    def _lines(self, operation: object) -> list[str]:
        if isinstance(operation, Barrier):
            return [f"barrier {', '.join(self.qubits[q] for q in operation.qubits)};"]
        if isinstance(operation, Reset):
            found = [f"reset {self.qubits[operation.qubit]};"]
        elif isinstance(operation, Measure):
            qubit, bit = self.qubits[operation.qubit], self.bits[operation.bit]
            found = [f"{bit} = measure {qubit};" if self.version == 3 else f"measure {qubit} -> {bit};"]
        else:
            assert isinstance(operation, Gate)
            found = self._gate(operation)
        when = getattr(operation, "when", ())
        if when and self.version == 2:
            raise DomainError("OpenQASM 2 knows conditions on whole registers only; write version 3")
        condition = " && ".join(self.bits[b] if on else f"!{self.bits[b]}" for b, on in when)
        return [f"if ({condition}) {{ {' '.join(found)} }}"] if when else found

    def _gate(self, gate: Gate) -> list[str]:
        if gate.matrix is not None:
            circuit = in_gates(gate.matrix, gate.qubits[len(gate.controls) :])
            if gate.controls:  # then its phase is seen
                raise DomainError(f"{gate.name}: a matrix under controls cannot be written; multiply them out")
            parts = [line for g in circuit for line in self._lines(g)]
            return [f"gphase({_angle(circuit.phase)});", *parts] if self.version == 3 else parts
        prefix = "".join("ctrl @ " if on else "negctrl @ " for on in gate.controls)
        name = gate.name
        if self.version == 2 and (prefix or name not in _SECOND):
            return [line for g in _plain(gate) for line in self._lines(g)]
        if self.version == 2:
            name = _SECOND[name]
        elif name in _ALIKE:
            more, name = _ALIKE[name]
            prefix += more
        if name in _DEFINED:
            self.defined[name] = _DEFINED[name]
        angles = f"({', '.join(_angle(a) for a in gate.angles)})" if gate.angles else ""
        return [f"{prefix}{name}{angles} {', '.join(self.qubits[q] for q in gate.qubits)};"]


def _plain(gate: Gate) -> list[Gate]:
    """In gates that OpenQASM 2 knows, up to a global phase. Raises DomainError for more than two qubits."""
    a, b, c = (*gate.qubits, *gate.qubits)[:3]
    if gate.name == "cswap" and not gate.controls:
        return [Gate("cx", (c, b)), Gate("ccx", (a, b, c)), Gate("cx", (c, b))]
    if gate.name == "ccz" and not gate.controls:
        return [Gate("h", (c,)), Gate("ccx", (a, b, c)), Gate("h", (c,))]
    return [g for g in in_gates(gate.unitary(), gate.qubits) if isinstance(g, Gate)]


def _angle(angle: Angle) -> str:
    return str(angle)


def _names(registers: Sequence[tuple[str, int]], count: int, letter: str) -> list[str]:
    found = [f"{name}[{k}]" for name, size in registers for k in range(size)]
    return found if len(found) == count else [f"{letter}[{k}]" for k in range(count)]
