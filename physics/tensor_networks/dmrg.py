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
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.lanczos import lowest
from surrogates.physics.tensor_networks.measure import energy_and_variance
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import split_by_gram

_ROUNDING = 1e-13  # of |E|, below which an energy cannot settle
_EARLY = 1e-6  # of |E|: a change for which the last bond dimension but one has done its work
_VECTORS = 4  # of Lanczos at a bond


@dataclass(frozen=True)
class Sweep:
    """One sweep from end to end: energy after it, largest bond, largest discarded weight of a cut, noise added."""

    energy: float
    chi: int
    discarded: float
    noise: float


@dataclass(frozen=True)
class Schedule:
    """How a search goes on.

    Args:
        max_sweeps: from one end to the other. cutoff: discarded weight of a cut that is given up for a smaller bond.
        noise: weight of a random state mixed into the sites before each cut, by sweep. grow: sweeps at each bond
            dimension before it doubles. seed: of the noise.
    """

    max_sweeps: int = 60
    cutoff: float = 1e-14
    noise: Sequence[float] = (1e-2, 1e-2, 1e-4, 1e-4, 1e-6, 1e-6)
    grow: int = 2
    seed: int = 0


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
    schedule: Schedule | None = None,
    progress: Callable[[Sweep], Any] | None = None,
) -> GroundState:
    """The ground state of an open chain.

    Args:
        start: any state with the length and the sites of the model; its symmetries do not bind the search (see noise).
        chi_max: largest bond, reached by doubling. energy_tol: of the energy's change in a sweep.
    Raises DomainError for another length or site, and an operator that is not Hermitian.
    """
    operator = mpo(model) if isinstance(model, Hamiltonian) else model
    check(operator, start, chi_max)
    if len(start) == 1:
        return _single(operator, start)
    schedule = schedule or Schedule()
    kind = torch.promote_types(operator.dtype, start.dtype)
    tensors = [t.to(kind) for t in start.canonical(0).normalized().tensors]
    search = _Search(tensors, operator, schedule, energy_tol)
    sweeps: list[Sweep] = []
    chi, settled, energy, stay = min(chi_max, max(16, *start.bonds)), False, math.inf, 0
    for number in range(schedule.max_sweeps):
        noise = schedule.noise[number] if number < len(schedule.noise) else 0.0
        last, full = energy, chi == chi_max
        energy, lost = search.sweep(chi, noise)
        sweeps.append(Sweep(energy, max(t.shape[2] for t in tensors), lost, noise))
        if progress is not None:
            progress(sweeps[-1])
        change, stay = abs(last - energy), stay + 1
        settled = full and noise == 0 and change < max(energy_tol, _ROUNDING * abs(energy) * len(tensors))
        if settled:
            break
        # the last bond but one serves until it has nothing more to give: its sweeps cost an eighth
        ready = noise == 0 and change < _EARLY * abs(energy) if 2 * chi >= chi_max else stay >= schedule.grow
        if not full and ready:
            chi, stay = min(chi_max, 2 * chi), 0
    found = MPS(tuple(tensors), search.center, site=start.site).canonical(0).normalized()
    energy, variance = energy_and_variance(operator, found)
    return GroundState(energy, variance, sweeps[-1].discarded, settled, found, tuple(sweeps))


class _Search:
    """Tensors that change in place, with their environments."""

    def __init__(self, tensors: list[Tensor], operator: MPO, schedule: Schedule, tol: float) -> None:
        self.tensors, self.schedule, self.center = tensors, schedule, 0
        self.environments = Environments(tensors, operator.tensors, 0)
        self.generator = torch.Generator().manual_seed(schedule.seed)
        self.tol = math.sqrt(0.01 * tol / len(tensors))  # of a residual: the energy's error is its square over a gap

    def sweep(self, chi: int, noise: float) -> tuple[float, float]:
        """From the end where the centre is to the other; the last energy and the largest discarded weight."""
        count, energy, lost = len(self.tensors), 0.0, 0.0
        right = self.center == 0
        for n in range(count - 1) if right else range(count - 2, -1, -1):
            theta = torch.tensordot(self.tensors[n], self.tensors[n + 1], dims=1)
            energy, theta = lowest(self.environments.two_sites(n), theta, steps=_VECTORS, tol=self.tol)
            if noise:
                random = torch.randn(theta.shape, generator=self.generator, dtype=torch.float64).to(theta)
                theta = theta + math.sqrt(noise) * random / torch.linalg.vector_norm(random)
            l, d1, d2, r = theta.shape
            way = "right" if right else "left"
            cut = split_by_gram(theta.view(l * d1, d2 * r), chi_max=chi, cutoff=self.schedule.cutoff, absorb=way)
            lost = max(lost, cut.discarded)
            self._put(n, cut.left.reshape(l, d1, -1), cut.right.reshape(-1, d2, r), right=right)
        return energy, lost

    def _put(self, n: int, left: Tensor, right_: Tensor, *, right: bool) -> None:
        if right:
            self.tensors[n], self.tensors[n + 1] = left, right_ / torch.linalg.vector_norm(right_)
            self.environments.moved_right(n, left)
        else:
            self.tensors[n], self.tensors[n + 1] = left / torch.linalg.vector_norm(left), right_
            self.environments.moved_left(n + 1, right_)
        self.center = n + 1 if right else n


def _single(operator: MPO, start: MPS) -> GroundState:
    values, vectors = torch.linalg.eigh(operator.tensors[0][0, 0])
    state = MPS((vectors[:, 0].reshape(1, -1, 1),), 0, site=start.site)
    return GroundState(values[0].item(), 0.0, 0.0, True, state, ())


def check(operator: MPO, start: MPS, chi_max: int) -> None:
    """Raises DomainError where operator and start do not go together."""
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
