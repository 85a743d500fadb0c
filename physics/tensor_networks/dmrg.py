"""Density matrix formulation for quantum renormalization groups (10.1103/PhysRevLett.69.2863): ground states.

In the language of matrix product states (10.1016/j.aop.2010.09.012, section 6): sweep along the chain, find the lowest
state of the effective Hamiltonian of two neighbours by a few Lanczos vectors, cut it to chi values, go on. The first
sweeps run at small chi and add noise to what is cut, so that no symmetry of the start and no product state holds the
search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.lanczos import lowest
from surrogates.physics.tensor_networks.measure import energy_and_variance
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import split

_ROUNDING = 1e-13  # of |E|, below which an energy cannot settle


@dataclass(frozen=True)
class Sweep:
    """One sweep there and back: energy after it, largest bond, largest discarded weight of a cut in it, noise added."""

    energy: float
    chi: int
    discarded: float
    noise: float


@dataclass(frozen=True)
class GroundState:
    """What `dmrg` found.

    Args:
        energy: <H>. variance: <H^2> - <H>^2, which is zero for an eigenstate: some eigenvalue lies within its root of
            `energy`. discarded: largest discarded weight of a cut in the last sweep. converged: whether the energy
            changed by less than the tolerance in the last sweep. state: normalised, centred on the first site.
        sweeps: one by one.
    """

    energy: float
    variance: float
    discarded: float
    converged: bool
    state: MPS
    sweeps: tuple[Sweep, ...]


def dmrg(
    model: Hamiltonian | MPO,
    start: MPS,
    *,
    chi_max: int = 128,
    energy_tol: float = 1e-9,
    cutoff: float = 1e-14,
    max_sweeps: int = 30,
    noise: Sequence[float] = (1e-2, 1e-4, 1e-6),
    seed: int = 0,
    progress: Callable[[Sweep], Any] | None = None,
) -> GroundState:
    """The ground state of an open chain.

    Args:
        start: any state with the length and the sites of the model; its symmetries do not bind the search (see noise).
        chi_max: largest bond, reached by doubling from sweep to sweep. energy_tol: of the energy's change in a sweep.
        cutoff: discarded weight of a cut that is given up for a smaller bond.
        noise: weight of a random state mixed into the two sites before each cut, by sweep.
    Raises DomainError for another length or site, and an operator that is not Hermitian.
    """
    operator = mpo(model) if isinstance(model, Hamiltonian) else model
    _check(operator, start, chi_max)
    kind = torch.promote_types(operator.dtype, start.dtype)
    state = start.canonical(0).normalized()
    tensors, count = [t.to(kind) for t in state.tensors], len(state)
    if count == 1:
        return _single(operator, start)
    environments, generator = Environments(tensors, operator.tensors, 0), torch.Generator().manual_seed(seed)
    sweeps: list[Sweep] = []
    chi, settled, energy = min(chi_max, max(16, *state.bonds)), False, math.inf
    for number in range(max_sweeps):
        extra = noise[number] if number < len(noise) else 0.0
        last = energy
        energy, lost = _sweep(tensors, environments, chi, cutoff, extra, generator, careful=number > 3)
        sweeps.append(Sweep(energy, max(t.shape[2] for t in tensors), lost, extra))
        if progress is not None:
            progress(sweeps[-1])
        limit = max(energy_tol, _ROUNDING * abs(energy) * count)
        settled = extra == 0 and chi == chi_max and abs(last - energy) < limit
        if settled:
            break
        chi = min(chi_max, 2 * chi)
    found = MPS(tuple(tensors), 0, site=start.site).normalized()
    energy, variance = energy_and_variance(operator, found)
    return GroundState(energy, variance, sweeps[-1].discarded, settled, found, tuple(sweeps))


def _sweep(
    tensors: list[torch.Tensor],
    environments: Environments,
    chi: int,
    cutoff: float,
    noise: float,
    generator: torch.Generator,
    *,
    careful: bool,
) -> tuple[float, float]:
    """To the right end and back, in place; the last energy and the largest discarded weight."""
    count, energy, lost = len(tensors), 0.0, 0.0
    path = [(n, "right") for n in range(count - 1)] + [(n, "left") for n in range(count - 2, -1, -1)]
    for n, direction in path:
        theta = torch.tensordot(tensors[n], tensors[n + 1], dims=1)
        steps = 4 if careful else 3
        energy, theta = lowest(environments.two_sites(n), theta, steps=steps, tol=1e-10)
        if noise:
            random = torch.randn(theta.shape, generator=generator, dtype=torch.float64).to(theta)
            theta = theta + math.sqrt(noise) * random / torch.linalg.vector_norm(random)
        l, d1, d2, r = theta.shape
        cut = split(theta.reshape(l * d1, d2 * r), chi_max=chi, cutoff=cutoff, absorb=direction)
        lost = max(lost, cut.discarded)
        size = torch.linalg.vector_norm(cut.values)
        left, right = cut.left, cut.right
        if direction == "right":
            right = right / size
        else:
            left = left / size
        tensors[n], tensors[n + 1] = left.reshape(l, d1, -1), right.reshape(-1, d2, r)
        if direction == "right" and n < count - 2:
            environments.moved_right(n, tensors[n])
        elif direction == "left" and n > 0:
            environments.moved_left(n + 1, tensors[n + 1])
    return energy, lost


def _single(operator: MPO, start: MPS) -> GroundState:
    values, vectors = torch.linalg.eigh(operator.tensors[0][0, 0])
    state = MPS((vectors[:, 0].reshape(1, -1, 1),), 0, site=start.site)
    return GroundState(values[0].item(), 0.0, 0.0, True, state, ())


def _check(operator: MPO, start: MPS, chi_max: int) -> None:
    if len(operator) != len(start):
        raise DomainError(f"the operator has {len(operator)} sites and the start {len(start)}; give equal lengths")
    if operator.tensors[0].shape[2] != start.site.dimension:
        raise DomainError(
            f"the operator acts on {operator.tensors[0].shape[2]} states a site, the start has {start.site.dimension}"
        )
    if chi_max < 1:
        raise DomainError(f"chi_max={chi_max}; give at least 1")
    if not operator.hermitian():
        raise DomainError("the operator is not Hermitian, so it has no ground state; add the adjoint of each term")
