"""Lanczos' method on tensors: the lowest eigenpair of an effective Hamiltonian, and exp(z H) on a state.

H is Hermitian; few vectors are kept and orthogonalised against all earlier ones, since sweeps start near the answer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Apply = Callable[[Tensor], Tensor]
_TINY = 1e-14


def krylov(apply: Apply, start: Tensor, steps: int) -> tuple[list[Tensor], Tensor, float]:
    """Orthonormal vectors, the tridiagonal matrix of H in them, and the length of the next vector."""
    vector = start / torch.linalg.vector_norm(start)
    basis, beta = [vector], 0.0
    diagonal: list[float] = []
    off: list[float] = []
    for step in range(steps):
        new = apply(basis[-1])
        alpha = torch.real(torch.vdot(basis[-1].flatten(), new.flatten())).item()
        diagonal.append(alpha)
        new = new - alpha * basis[-1]
        if step:
            new = new - off[-1] * basis[-2]
        for old in basis:  # once more, for the digits
            new = new - torch.vdot(old.flatten(), new.flatten()) * old
        beta = float(torch.linalg.vector_norm(new))
        if step + 1 == steps or beta < _TINY * max(1.0, abs(alpha)):
            break
        off.append(beta)
        basis.append(new / beta)
    count = len(diagonal)
    t = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    for n in range(count - 1):
        t[n, n + 1] = t[n + 1, n] = off[n]
    return basis[:count], t, beta


def lowest(
    apply: Apply, start: Tensor, *, steps: int = 4, tol: float = 1e-12, restarts: int = 1
) -> tuple[float, Tensor]:
    """Lowest eigenvalue and vector (of norm one), from `start`; stops when the residual is below tol."""
    vector, energy = start, 0.0
    for _ in range(restarts):
        basis, t, beta = krylov(apply, vector, steps)
        values, vectors = torch.linalg.eigh(t)
        energy, weights = values[0].item(), vectors[:, 0]
        vector = _combine(basis, weights)
        if beta * abs(weights[-1].item()) < tol:
            break
    return energy, vector / torch.linalg.vector_norm(vector)


def exponential(apply: Apply, z: complex | float | int, start: Tensor, *, tol: float = 1e-12, most: int = 40) -> Tensor:
    """exp(z H) start, with as many vectors as the error estimate |beta_m [exp(z T)]_m1| asks for."""
    size = torch.linalg.vector_norm(start)
    steps = 6
    while True:
        basis, t, beta = krylov(apply, start, steps)
        weights = torch.linalg.matrix_exp(z * t.to(torch.complex128))[:, 0]
        if len(basis) < steps or steps >= most or beta * abs(z) * abs(weights[-1].item()) < tol:
            break
        steps = min(2 * steps, most)
    weights = weights * size
    if not start.is_complex() and (isinstance(z, float | int) or complex(z).imag == 0):
        weights = weights.real
    return _combine(basis, weights.to(start.device))


def _combine(basis: list[Tensor], weights: Tensor) -> Tensor:
    total = basis[0] * weights[0]
    for vector, weight in zip(basis[1:], weights[1:], strict=True):
        total = total + vector * weight
    return total
