"""Tensor-Train Decomposition (10.1137/090752286); in physics, a matrix product state with open ends.

A[i1 ... iN] = G1[i1] G2[i2] ... GN[iN], each G_k[i] a matrix; cores have the axes (left bond, physical, right bond).
Truncation at one bond discards singular values of the orthonormal gauge, so squared errors of the bonds add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensors.approximation import Approximation, check_target, kept_values


@dataclass(frozen=True)
class TensorTrain:
    """Cores (left bond, physical, right bond); the outer bonds have size 1. Real or complex."""

    cores: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(c.shape[1] for c in self.cores)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Sizes of the bonds between cores."""
        return tuple(c.shape[2] for c in self.cores[:-1])

    @property
    def n_parameters(self) -> int:
        """Numbers stored: sum r_k-1 d_k r_k."""
        return sum(c.numel() for c in self.cores)

    def full(self) -> Tensor:
        """The tensor itself."""
        out = self.cores[0]
        for core in self.cores[1:]:
            out = torch.tensordot(out, core, dims=1)
        return out.squeeze(0).squeeze(-1)

    def norm(self) -> float:
        """Frobenius norm, from the cores."""
        return torch.linalg.vector_norm(self.right_orthonormal().cores[0]).item()

    def left_orthonormal(self) -> TensorTrain:
        """The same tensor; each core but the last is an isometry from (left bond, physical) to its right bond."""
        cores = list(self.cores)
        for k in range(len(cores) - 1):
            q, r = torch.linalg.qr(cores[k].flatten(0, 1))
            cores[k] = q.unflatten(0, cores[k].shape[:2])
            cores[k + 1] = torch.tensordot(r, cores[k + 1], dims=1)
        return TensorTrain(tuple(cores))

    def right_orthonormal(self) -> TensorTrain:
        """The same tensor; each core but the first is an isometry from its left bond to (physical, right bond)."""
        flipped = TensorTrain(tuple(c.permute(2, 1, 0) for c in reversed(self.cores))).left_orthonormal()
        return TensorTrain(tuple(c.permute(2, 1, 0) for c in reversed(flipped.cores)))

    def truncate(
        self, ranks: int | Sequence[int] | None = None, *, tolerance: float | None = None
    ) -> Approximation[TensorTrain]:
        """Bonds of at most `ranks`, or the smallest with a relative error of at most `tolerance`."""
        allowed = check_target(ranks, tolerance)
        limits = _limits(ranks, len(self.cores) - 1)
        cores = list(self.right_orthonormal().cores)
        norm2 = cores[0].abs().square().sum().item()
        budget, lost = allowed**2 * norm2 / max(len(limits), 1), 0.0
        for k, limit in enumerate(limits):
            left, rest, discarded = _split(cores[k].flatten(0, 1), limit, budget)
            cores[k] = left.unflatten(0, cores[k].shape[:2])
            cores[k + 1] = torch.tensordot(rest, cores[k + 1], dims=1)
            lost += discarded
        return Approximation(TensorTrain(tuple(cores)), math.sqrt(lost / norm2) if norm2 > 0 else 0.0)


def tt_svd(
    tensor: Tensor, ranks: int | Sequence[int] | None = None, *, tolerance: float | None = None
) -> Approximation[TensorTrain]:
    """The train of a dense tensor by successive singular value decompositions, cores left-orthonormal.

    With `ranks` the error is at most sqrt(N - 1) times that of the best train of these ranks.
    """
    allowed = check_target(ranks, tolerance)
    limits = _limits(ranks, tensor.ndim - 1)
    norm2 = tensor.abs().square().sum().item()
    cores, lost, bond, rest = [], 0.0, 1, tensor
    for size, limit in zip(tensor.shape, limits, strict=False):
        left, rest, discarded = _split(rest.reshape(bond * size, -1), limit, allowed**2 * norm2 / len(limits))
        cores.append(left.reshape(bond, size, -1))
        bond, lost = left.shape[1], lost + discarded
    cores.append(rest.reshape(bond, tensor.shape[-1], 1))
    return Approximation(TensorTrain(tuple(cores)), math.sqrt(lost / norm2) if norm2 > 0 else 0.0)


def _split(matrix: Tensor, limit: int | None, budget: float) -> tuple[Tensor, Tensor, float]:
    """Isometry, the rest, and the squared singular values that were cut."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    k = kept_values(s, limit, budget)
    return u[:, :k], s[:k, None] * vh[:k], s[k:].square().sum().item()


def _limits(ranks: int | Sequence[int] | None, bonds: int) -> list[int | None]:
    given: list[int | None] = [ranks] * bonds if ranks is None or isinstance(ranks, int) else list(ranks)
    if len(given) != bonds or any(r is not None and r < 1 for r in given):
        raise DomainError(f"ranks={ranks} for a train with {bonds} bonds; give one number from 1 up for each bond")
    return given
