"""Any gate on one or two qubits as rotations and at most three controlled-Z: Euler angles and Cartan's decomposition.

Papers: Optimal creation of entanglement using a two-qubit gate (arXiv:quant-ph/0011050) and Geometric theory of
nonlocal two-qubit operations (arXiv:quant-ph/0209120): every U in U(4) is

    U = e^{i phase} (K1 (x) K2) exp(i (a XX + b YY + c ZZ)) (K3 (x) K4),

found in the magic basis, where local gates are real orthogonal matrices and the middle factor is diagonal.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.circuits.angles import Angle
from surrogates.physics.circuits.circuit import Circuit, Gate
from surrogates.physics.errors import DomainError

Array = np.ndarray
_MAGIC = np.array([[1, 0, 0, 1j], [0, 1j, 1, 0], [0, 1j, -1, 0], [1, 0, 0, -1j]]) / math.sqrt(2)
_PAULI = {
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1]),
}
_EIGENVALUES = np.stack(  # of 1, XX, YY and ZZ in the magic basis
    [np.ones(4), *(np.einsum("ik,ij,jk->k", _MAGIC.conj(), np.kron(p, p), _MAGIC).real for p in _PAULI.values())],
    axis=1,
)
_SMALL = 1e-9


def in_gates(matrix: Tensor, qubits: tuple[int, ...] | list[int]) -> Circuit:
    """A unitary on one or two qubits as u gates and cz, equal with its global phase. Raises DomainError for more."""
    found = matrix.detach().cpu().to(torch.complex128).numpy()
    if found.shape == (2, 2):
        phase, gate = euler(found, qubits[0])
        return Circuit(max(qubits) + 1, (gate,), phase=Angle(phase))
    if found.shape != (4, 4):
        raise DomainError(f"a matrix on {found.shape[0].bit_length() - 1} qubits is not decomposed; give one or two")
    return two_qubits(found, (qubits[0], qubits[1]))


def euler(matrix: Array, qubit: int) -> tuple[float, Gate]:
    """phase and u(theta, phi, lam) with e^{i phase} u = matrix."""
    theta = 2 * math.atan2(abs(matrix[1, 0]), abs(matrix[0, 0]))
    if abs(matrix[0, 0]) > _SMALL:
        phase = float(np.angle(matrix[0, 0]))
        both = float(np.angle(matrix[1, 1])) - phase  # phi + lam
        phi = float(np.angle(matrix[1, 0])) - phase if abs(matrix[1, 0]) > _SMALL else 0.0
        lam = both - phi
    else:
        phase, phi = 0.0, float(np.angle(matrix[1, 0]))
        lam = float(np.angle(-matrix[0, 1]))
    return phase, Gate("u", (qubit,), (theta, phi, lam))


def cartan(matrix: Array) -> tuple[float, tuple[Array, Array], tuple[float, float, float], tuple[Array, Array]]:
    """phase, (K1, K2), (a, b, c), (K3, K4) of the formula above; no order of a, b, c is promised."""
    phase = float(np.angle(np.linalg.det(matrix))) / 4
    inside = _MAGIC.conj().T @ (matrix * np.exp(-1j * phase)) @ _MAGIC
    symmetric = inside.T @ inside
    right = _real_eigenvectors(symmetric)
    if np.linalg.det(right) < 0:
        right[:, 0] *= -1
    diagonal = np.exp(0.5j * np.angle(np.diag(right.T @ symmetric @ right)))
    left = inside @ right / diagonal
    if np.linalg.det(left).real < 0:
        diagonal[0] *= -1
        left[:, 0] *= -1
    before = _factors(_MAGIC @ right.T @ _MAGIC.conj().T)
    after = _factors(_MAGIC @ left.real @ _MAGIC.conj().T)
    extra, a, b, c = np.linalg.solve(_EIGENVALUES, np.angle(diagonal))
    return phase + float(extra) + after[2] + before[2], after[:2], (float(a), float(b), float(c)), before[:2]


def two_qubits(matrix: Array, qubits: tuple[int, int]) -> Circuit:
    """A unitary (4, 4) as u gates and as few cz as there can be: none for a product, three for most."""
    phase, (k1, k2), angles, (k3, k4) = cartan(matrix)
    reduced, quarters = _reduced(angles)
    for axis, times in zip("XYZ", quarters, strict=True):  # exp(i pi/2 PP) = i PP
        turn = np.linalg.matrix_power(_PAULI[axis], times % 2)
        k1, k2, phase = k1 @ turn, k2 @ turn, phase + times * math.pi / 2
    core, more = _core(reduced)
    steps = [(k3, k4), *core, (k1, k2)]
    return _circuit(steps, phase + more, qubits)


Step = str | tuple[Array, Array]


def _circuit(steps: list[Step], phase: float, qubits: tuple[int, int]) -> Circuit:
    """Local gates that follow each other are multiplied; identities are left out."""
    gates: list[Gate] = []
    now = (_I, _I)
    for step in [*steps, "end"]:
        if not isinstance(step, str):
            now = (step[0] @ now[0], step[1] @ now[1])
            continue
        for part, qubit in zip(now, qubits, strict=True):
            turn, gate = euler(part, qubit)
            phase += turn
            if np.abs(part - part[0, 0] * _I).max() > 1e-12:
                gates.append(gate)
        if step == "cz":
            gates.append(Gate("cz", qubits))
        now = (_I, _I)
    return Circuit(max(qubits) + 1, tuple(gates), phase=Angle(math.remainder(phase, math.tau)))


def _real_eigenvectors(symmetric: Array) -> Array:
    """Orthogonal Q with Q^T M Q diagonal, M unitary and symmetric: its real and imaginary parts commute."""
    random = np.random.default_rng(0)
    for _ in range(50):
        mix = random.normal(size=2)
        _, found = np.linalg.eigh(mix[0] * symmetric.real + mix[1] * symmetric.imag)
        rest = found.T @ symmetric @ found
        if np.abs(rest - np.diag(np.diag(rest))).max() < 1e-10:
            return np.asarray(found)
    raise DomainError("the matrix is too far from unitary to be decomposed; give a unitary one")


def _factors(product: Array) -> tuple[Array, Array, float]:
    """A, B in SU(2) and a phase with e^{i phase} A (x) B the matrix, which is a product."""
    blocks = product.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)  # first qubit's indices, then the second's
    place = np.unravel_index(np.abs(blocks).argmax(), blocks.shape)
    a, b = blocks[:, :, place[2], place[3]], blocks[place[0], place[1]]
    a, b = a / np.sqrt(np.linalg.det(a)), b / np.sqrt(np.linalg.det(b))
    ratio = np.vdot(np.kron(a, b), product) / 4
    return a, b, float(np.angle(ratio))


def _reduced(angles: tuple[float, float, float]) -> tuple[tuple[float, float, float], tuple[int, int, int]]:
    """Angles in (-pi/4, pi/4], and how many quarter turns pi/2 were taken off."""
    shifts = [math.ceil(x / (math.pi / 2) - 0.5 - 1e-12) for x in angles]
    rest = [x - s * math.pi / 2 for x, s in zip(angles, shifts, strict=True)]
    return (rest[0], rest[1], rest[2]), (shifts[0], shifts[1], shifts[2])


_I = np.eye(2, dtype=complex)
_H = np.array([[1, 1], [1, -1]], dtype=complex) / math.sqrt(2)


def _rotation(axis: str, angle: float) -> Array:
    return np.asarray(math.cos(angle / 2) * _I - 1j * math.sin(angle / 2) * _PAULI[axis])


_TO_Z = {"X": _H, "Y": _rotation("X", math.pi / 2), "Z": _I}  # V P V^dagger = Z
_TO_XZ = {"XY": _rotation("X", math.pi / 2), "XZ": _I, "YZ": _rotation("Z", -math.pi / 2)}  # V P V^dagger = X, Q to Z


def _core(angles: tuple[float, float, float]) -> tuple[list[Step], float]:
    """exp(i (a XX + b YY + c ZZ)) as local gates and cz in order of time, and a phase."""
    live = {axis: x for axis, x in zip("XYZ", angles, strict=True) if abs(x) > _SMALL}
    if not live:
        return [], 0.0
    if len(live) == 1 and abs(abs(next(iter(live.values()))) - math.pi / 4) < _SMALL:
        return _one(*next(iter(live.items())))
    if len(live) < 3:
        return _two(live), 0.0
    return _three(*angles), math.pi / 4


def _one(axis: str, angle: float) -> tuple[list[Step], float]:
    """exp(i pi/4 ZZ) = e^{-i pi/4} Rz(-pi/2) (x) Rz(-pi/2) cz, and its inverse."""
    sign, v = math.copysign(1.0, angle), _TO_Z[axis]
    after = v.conj().T @ _rotation("Z", -sign * math.pi / 2)
    return [(v, v), "cz", (after, after)], -sign * math.pi / 4


def _two(live: dict[str, float]) -> list[Step]:
    """A cnot carries X1 to X1 X2 and Z2 to Z1 Z2, so between two of them stand exp(i s X1) and exp(i t Z2)."""
    pair = "".join(live) if len(live) == 2 else {"X": "XZ", "Y": "YZ", "Z": "XZ"}[next(iter(live))]
    s, t = (live.get(axis, 0.0) for axis in pair)
    v = _TO_XZ[pair]
    inside = (_rotation("X", -2 * s), _H @ _rotation("Z", -2 * t) @ _H)
    return [(v, _H @ v), "cz", inside, "cz", (v.conj().T, v.conj().T @ _H)]


def _three(a: float, b: float, c: float) -> list[Step]:
    """Vatan and Williams, Optimal quantum circuits for general two-qubit gates (arXiv:quant-ph/0308006)."""
    quarter = math.pi / 2
    return [
        (_H, _rotation("Z", -quarter)),
        "cz",
        (_rotation("Z", quarter - 2 * c) @ _H, _H @ _rotation("Y", 2 * a - quarter)),
        "cz",
        (_H, _rotation("Y", quarter - 2 * b) @ _H),
        "cz",
        (_rotation("Z", quarter) @ _H, _I),
    ]
