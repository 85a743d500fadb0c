"""Standard gates as unitary matrices of their angles; the first qubit of a gate is the slowest index.

Names and angles as in OpenQASM and Qiskit; `u` is the matrix with cos(theta/2) in its corner. Angles may be tensors of
any shape, which the matrices then have in front, and which get gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError

KIND = torch.complex128
_ROOT = math.sqrt(0.5)


@dataclass(frozen=True)
class Definition:
    """A gate's number of qubits and angles, its matrix, and its inverse as (name, angles)."""

    qubits: int
    angles: int
    matrix: Callable[..., Tensor]
    inverse: Callable[..., tuple[str, tuple[Any, ...]]]


def _fixed(rows: Sequence[Sequence[complex | float | int]]) -> Callable[[], Tensor]:
    return lambda: torch.tensor(rows, dtype=KIND)


def _rows(rows: Sequence[Sequence[Tensor | complex | float | int]]) -> Tensor:
    """A matrix of broadcast entries, (..., n, n)."""
    entries = [torch.as_tensor(e, dtype=KIND) for row in rows for e in row]
    together = torch.stack(torch.broadcast_tensors(*entries), dim=-1)
    return together.unflatten(-1, (len(rows), len(rows)))


def _phase(angle: Any) -> Tensor:
    angle = torch.as_tensor(angle, dtype=torch.float64)
    return torch.polar(torch.ones_like(angle), angle)


def _cos_sin(angle: Any) -> tuple[Tensor, Tensor]:
    half = torch.as_tensor(angle, dtype=torch.float64) / 2
    return half.cos(), half.sin()


def _rx(angle: Any) -> Tensor:
    c, s = _cos_sin(angle)
    return _rows([[c, -1j * s], [-1j * s, c]])


def _ry(angle: Any) -> Tensor:
    c, s = _cos_sin(angle)
    return _rows([[c, -s], [s, c]])


def _rz(angle: Any) -> Tensor:
    half = torch.as_tensor(angle, dtype=torch.float64) / 2
    return _rows([[_phase(-half), 0], [0, _phase(half)]])


def _p(angle: Any) -> Tensor:
    return _rows([[1, 0], [0, _phase(angle)]])


def _u(theta: Any, phi: Any, lam: Any) -> Tensor:
    c, s = _cos_sin(theta)
    a, b = _phase(phi), _phase(lam)
    return _rows([[c, -b * s], [a * s, a * b * c]])


def _pauli_rotation(first: str, second: str) -> Callable[[Any], Tensor]:
    pauli = torch.kron(PAULI[first], PAULI[second])

    def matrix(angle: Any) -> Tensor:
        c, s = _cos_sin(angle)
        return c[..., None, None] * torch.eye(4, dtype=KIND) - 1j * s[..., None, None] * pauli

    return matrix


def controlled(matrix: Tensor, *, on: bool = True) -> Tensor:
    """With one control in front, which acts where it is 1 (or 0)."""
    n = matrix.shape[-1]
    whole = torch.eye(2 * n, dtype=matrix.dtype).expand(*matrix.shape[:-2], 2 * n, 2 * n).clone()
    block = slice(n, None) if on else slice(0, n)
    whole[..., block, block] = matrix
    return whole


PAULI = {
    "I": torch.eye(2, dtype=KIND),
    "X": torch.tensor([[0, 1], [1, 0]], dtype=KIND),
    "Y": torch.tensor([[0, -1j], [1j, 0]], dtype=KIND),
    "Z": torch.tensor([[1, 0], [0, -1]], dtype=KIND),
}
_Entries = list[list[complex | float | int]]
_H: _Entries = [[_ROOT, _ROOT], [_ROOT, -_ROOT]]
_SX: _Entries = [[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]]
_SWAP: _Entries = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
_ISWAP: _Entries = [[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]]
_ECR: _Entries = [
    [0, 0, _ROOT, 1j * _ROOT],
    [0, 0, 1j * _ROOT, _ROOT],
    [_ROOT, -1j * _ROOT, 0, 0],
    [-1j * _ROOT, _ROOT, 0, 0],
]


def _self(name: str) -> Callable[..., tuple[str, tuple[Any, ...]]]:
    return lambda *angles: (name, angles)


def _negated(name: str) -> Callable[..., tuple[str, tuple[Any, ...]]]:
    return lambda *angles: (name, tuple(-a for a in angles))


def _conjugate(rows: Sequence[Sequence[complex | float | int]]) -> list[list[complex]]:
    return [[complex(rows[j][i]).conjugate() for j in range(len(rows))] for i in range(len(rows))]


