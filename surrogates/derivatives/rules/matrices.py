"""Inverses, solutions and determinants of matrices that depend on t.

Torch's nested forward derivatives of its solver and determinants are wrong from the second order on.
"""

from __future__ import annotations

from typing import Any

import torch

from surrogates.derivatives.jet import Jet, plain, rule


@rule(torch.linalg.inv, torch.inverse, torch.Tensor.inverse)
def inverse(A: Jet) -> Any:
    """X <- X (2 - A X), which doubles the number of right coefficients; the first is A_0^-1."""
    X = torch.linalg.inv(A.value)
    two = 2 * torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    for _ in range(A.frame.order.bit_length()):
        X = X @ (two - A @ X)
    return X


@rule(torch.linalg.solve)
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X of A X = B, or X A = B for left=False: X <- X + A_0^-1 (B - A X), one more right coefficient each time."""
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    first = torch.linalg.inv(plain(A))
    X = start = first @ right if left else right @ first
    for _ in range(A.frame.order if isinstance(A, Jet) else 0):
        X = start + X - (first @ (A @ X) if left else (X @ A) @ first)
    return X.squeeze(-1) if vector else X


def trace_log(A: Jet) -> Any:
    """tr log(A_0^-1 A) = sum over k of (-1)^(k+1) tr E^k / k with E = A_0^-1 A - 1, which begins with t."""
    E = torch.linalg.inv(A.value) @ A - torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    power, found = E, E.diagonal(dim1=-2, dim2=-1).sum(-1)
    for k in range(2, A.frame.order + 1):
        power = power @ E
        found = found + power.diagonal(dim1=-2, dim2=-1).sum(-1) * ((-1) ** (k + 1) / k)
    return found


@rule(torch.slogdet, torch.linalg.slogdet, torch.Tensor.slogdet)
def slogdet(A: Jet) -> Any:
    """Sign, and log|det A_0| + tr log(A_0^-1 A)."""
    found = torch.linalg.slogdet(A.value)
    return type(found)((found[0], found[1] + trace_log(A)))


@rule(torch.logdet, torch.Tensor.logdet)
def logdet(input: Jet) -> Any:
    """log det A_0 + tr log(A_0^-1 A)."""
    return torch.logdet(input.value) + trace_log(input)


@rule(torch.det, torch.linalg.det, torch.Tensor.det)
def det(A: Jet) -> Any:
    """det A_0 exp(tr log(A_0^-1 A))."""
    return torch.linalg.det(A.value) * torch.exp(trace_log(A))
