"""Lanczos' method on tensors: the lowest eigenpair of an effective Hamiltonian, and exp(z H) on a state.

H is Hermitian; few vectors are kept and orthogonalised against all earlier ones, since sweeps start near the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

Apply = Callable[[Tensor], Tensor]
_TINY = 1e-14


class Krylov:
    """Orthonormal vectors v, H v, ... and the tridiagonal matrix of H in them, which grow one by one."""

    def __init__(self, apply: Apply, start: Tensor) -> None:
        self.apply, self.basis = apply, [start / torch.linalg.vector_norm(start)]
        self.diagonal: list[float] = []
        self.off: list[float] = []
        self.ended = False
        self._next: Tensor | None = None

    @property
    def size(self) -> int:
        """How many times H was applied."""
        return len(self.diagonal)

    def grow(self) -> None:
        """One application of H more; `off[-1]` is then the length of what points out of the space."""
        if self._next is not None:
            self.basis.append(self._next / self.off[-1])
        last = self.basis[-1]
        new = self.apply(last)
        self.diagonal.append(torch.vdot(last.flatten(), new.flatten()).real.item())
        new = torch.sub(new, last, alpha=self.diagonal[-1])
        if len(self.basis) > 1:
            new.sub_(self.basis[-2], alpha=self.off[-1])
        for old in self.basis:  # once more, for the digits
            new.sub_(old * torch.vdot(old.flatten(), new.flatten()))
        self.off.append(torch.linalg.vector_norm(new).item())
        self._next, self.ended = new, self.off[-1] < _TINY * max(1.0, abs(self.diagonal[-1]))

    def matrix(self) -> np.ndarray:
        """H in the vectors so far."""
        inner = self.off[: self.size - 1]
        return np.diag(self.diagonal) + np.diag(inner, 1) + np.diag(inner, -1)

    def combine(self, weights: np.ndarray) -> Tensor:
        """The sum of the vectors with these weights."""
        total = self.basis[0] * weights[0].item()
        for vector, weight in zip(self.basis[1:], weights[1:], strict=True):
            total = torch.add(total, vector, alpha=weight.item())
        return total


@dataclass(frozen=True)
class Lowest:
    """Value and vector (of norm one) of the lowest state found, and the value that the start had."""

    value: float
    vector: Tensor
    before: float


def lowest(apply: Apply, start: Tensor, *, steps: int = 4, tol: float = 1e-12) -> Lowest:
    """The lowest state in at most `steps` vectors from `start`; fewer where the residual is below tol."""
    space = Krylov(apply, start)
    while True:
        space.grow()
        values, vectors = (
            np.linalg.eigh(space.matrix()) if space.size > 1 else (np.array(space.diagonal), np.ones((1, 1)))
        )
        if space.ended or space.size == steps or space.off[-1] * abs(vectors[-1, 0]) < tol:
            break
    vector = space.combine(vectors[:, 0])
    return Lowest(float(values[0]), vector / torch.linalg.vector_norm(vector), space.diagonal[0])


def exponential(apply: Apply, z: complex | float | int, start: Tensor, *, tol: float = 1e-12, most: int = 40) -> Tensor:
    """exp(z H) start, with as many vectors as the error estimate |beta_m [exp(z T)]_m1| asks for."""
    size = float(torch.linalg.vector_norm(start))
    real = not start.is_complex() and complex(z).imag == 0
    space = Krylov(apply, start)
    while True:
        space.grow()
        values, vectors = scipy.linalg.eigh_tridiagonal(space.diagonal, space.off[: space.size - 1])
        weights = vectors @ (np.exp(z * values) * vectors[0])
        if space.ended or space.size == most or space.off[-1] * abs(z) * abs(weights[-1]) < tol:
            break
    return space.combine(size * (weights.real if real else weights))
