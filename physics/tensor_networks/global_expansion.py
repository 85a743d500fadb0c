"""Time Dependent Variational Principle with Ancillary Krylov Subspace (arXiv:2005.06104): bonds that grow by H.

The state is not changed; its right bases take up the largest directions of H |psi>, H^2 |psi>, ... that they lack, so
that an evolution by one site, which keeps its bases, can leave a product state or follow a long-ranged H.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from surrogates.physics.tensor_networks.apply import apply
from surrogates.physics.tensor_networks.mpo import MPO
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import kept


def expand(operator: MPO, state: MPS, *, chi_max: int, krylov: int = 2, tol: float = 1e-10) -> MPS:
    """The same state, normalised, with larger bonds; centre on the first site.

    Args:
        krylov: powers of H. tol: weight of the Krylov states, each of norm one, that may stay outside at a bond.
    Raises DomainError for another length or site.
    """
    last, others, latest = len(state) - 1, list[MPS](), state.normalized()
    for _ in range(krylov):
        latest = apply(operator, latest, chi_max=chi_max, cutoff=1e-12).normalized()
        others.append(latest)
    kind = others[0].dtype if others else state.dtype
    chains = [[t.to(kind) for t in s.canonical(last).normalized().tensors] for s in (state, *others)]
    centers, tensors = [chain[last] for chain in chains], [*chains[0]]
    for n in range(last, 0, -1):
        _, s, v = torch.linalg.svd(centers[0].flatten(1), full_matrices=False)
        basis = v[: max(1, int((s > 1e-14 * s[0]).sum()))]
        room = min(chi_max, tensors[n].shape[1] * centers[0].shape[2]) - len(basis)
        outside = torch.cat([m.flatten(1) for m in centers[1:]]) if others and room > 0 else basis[:0]
        outside = outside - (outside @ basis.mH) @ basis
        outside = outside - (outside @ basis.mH) @ basis
        _, values, new = torch.linalg.svd(outside, full_matrices=False)
        weight = values**2
        count = int((weight.flip(0).cumsum(0).flip(0) > tol).sum()) if len(weight) else 0
        count = min(count, room, kept(values, None, 0.0)) if count else 0
        whole, _ = torch.linalg.qr(torch.cat([basis, new[:count]]).mH)  # rows are orthonormal but for rounding
        whole = whole.mH
        shape = centers[0].shape
        tensors[n] = whole.reshape(-1, *shape[1:])
        centers = [
            torch.tensordot(chain[n - 1], m.flatten(1) @ whole.mH, dims=1)
            for chain, m in zip(chains, centers, strict=True)
        ]
    tensors[0] = centers[0]
    return replace(state, tensors=tuple(tensors), center=0, log_norm=0.0).normalized()
