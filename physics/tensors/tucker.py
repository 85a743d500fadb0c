"""On the Best Rank-1 and Rank-(R1, ..., RN) Approximation of Higher-Order Tensors (10.1137/S0895479898346995).

Tucker form: A[i j k] = sum_abc G[a b c] U1[i a] U2[j b] U3[k c]. Starting point: singular vectors of the unfoldings,
cut one axis after the other; then higher-order orthogonal iteration at fixed ranks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensors.approximation import Approximation, check_target, kept_values, relative_error
from surrogates.physics.tensors.plan import contract


@dataclass(frozen=True)
class Tucker:
    """A core and one matrix (size, rank) an axis; real or complex."""

    core: Tensor
    matrices: tuple[Tensor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(m.shape[0] for m in self.matrices)

    @property
    def ranks(self) -> tuple[int, ...]:
        return tuple(self.core.shape)

    @property
    def n_parameters(self) -> int:
        """Numbers stored: prod r_k + sum d_k r_k."""
        return self.core.numel() + sum(m.numel() for m in self.matrices)

    def full(self) -> Tensor:
        """The tensor itself."""
        inner, outer = "abcdefgh"[: self.core.ndim], "ijklmnop"[: self.core.ndim]
        pairs = ",".join(o + r for o, r in zip(outer, inner, strict=True))
        return contract(f"{inner},{pairs}->{outer}", self.core, *self.matrices)

    def orthonormal(self) -> Tucker:
        """The same tensor with orthonormal columns; the core then has its norm."""
        core, matrices = self.core, []
        for axis, matrix in enumerate(self.matrices):
            q, r = torch.linalg.qr(matrix)
            matrices.append(q)
            core = along(core, r, axis)
        return Tucker(core, tuple(matrices))

    def truncate(
        self, ranks: int | Sequence[int] | None = None, *, tolerance: float | None = None
    ) -> Approximation[Tucker]:
        """Smaller ranks at the least loss, without building the tensor: the core of the orthonormal form is cut."""
        gauge = self.orthonormal()
        small = hooi(gauge.core, ranks, tolerance=tolerance)
        matrices = tuple(q @ u for q, u in zip(gauge.matrices, small.factors.matrices, strict=True))
        return Approximation(Tucker(small.factors.core, matrices), small.error, small.converged)


def hooi(
    tensor: Tensor,
    ranks: int | Sequence[int] | None = None,
    *,
    tolerance: float | None = None,
    sweeps: int = 20,
) -> Approximation[Tucker]:
    """Tucker form with orthonormal matrices and at most `ranks`, or the smallest that the truncation finds for a
    relative error of at most `tolerance` (each axis may lose tolerance^2 / N of the squared norm)."""
    allowed = check_target(ranks, tolerance)
    targets = _targets(tensor.shape, ranks)
    norm2 = tensor.abs().square().sum().item()
    matrices: list[Tensor] = []
    core = tensor
    for axis, rank in enumerate(targets):
        u, s, _ = torch.linalg.svd(unfold(core, axis), full_matrices=False)
        matrices.append(u[:, : kept_values(s, rank, allowed**2 * norm2 / tensor.ndim)])
        core = along(core, matrices[-1].mH, axis)
    kept, converged = core.abs().square().sum().item(), ranks is None
    for _ in range(0 if ranks is None else sweeps):
        for axis, matrix in enumerate(matrices):
            others = tensor
            for k, m in enumerate(matrices):
                others = others if k == axis else along(others, m.mH, k)
            u = torch.linalg.svd(unfold(others, axis), full_matrices=False)[0]
            matrices[axis] = u[:, : matrix.shape[1]]
        core = along(others, matrices[-1].mH, tensor.ndim - 1)
        before, kept = kept, core.abs().square().sum().item()
        if kept - before <= 1e-12 * norm2:
            converged = True
            break
    found = Tucker(core, tuple(matrices))
    return Approximation(found, _error(norm2, kept, found, tensor), converged)


def unfold(tensor: Tensor, axis: int) -> Tensor:
    """The matrix (size of `axis`, all others)."""
    return tensor.movedim(axis, 0).flatten(1)


def along(tensor: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """`matrix` applied to one axis of a tensor."""
    return torch.tensordot(matrix, tensor, dims=([1], [axis])).movedim(0, axis)


def _targets(shape: Sequence[int], ranks: int | Sequence[int] | None) -> list[int | None]:
    given: list[int | None] = [ranks] * len(shape) if ranks is None or isinstance(ranks, int) else list(ranks)
    if len(given) != len(shape) or any(r is not None and r < 1 for r in given):
        raise DomainError(f"ranks={ranks} for a tensor of shape {tuple(shape)}; give one from 1 up for each axis")
    return [None if r is None else min(r, d) for r, d in zip(given, shape, strict=True)]


def _error(norm2: float, kept: float, found: Tucker, tensor: Tensor) -> float:
    """From the norms, which is free; where rounding leaves nothing of the difference, from the tensors."""
    lost = max(norm2 - kept, 0.0)
    return math.sqrt(lost / norm2) if lost > 1e-8 * norm2 else relative_error(found.full(), tensor)
