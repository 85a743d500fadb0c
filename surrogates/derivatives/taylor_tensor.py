"""Taylor tensors of a network about a point: u(x0 + h) = T_0 + T_1 h + T_2 h h + ...

They are what A Neural Network Perturbation Theory Based on the Born Series (arXiv:2009.03192) writes as a sum over
trees of propagators (products of weights) and vertices (derivatives of activations); here they come from Taylor jets,
for any module.
With D_k(v) = d^k/dt^k u(x0 + t v), the partial d^a u of order k = |a| is a k-fold forward difference,

    d^a u = 1/k! sum over 0 <= n <= a of (-1)^(k - |n|) prod C(a_i, n_i) D_k(n),

and the entries of T_k at the axes of a are d^a u / k!.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from surrogates.derivatives.propagate import HIGHEST, jet
from surrogates.physics.errors import DomainError

_AT_ONCE = 4096  # directions of a jet
_MOST = 1 << 18  # directions in all; every entry of a tensor is written out beside them


def taylor_tensor(u: Any, x0: Tensor, order: int) -> tuple[Tensor, ...]:
    """(T_0, ..., T_order), T_k about x0 (d,), of shape (outputs, d, ..., d) with k axes of size d, symmetric.

    The graph to the parameters of u is kept. (d + order)! / d! / order! directions are followed: 45 for d = 8 and
    order 2, 6545 for d = 32 and order 3. Raises DomainError for an x0 that is no vector, orders above 6 and tensors too
    large to be written out.
    """
    if x0.ndim != 1:
        raise DomainError(f"x0 has shape {tuple(x0.shape)}; give one point, (d,)")
    if type(order) is not int or not 0 <= order <= HIGHEST:
        raise DomainError(f"order {order} is not among 0 to {HIGHEST}; jets reach no further")
    if order == 0:
        return (u(x0[None])[0],)
    d = len(x0)
    if math.comb(d + order, order) > _MOST or d**order > 64 * _MOST:
        raise DomainError(
            f"the tensors of order {order} in {d} coordinates need {math.comb(d + order, order)} directions and have "
            f"{d**order} entries; take a lower order, or single partials"
        )
    corners = [a for k in range(1, order + 1) for a in itertools.combinations_with_replacement(range(d), k)]
    place = {axes: row for row, axes in enumerate(corners)}
    vectors = torch.zeros(len(corners), d, dtype=x0.dtype, device=x0.device)
    for axes, row in place.items():
        for axis in axes:
            vectors[row, axis] += 1
    parts = [jet(u, x0[None], v, order) for v in vectors.split(_AT_ONCE)]
    found = [parts[0][0][0]]
    for k in range(1, order + 1):
        along = torch.cat([p[k] for p in parts])[:, 0]  # D_k of each corner, (corners, outputs)
        found.append(_tensor(k, d, place, along))
    return tuple(found)


def _tensor(k: int, d: int, place: dict[tuple[int, ...], int], along: Tensor) -> Tensor:
    entries, rows, columns, values = {}, [], [], []
    for entry, axes in enumerate(itertools.combinations_with_replacement(range(d), k)):
        entries[axes] = entry
        for size in range(1, k + 1):
            for chosen in itertools.combinations(axes, size):  # a subset of the k steps: C(a_i, n_i) of them are equal
                rows.append(entry)
                columns.append(place[chosen])
                values.append((-1) ** (k - size) / math.factorial(k) ** 2)
    spread = along.new_tensor(values)[:, None] * along[columns]
    packed = along.new_zeros(len(entries), along.shape[1]).index_add(0, torch.tensor(rows, device=along.device), spread)
    where = [entries[tuple(sorted(axes))] for axes in itertools.product(range(d), repeat=k)]
    return packed[where].T.reshape(along.shape[1], *[d] * k)
