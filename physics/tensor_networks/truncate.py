"""Truncation of a matrix to fewer singular values: what is lost is counted, and the gradient never turns into NaN.

A cut is never made inside a multiplet, so that symmetries stay and the result is a smooth function of the matrix. Its
derivative needs only the gap at the cut: with X = U^H dA V in singular vectors, kept i and cut j,

    d(A_k)_ij = (s_i^2 X_ij + s_i s_j conj(X_ji)) / (s_i^2 - s_j^2),
    d(A_k)_ji = (s_i^2 X_ji + s_i s_j conj(X_ij)) / (s_i^2 - s_j^2),

kept-kept blocks pass unchanged and cut-cut blocks vanish; directions beyond the smaller side of A count as s_j = 0. The
map is self-adjoint, so the same formula takes gradients back. The derivative of torch's own SVD divides by the gaps of
every pair of values, which are zero for product states, Bell pairs and other multiplets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import scipy.linalg
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from surrogates.physics.errors import DomainError

_MULTIPLET = 1e-8  # of the largest singular value: closer ones belong together
_GRAM = 1e-14  # squares of singular values are known to 1e-16 of the largest
_ZERO = 1e-15  # of the largest singular value: less is rounding


@dataclass(frozen=True)
class Split:
    """theta = left right, approximately.

    Args:
        left: (m, k), an isometry unless the values were absorbed into it. right: (k, n), likewise.
        values: (k,) kept singular values, not normalised, without gradient.
        discarded: weight cut away, sum of cut s^2 over sum of s^2, a number without gradient.
    """

    left: Tensor
    values: Tensor
    right: Tensor
    discarded: float


def split(theta: Tensor, *, chi_max: int | None = None, cutoff: float | int = 0.0, absorb: str = "right") -> Split:
    """Cut `theta` (m, n), real or complex, in two with at most chi_max singular values between them.

    Args:
        cutoff: largest discarded weight (relative, squared) that may be given up for fewer values.
        absorb: which factor takes the values: "right" leaves left an isometry, "left" the other way, "none" neither
            (theta = left diag(values) right).
    A cut between values closer than 1e-8 of the largest moves down to the multiplet's end, and up where it would leave
    nothing: then more than chi_max values are kept. Gradients of functions of the product left right are exact; what
    depends on the choice of basis between the factors has no meaningful gradient.
    Raises DomainError for a theta that is not finite, chi_max < 1, cutoff outside 0..1, or another `absorb`.
    """
    _check(theta, chi_max, cutoff, absorb)
    u, s, v = _svd(theta.detach())
    k = kept(s, chi_max, cutoff)
    whole = torch.linalg.vector_norm(s) ** 2
    lost = float((torch.linalg.vector_norm(s[k:]) ** 2 / whole).item()) if whole > 0 else 0.0
    left, values, right = u[:, :k], s[:k], v[:k]
    if theta.requires_grad and torch.is_grad_enabled():
        near = _LowRank.apply(theta, u, s, v, k)
        # the factors follow A_k in the gauge left^H d(left) = 0, which has no gap between kept values
        right_values = left.mH @ near
        left = left + (near - left @ right_values) @ (right.mH / values)
        right = right_values / values[:, None].to(right_values)
    if absorb == "right":
        return Split(left, values, values[:, None].to(right) * right, lost)
    if absorb == "left":
        return Split(left * values.to(left), values, right, lost)
    return Split(left, values, right, lost)


def split_by_gram(theta: Tensor, *, chi_max: int, cutoff: float, absorb: str) -> Split:
    """As `split`, from the eigenvectors of theta theta^H: less than half the time, without gradient.

    Singular values below 1e-8 of the largest are rounding, so a cutoff below 1e-14 takes the way of `split`.
    """
    if cutoff < _GRAM or theta.requires_grad:
        return split(theta, chi_max=chi_max, cutoff=cutoff, absorb=absorb)
    a = theta if absorb == "right" else theta.mH
    squares, vectors = torch.linalg.eigh(a @ a.mH)
    s = torch.flip(squares.clamp(min=0).sqrt(), (0,))[: min(a.shape)]
    k = kept(s, chi_max, cutoff)
    q = torch.flip(vectors[:, -k:], (1,))
    rest = q.mH @ a
    whole = torch.linalg.vector_norm(a) ** 2
    lost = max(0.0, float(1 - torch.linalg.vector_norm(rest) ** 2 / whole)) if whole > 0 else 0.0
    return Split(q, s[:k], rest, lost) if absorb == "right" else Split(rest.mH, s[:k], q.mH, lost)


def low_rank(a: Tensor, *, chi_max: int | None = None, cutoff: float | int = 0.0) -> Tensor:
    """The nearest matrix of the kept rank, of the same shape; differentiable once. Arguments as in `split`."""
    _check(a, chi_max, cutoff, "right")
    u, s, v = _svd(a.detach())
    near: Tensor = _LowRank.apply(a, u, s, v, kept(s, chi_max, cutoff))
    return near


def kept(values: Tensor, chi_max: int | None, cutoff: float | int) -> int:
    """How many of the descending singular values stay."""
    s = values.detach().double().cpu()
    if not len(s) or s[0] <= 0:
        return min(1, len(s))
    rank = int((s > _ZERO * s[0]).sum())
    squares = s**2
    tail = torch.flip(torch.cumsum(torch.flip(squares, (0,)), 0), (0,)) / squares.sum()
    k = rank if cutoff <= 0 else max(1, int((tail > cutoff).sum()))
    k = min(k, rank, rank if chi_max is None else chi_max)
    low = k
    while 0 < low < rank and s[low - 1] - s[low] < _MULTIPLET * s[0]:
        low -= 1
    if low:
        return low
    while k < rank and s[k - 1] - s[k] < _MULTIPLET * s[0]:
        k += 1
    return k


class _LowRank(torch.autograd.Function):
    """A -> A_k from its singular values and vectors."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, u: Tensor, s: Tensor, v: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(u, s, v)
        ctx.k = k
        return (u[:, :k] * s[:k].to(u)) @ v[:k]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (u, s, v), k = ctx.saved_tensors, ctx.k
        x = u.mH @ grad @ v.mH
        high, low = s[:k, None], s[None, k:]
        gap = (high - low) * (high + low)
        y = torch.zeros_like(x)
        y[:k, :k] = x[:k, :k]
        upper, lower = x[:k, k:], x[k:, :k].mH  # both (kept, cut)
        y[:k, k:] = (high**2 * upper + high * low * lower) / gap
        y[k:, :k] = ((high**2 * lower + high * low * upper) / gap).mH
        found = u @ y @ v
        rows, columns = u[:, :k].mH @ grad, grad @ v[:k].mH
        found = found + u[:, :k] @ (rows - (rows @ v.mH) @ v) + (columns - u @ (u.mH @ columns)) @ v[:k]
        return found, None, None, None, None


def _svd(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Economy SVD; LAPACK's slower, safer driver where the fast one does not converge."""
    try:
        return torch.linalg.svd(a, full_matrices=False)
    except torch.linalg.LinAlgError:
        u, s, v = scipy.linalg.svd(a.cpu().numpy(), full_matrices=False, lapack_driver="gesvd")
        return tuple(torch.from_numpy(x).to(a.device) for x in (u, s, v))  # type: ignore[return-value]


def _check(theta: Tensor, chi_max: int | None, cutoff: float | int, absorb: str) -> None:
    if theta.ndim != 2 or 0 in theta.shape:
        raise DomainError(f"theta has shape {tuple(theta.shape)}; give a matrix (m, n)")
    if chi_max is not None and chi_max < 1:
        raise DomainError(f"chi_max={chi_max}; keep at least one singular value")
    if not 0 <= cutoff < 1:
        raise DomainError(f"cutoff={cutoff}; give a discarded weight from 0 to below 1")
    if absorb not in ("left", "right", "none"):
        raise DomainError(f"absorb={absorb!r} is unknown; choose left, right or none")
    if not torch.isfinite(theta).all():
        raise DomainError("theta has numbers that are not finite; look at what made it")
