"""Perfect sampling with unitary tensor networks (arXiv:1201.3974): independent draws of basis states from |psi|^2.

With the centre on the first site the right of every bond is an isometry, so that the probability of a site's state
under those drawn before it needs nothing of what follows. All shots walk along the chain together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.mps import MPS

_TOGETHER = 4096  # shots that share a matrix product


@dataclass(frozen=True)
class Samples:
    """Basis states drawn.

    Args:
        states: (shots, sites) numbers of the sites' basis states. log_probability: (shots,) of each, natural logarithm.
    """

    states: Tensor
    log_probability: Tensor

    def counts(self) -> dict[tuple[int, ...], int]:
        """How often each was drawn."""
        rows, times = torch.unique(self.states, dim=0, return_counts=True)
        return {tuple(row): int(n) for row, n in zip(rows.tolist(), times.tolist(), strict=True)}


def sample(state: MPS, shots: int, *, seed: int = 0) -> Samples:
    """Draws from the normalised state, d chi^2 numbers a site and shot. Raises DomainError for less than one shot."""
    if shots < 1:
        raise DomainError(f"{shots} shots; give at least one")
    tensors = [t.detach() for t in state.canonical(0).normalized().tensors]
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(shots, len(tensors), generator=generator, dtype=torch.float64).to(tensors[0].device)
    parts = [_walk(tensors, part) for part in uniform.split(_TOGETHER)]
    return Samples(torch.cat([states for states, _ in parts]), torch.cat([weights for _, weights in parts]))


def _walk(tensors: list[Tensor], uniform: Tensor) -> tuple[Tensor, Tensor]:
    count = len(uniform)
    vector = tensors[0].new_ones(count, 1)
    drawn = torch.empty(uniform.shape, dtype=torch.int64, device=uniform.device)
    log_weight = torch.zeros(count, dtype=torch.float64, device=uniform.device)
    rows = torch.arange(count, device=uniform.device)
    for n, t in enumerate(tensors):
        branches = (vector @ t.flatten(1)).view(count, t.shape[1], t.shape[2])
        p = torch.linalg.vector_norm(branches, dim=2).double() ** 2
        steps = p.cumsum(1)
        which = (uniform[:, n, None] * steps[:, -1:] >= steps).sum(1).clamp(max=t.shape[1] - 1)
        chosen = p[rows, which]
        drawn[:, n] = which
        log_weight += torch.log(chosen / steps[:, -1])
        vector = branches[rows, which] / chosen.sqrt().to(branches)[:, None]
    return drawn, log_weight


def log_amplitudes(state: MPS, states: Tensor) -> Tensor:
    """log <s|psi> (shots,) complex of basis states (shots, sites) by number; -inf where it vanishes."""
    if states.ndim != 2 or states.shape[1] != len(state):
        raise DomainError(f"states of shape {tuple(states.shape)}; give (shots, {len(state)})")
    if states.numel() and not 0 <= int(states.min()) <= int(states.max()) < state.site.dimension:
        raise DomainError(
            f"states from {int(states.min())} to {int(states.max())}; give 0 to {state.site.dimension - 1}"
        )
    vector = state.tensors[0].new_ones(len(states), 1)
    found = torch.full((len(states),), complex(state.log_norm), dtype=torch.complex128, device=vector.device)
    for n, t in enumerate(state.tensors):
        branches = (vector @ t.flatten(1)).view(len(states), t.shape[1], t.shape[2])
        vector = branches.gather(1, states[:, n, None, None].expand(-1, 1, t.shape[2]))[:, 0]
        size = torch.linalg.vector_norm(vector, dim=1)
        found = found + torch.log(size)
        vector = vector / torch.where(size > 0, size, torch.ones_like(size)).to(vector)[:, None]
    return found + torch.where(vector[:, 0] == 0, -math.inf + 0j, torch.log(vector[:, 0].to(torch.complex128)))
