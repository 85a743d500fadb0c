"""Tensor Decompositions and Applications (10.1137/07070111X), section 3: the canonical polyadic form.

A[i j k] = sum_r w_r U1[i r] U2[j r] U3[k r], found by alternating least squares. A best form of a given rank need not
exist; where components grow against each other, the ridge keeps them finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensors.approximation import Approximation, relative_error
from surrogates.physics.tensors.plan import contract


@dataclass(frozen=True)
class CP:
    """Weights (rank,) and one matrix (size, rank) an axis; real or complex."""

    weights: Tensor
    matrices: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(m.shape[0] for m in self.matrices)

    @property
    def rank(self) -> int:
        return len(self.weights)

    @property
    def n_parameters(self) -> int:
        """Numbers stored: r (1 + sum d_k)."""
        return self.weights.numel() + sum(m.numel() for m in self.matrices)

    def full(self) -> Tensor:
        """The tensor itself."""
        outer = "ijklmnop"[: len(self.matrices)]
        return contract(f"r,{','.join(o + 'r' for o in outer)}->{outer}", self.weights, *self.matrices)

    def normalised(self) -> CP:
        """The same tensor with columns of norm 1, the largest component first."""
        lengths = [torch.linalg.vector_norm(m, dim=0) for m in self.matrices]
        weights = self.weights * torch.stack(lengths).prod(0)
        order = weights.abs().argsort(descending=True)
        matrices = (m / n.clamp_min(1e-300) for m, n in zip(self.matrices, lengths, strict=True))
        return CP(weights[order], tuple(m[:, order] for m in matrices))


def cp_als(
    tensor: Tensor,
    rank: int,
    *,
    sweeps: int = 200,
    tolerance: float = 1e-8,
    ridge: float = 1e-12,
    generator: torch.Generator | None = None,
) -> Approximation[CP]:
    """Alternating least squares from random factors, until a sweep improves the error by less than `tolerance`.

    `ridge` is relative to the mean diagonal of the normal equations.
    """
    if rank < 1 or tensor.ndim < 2:
        raise DomainError(
            f"rank={rank} for a tensor of shape {tuple(tensor.shape)}; a canonical polyadic form has at least one "
            "component and two axes"
        )
    matrices = [
        torch.randn(d, rank, dtype=tensor.dtype, device=tensor.device, generator=generator) for d in tensor.shape
    ]
    error, converged = math.inf, False
    for _ in range(sweeps):
        for axis in range(tensor.ndim):
            matrices[axis] = _least_squares(tensor, matrices, axis, ridge)
        before, error = error, relative_error(CP(tensor.new_ones(rank), tuple(matrices)).full(), tensor)
        matrices = _balanced(matrices)
        if before - error < tolerance:
            converged = True
            break
    found = CP(tensor.new_ones(rank), tuple(matrices)).normalised()
    return Approximation(found, relative_error(found.full(), tensor), converged)


def _least_squares(tensor: Tensor, matrices: list[Tensor], axis: int, ridge: float) -> Tensor:
    """argmin_U |unfold(A) - U K^T|, K the columnwise Kronecker product of the other matrices."""
    others = [m for k, m in enumerate(matrices) if k != axis]
    letters = "ijklmnop"[: tensor.ndim]
    rest = [letter for k, letter in enumerate(letters) if k != axis]
    equation = f"{letters},{','.join(o + 'r' for o in rest)}->{letters[axis]}r"
    projected = contract(equation, tensor, *(m.conj() for m in others))
    gram = torch.stack([m.mT @ m.conj() for m in others]).prod(0)  # K^T conj(K)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    gram = gram + ridge * gram.diagonal().abs().mean() * eye
    return torch.linalg.solve(gram, projected, left=False)


def _balanced(matrices: list[Tensor]) -> list[Tensor]:
    """The same product with components of equal length along every axis."""
    lengths = torch.stack([torch.linalg.vector_norm(m, dim=0) for m in matrices]).clamp_min(1e-300)
    mean = lengths.log().mean(0).exp()
    return [m / n * mean for m, n in zip(matrices, lengths, strict=True)]
