"""An operator times a state: exactly, zipped up, or fitted.

Exactly, bonds are products w chi and are then cut, at (w chi)^3. Zipping up (10.1088/1367-2630/12/5/055026) cuts each
bond while the operator is laid on, at w chi^3; the fit then sweeps two sites at a time to the state nearest to O |psi>.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.mpo import MPO
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import split

_LOOSE = 1e-2  # of the cutoff, and twice the bonds, while the zip runs in a basis that is not orthogonal yet


def apply(
    operator: MPO,
    state: MPS,
    *,
    chi_max: int | None = None,
    cutoff: float | int = 0.0,
    method: str = "zip_up",
    sweeps: int = 4,
) -> MPS:
    """O |psi>, not normalised, its centre on the first site.

    Args:
        chi_max, cutoff: as in `split`, of the result. method: exact, zip_up or fit. sweeps: of the fit, at most.
    `discarded` and `error_bound` grow by what is cut. Raises DomainError for another length or site, or method.
    """
    if len(operator) != len(state) or operator.tensors[0].shape[3] != state.site.dimension:
        raise DomainError(
            f"the operator has {len(operator)} sites of {operator.tensors[0].shape[3]} states, the state {len(state)} "
            f"of {state.site.dimension}; give equal ones"
        )
    if method not in ("exact", "zip_up", "fit"):
        raise DomainError(f"method={method!r} is unknown; choose exact, zip_up or fit")
    kind = torch.promote_types(operator.dtype, state.dtype)
    ws = [w.to(state.tensors[0].device, kind) for w in operator.tensors]
    if method == "exact":
        pairs = zip(ws, (t.to(kind) for t in state.tensors), strict=True)
        tensors = tuple(torch.einsum("abpq,lqr->alpbr", w, t).flatten(3).flatten(0, 1) for w, t in pairs)
        return replace(state, tensors=tensors, center=None).compress(chi_max=chi_max, cutoff=cutoff)
    state = state.canonical(0)
    ts = [t.to(kind) for t in state.tensors]
    zipped = _zip_up(ws, ts, state, chi_max, cutoff)
    if method == "zip_up":
        return zipped.compress(chi_max=chi_max, cutoff=cutoff)
    return _fitted(ws, ts, state, zipped.compress(chi_max=chi_max, cutoff=cutoff), chi_max, cutoff, sweeps)


def _zip_up(ws: list[Tensor], ts: list[Tensor], state: MPS, chi_max: int | None, cutoff: float | int) -> MPS:
    """From left to right, the operator's own bonds orthogonal from the right; centre on the last site."""
    ws, scale = _from_right(ws)
    carried, tensors = torch.ones(1, 1, 1, dtype=ts[0].dtype, device=ts[0].device), []  # new, operator, ket
    lost, bound, wide = state.discarded, state.error_bound, None if chi_max is None else 2 * chi_max
    for n, (w, t) in enumerate(zip(ws, ts, strict=True)):
        x = torch.tensordot(torch.tensordot(carried, t, dims=1), w, dims=([1, 2], [0, 3]))  # new, r, b, out
        x = x.permute(0, 3, 2, 1)
        if n == len(ts) - 1:
            tensors.append(x.flatten(2))
            break
        found = split(x.flatten(2).flatten(0, 1), chi_max=wide, cutoff=_LOOSE * cutoff)
        tensors.append(found.left.reshape(*x.shape[:2], -1))
        size = float(torch.linalg.vector_norm(found.values)) or 1.0
        carried, scale = (found.right / size).reshape(-1, *x.shape[2:]), scale + math.log(size)
        lost, bound = lost + found.discarded, bound + found.discarded**0.5
    center = len(ts) - 1
    return MPS(tuple(tensors), center, state.log_norm + scale, state.site, lost, bound)


def _from_right(ws: list[Tensor]) -> tuple[list[Tensor], float]:
    """The operator with orthonormal rows from the right, and the logarithm of the factor taken out."""
    done, scale = list(ws), 0.0
    for n in range(len(done) - 1, 0, -1):
        q, r = torch.linalg.qr(done[n].flatten(1).mH)
        size = float(torch.linalg.vector_norm(r)) or 1.0
        shape, grow = done[n].shape, math.sqrt(done[n].shape[2])
        done[n] = grow * q.mH.reshape(-1, *shape[1:])
        done[n - 1] = torch.einsum("abop,bk->akop", done[n - 1], r.mH / size)
        scale += math.log(size / grow)
    return done, scale


def _fitted(
    ws: list[Tensor], ts: list[Tensor], state: MPS, found: MPS, chi_max: int | None, cutoff: float | int, sweeps: int
) -> MPS:
    """Two-site sweeps that maximise the overlap with O |psi>, until its norm settles."""
    count, tensors = len(ts), list(found.canonical(0).normalized().tensors)
    if count == 1:
        return found
    one = torch.ones(1, 1, 1, dtype=ts[0].dtype, device=ts[0].device)  # ket, operator, bra
    left, right = [one] * (count + 1), [one] * (count + 1)

    def from_left(n: int) -> Tensor:
        x = torch.tensordot(torch.tensordot(left[n], ts[n], dims=([0], [0])), ws[n], dims=([0, 2], [0, 3]))
        return torch.tensordot(x, tensors[n].conj(), dims=([0, 3], [0, 1]))

    def from_right(n: int) -> Tensor:
        x = torch.tensordot(torch.tensordot(ts[n], right[n + 1], dims=1), ws[n], dims=([1, 2], [3, 1]))
        return torch.tensordot(x, tensors[n].conj(), dims=([1, 3], [2, 1]))

    for n in range(count - 1, 1, -1):
        right[n] = from_right(n)
    size, lost = 0.0, 0.0
    for _ in range(sweeps):
        last, lost = size, 0.0
        for way in ("right", "left"):
            for n in range(count - 1) if way == "right" else range(count - 2, -1, -1):
                x = torch.tensordot(torch.tensordot(left[n], ts[n], dims=([0], [0])), ws[n], dims=([0, 2], [0, 3]))
                y = torch.tensordot(torch.tensordot(ts[n + 1], right[n + 2], dims=1), ws[n + 1], dims=([1, 2], [3, 1]))
                theta = torch.tensordot(x, y, dims=([1, 2], [0, 2])).permute(0, 1, 3, 2)  # bra, out, out, bra
                l, d1, d2, r = theta.shape
                cut = split(theta.reshape(l * d1, d2 * r), chi_max=chi_max, cutoff=cutoff, absorb=way)
                lost, size = max(lost, cut.discarded), float(torch.linalg.vector_norm(cut.values))
                tensors[n], tensors[n + 1] = cut.left.reshape(l, d1, -1), cut.right.reshape(-1, d2, r)
                if way == "right":
                    left[n + 1] = from_left(n)
                else:
                    right[n + 1] = from_right(n + 1)
        if abs(size - last) <= 1e-14 * size:
            break
    lost, bound = state.discarded + lost, state.error_bound + lost**0.5
    return MPS(tuple(tensors), 0, state.log_norm, state.site, lost, bound)