def _swapped_u(name: str) -> Callable[..., tuple[str, tuple[Any, ...]]]:
    return lambda theta, phi, lam, *rest: (name, (-theta, -lam, -phi, *(-r for r in rest)))


def _cu(theta: Any, phi: Any, lam: Any, gamma: Any) -> Tensor:
    return controlled(_phase(gamma)[..., None, None] * _u(theta, phi, lam))


def _u2_inverse(phi: Any, lam: Any) -> tuple[str, tuple[Any, ...]]:
    return "u", (-math.pi / 2, -lam, -phi)


GATES: dict[str, Definition] = {
    **{
        name.lower(): Definition(1, 0, (lambda m: lambda: m.clone())(matrix), _self(name.lower()))
        for name, matrix in PAULI.items()
        if name != "I"
    },
    "id": Definition(1, 0, _fixed([[1, 0], [0, 1]]), _self("id")),
    "h": Definition(1, 0, _fixed(_H), _self("h")),
    "s": Definition(1, 0, _fixed([[1, 0], [0, 1j]]), _self("sdg")),
    "sdg": Definition(1, 0, _fixed([[1, 0], [0, -1j]]), _self("s")),
    "t": Definition(1, 0, _fixed([[1.0, 0], [0, _ROOT * (1 + 1j)]]), _self("tdg")),
    "tdg": Definition(1, 0, _fixed([[1, 0], [0, _ROOT * (1 - 1j)]]), _self("t")),
    "sx": Definition(1, 0, _fixed(_SX), _self("sxdg")),
    "sxdg": Definition(1, 0, _fixed(_conjugate(_SX)), _self("sx")),
    "rx": Definition(1, 1, _rx, _negated("rx")),
    "ry": Definition(1, 1, _ry, _negated("ry")),
    "rz": Definition(1, 1, _rz, _negated("rz")),
    "p": Definition(1, 1, _p, _negated("p")),
    "u": Definition(1, 3, _u, _swapped_u("u")),
    "u2": Definition(1, 2, lambda phi, lam: _u(math.pi / 2, phi, lam), _u2_inverse),
    "swap": Definition(2, 0, _fixed(_SWAP), _self("swap")),
    "iswap": Definition(2, 0, _fixed(_ISWAP), _self("iswapdg")),
    "iswapdg": Definition(2, 0, _fixed(_conjugate(_ISWAP)), _self("iswap")),
    "ecr": Definition(2, 0, _fixed(_ECR), _self("ecr")),
    "rxx": Definition(2, 1, _pauli_rotation("X", "X"), _negated("rxx")),
    "ryy": Definition(2, 1, _pauli_rotation("Y", "Y"), _negated("ryy")),
    "rzz": Definition(2, 1, _pauli_rotation("Z", "Z"), _negated("rzz")),
    "rzx": Definition(2, 1, _pauli_rotation("Z", "X"), _negated("rzx")),
    "cu": Definition(2, 4, _cu, _swapped_u("cu")),
}


def _add_controlled(name: str, of: str, controls: int = 1) -> None:
    base = GATES[of]

    def matrix(*angles: Any) -> Tensor:
        found = base.matrix(*angles)
        for _ in range(controls):
            found = controlled(found)
        return found

    def inverse(*angles: Any) -> tuple[str, tuple[Any, ...]]:
        found, turned = base.inverse(*angles)
        return {"sdg": "csdg", "sxdg": "csxdg", "s": "cs", "sx": "csx"}.get(found, name), turned

    GATES[name] = Definition(base.qubits + controls, base.angles, matrix, inverse)


for _name in ("x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "rx", "ry", "rz", "p", "swap"):
    _add_controlled("c" + _name, _name)
_add_controlled("ccx", "x", 2)
_add_controlled("ccz", "z", 2)

ALIASES = {
    "cnot": "cx",
    "CX": "cx",
    "U": "u",
    "u3": "u",
    "u1": "p",
    "phase": "p",
    "cphase": "cp",
    "cu1": "cp",
    "toffoli": "ccx",
    "fredkin": "cswap",
    "i": "id",
}
"""Other names in use."""


def definition(name: str) -> Definition:
    """Of a standard gate. Raises DomainError for an unknown name, with the known ones."""
    found = GATES.get(ALIASES.get(name, name))
    if found is None:
        raise DomainError(f"the gate {name!r} is unknown; there are {', '.join(sorted(GATES))}, and Gate.of_matrix")
    return found


def known(name: str) -> bool:
    """Whether there is a standard gate of this name."""
    return name in GATES or name in ALIASES


def standard(name: str) -> str:
    """The name that the gate has here."""
    definition(name)
    return ALIASES.get(name, name)
