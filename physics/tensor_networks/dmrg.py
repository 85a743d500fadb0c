"""Density matrix formulation for quantum renormalization groups (10.1103/PhysRevLett.69.2863): ground states.

In the language of matrix product states (10.1016/j.aop.2010.09.012, section 6): sweep along the chain, find the lowest
state of the effective Hamiltonian of two neighbours by a few Lanczos vectors, cut it to chi values, go on. The first
sweeps run at small chi and add noise to what is cut, so that no symmetry of the start and no product state holds the
search.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks import subspace_expansion as expansion
from surrogates.physics.tensor_networks.charged_dmrg import ChargedSearch
from surrogates.physics.tensor_networks.charges import charged_mpo
from surrogates.physics.tensor_networks.effective import OneSite, TwoSite
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.estimates import Sweep, check_memory, estimate, warn_of_truncation
from surrogates.physics.tensor_networks.lanczos import Lowest, lowest
from surrogates.physics.tensor_networks.measure import energy_and_variance
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.overlaps import Overlaps
from surrogates.physics.tensor_networks.truncate import split_by_gram

_ROUNDING = 1e-13  # of |E|, below which an energy cannot settle
_EARLY = 1e-6  # of |E|: a change for which the last bond dimension but one has done its work
_VECTORS = 4  # of Lanczos at a bond
_COARSE = 1e-3  # residual in the first sweeps
_ALPHA = 0.1  # of subspace expansion at the start
_MIXED = 1e-6  # overlap squared with a state that was to be kept away


@dataclass(frozen=True)
class Schedule:
    """How a search goes on.

    Args:
        max_sweeps: from one end to the other. cutoff: discarded weight of a cut that is given up for a smaller bond.
        noise: weight of a random state mixed into the sites before each cut, by sweep. grow: sweeps at each bond
            dimension before it doubles. penalty: energy of an overlap with a state that is kept away,
            larger than the gap. seed: of the noise. accuracy: wanted of the energy; where chi_max is too small for it a
            SurrogatesWarning tells the estimated error and the bond dimension that would do.
    """

    max_sweeps: int = 60
    cutoff: float = 1e-14
    noise: Sequence[float] = (1e-2, 1e-4, 1e-6)
    grow: int = 1
    penalty: float = 20.0
    seed: int = 0
    accuracy: float | None = None


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

    @property
    def error_estimate(self) -> float:
        """By how much truncation raises the energy: its line against the discarded weight, drawn through the last sweep
        of each of the two largest bond dimensions, ends that far below. nan where there are no two without noise.
        """
        return estimate(self.sweeps)[0]


def dmrg(
    model: Hamiltonian | MPO,
    start: MPS,
    *,
    chi_max: int = 128,
    energy_tol: float = 1e-9,
    sites: str = "two",
    above: Sequence[MPS] = (),
    conserve: str | None = None,
    schedule: Schedule | None = None,
    progress: Callable[[Sweep], Any] | None = None,
) -> GroundState:
    """The ground state of an open chain, or the lowest state that is orthogonal to others.

    Args:
        start: any state with the length and the sites of the model; its symmetries do not bind the search (see noise).
        chi_max: largest bond, reached by doubling. energy_tol: of the energy's change in a sweep.
        sites: "two" at a time, or "one" with subspace expansion, which costs less where d is large. above: states
            below the one that is wanted; each costs `schedule.penalty` of energy per overlap. conserve: a diagonal
            operator such as "Sz" or "n" that the model conserves: the search stays in the start's sector, in blocks.
    Raises DomainError for another length or site, an operator that is not Hermitian, and another `sites`.
    """
    operator = mpo(model) if isinstance(model, Hamiltonian) else model
    check(operator, start, chi_max)
    check_memory(operator, start.dtype, chi_max)
    if sites not in ("one", "two"):
        raise DomainError(f"sites={sites!r}; choose one or two")
    for other in above:
        check(operator, other, chi_max)
    if len(start) == 1:
        return _single(operator, start, len(above))
    schedule = schedule or Schedule()
    search: _Search | ChargedSearch
    if conserve is not None:
        if not isinstance(model, Hamiltonian) or sites == "one" or above:
            raise DomainError("conserve goes with a model of terms, two sites at a time, and no states above; drop one")
        charged = charged_mpo(model, conserve)
        search = ChargedSearch(charged, start, schedule.cutoff, schedule.seed)
    else:
        search = _Search(operator, start, above, schedule)
    sweep_once = search.one_site if isinstance(search, _Search) and sites == "one" else search.two_sites
    # of residuals: an energy's error is their square over a gap, so they follow the changes of the energy down
    finest, search.tol = 0.1 * math.sqrt(energy_tol / len(start)), _COARSE
    sweeps: list[Sweep] = []
    chi, settled, energy, stay = min(chi_max, max(1, min(16, chi_max // 2), *start.bonds)), False, math.inf, 0
    for number in range(schedule.max_sweeps):
        noise = schedule.noise[number] if number < len(schedule.noise) else 0.0
        last, full = energy, chi == chi_max
        energy, lost = sweep_once(chi, noise)
        sweeps.append(Sweep(energy, search.widest(), lost, noise, chi))
        if progress is not None:
            progress(sweeps[-1])
        change, stay = abs(last - energy), stay + 1
        search.tol = max(finest, min(_COARSE, 0.1 * math.sqrt(change / len(start))))
        quiet = noise == 0 and search.alpha == 0
        settled = full and quiet and change < max(energy_tol, _ROUNDING * abs(energy) * len(start))
        if settled:
            break
        # the last bond but one serves until it has nothing more to give: its sweeps cost an eighth (not so in blocks)
        early = noise == 0 and change < _EARLY * abs(energy)
        if full and early:
            search.alpha = 0.0
        if not full and (early if 2 * chi >= chi_max and conserve is None else stay >= schedule.grow):
            chi, stay = min(chi_max, 2 * chi), 0
    if schedule.accuracy is not None:
        warn_of_truncation(sweeps, chi_max, schedule.accuracy)
    known = search.energy_and_variance() if isinstance(search, ChargedSearch) else None
    found = search.state(start).canonical(0).normalized()
    settled = settled and all(found.fidelity(other) < _MIXED for other in above)
    energy, variance = energy_and_variance(operator, found) if known is None else known
    return GroundState(energy, variance, sweeps[-1].discarded, settled, found, tuple(sweeps))


class _Search:
    """Tensors that change in place, with their environments; `alpha` is the weight of subspace expansion."""

    def __init__(self, operator: MPO, start: MPS, above: Sequence[MPS], schedule: Schedule) -> None:
        kind = functools.reduce(torch.promote_types, (o.dtype for o in (start, *above)), operator.dtype)
        self.tensors, self.center = [t.to(kind) for t in start.canonical(0).normalized().tensors], 0
        self.schedule, self.alpha = schedule, 0.0
        self.environments = Environments(self.tensors, operator.tensors, 0)
        self.overlaps = Overlaps(above, self.tensors, 0)
        self.generator = torch.Generator().manual_seed(schedule.seed)
        self.tol = _COARSE
        self.fresh = True

    def widest(self) -> int:
        """The largest bond."""
        return max(t.shape[2] for t in self.tensors)

    def state(self, like: MPS) -> MPS:
        """As it is now, of the same sites."""
        return MPS(tuple(self.tensors), self.center, site=like.site)

    def two_sites(self, chi: int, noise: float) -> tuple[float, float]:
        """From the end where the centre is to the other; the last energy and the largest discarded weight."""
        count, energy, lost = len(self.tensors), 0.0, 0.0
        right = self.center == 0
        for n in range(count - 1) if right else range(count - 2, -1, -1):
            theta = torch.tensordot(self.tensors[n], self.tensors[n + 1], dims=1)
            found = self._lowest(self.environments.two_sites(n), theta, n, 2)
            energy, theta = found.value, found.vector
            if noise:
                theta = theta + self._random(theta, noise)
            l, d1, d2, r = theta.shape
            way = "right" if right else "left"
            cut = split_by_gram(theta.view(l * d1, d2 * r), chi_max=chi, cutoff=self.schedule.cutoff, absorb=way)
            lost = max(lost, cut.discarded)
            self._put(n, cut.left.reshape(l, d1, -1), cut.right.reshape(-1, d2, r), right=right)
        return energy, lost

    def one_site(self, chi: int, noise: float) -> tuple[float, float]:
        """Likewise, one site at a time."""
        if self.fresh:
            self.alpha, self.fresh = _ALPHA, False
        count, energy, lost, reached = len(self.tensors), 0.0, 0.0, math.nan
        right, t = self.center == 0, self.tensors
        for n in range(count) if right else range(count - 1, -1, -1):
            start = t[n] + self._random(t[n], noise) if noise else t[n]
            found = self._lowest(self.environments.one_site(n), start, n, 1)
            if self.alpha and not math.isnan(reached):
                self.alpha = expansion.next_alpha(self.alpha, found.before - found.value, found.before - reached)
            reached, energy, here = found.value, found.value, found.vector
            t[n] = here
            beside = n + 1 if right else n - 1
            if not 0 <= beside < count:
                break
            half = self.environments.left_half(n) if right else self.environments.right_half(n)
            random = self._random(here, noise) if noise else None
            whole = expansion.expanded(half, here, self.alpha, random, right=right)
            size = here.shape[2] if right else here.shape[0]
            kept, taken, weight = expansion.cut(whole, size, chi=chi, cutoff=self.schedule.cutoff, right=right)
            lost, taken = max(lost, weight), taken / torch.linalg.vector_norm(taken)
            if right:
                self._put(n, kept.reshape(*here.shape[:2], -1), torch.tensordot(taken, t[beside], dims=1), right=True)
            else:
                before = torch.tensordot(t[beside], taken, dims=1)
                self._put(beside, before, kept.reshape(-1, *here.shape[1:]), right=False)
        return energy, lost

    def _lowest(self, apply: TwoSite | OneSite, start: Tensor, n: int, sites: int) -> Lowest:
        kept_away = self.overlaps.above(apply, n, sites, self.schedule.penalty)
        return lowest(kept_away, start, steps=_VECTORS, tol=self.tol)

    def _random(self, like: Tensor, weight: float) -> Tensor:
        random = torch.randn(like.shape, generator=self.generator, dtype=torch.float64).to(like)
        return math.sqrt(weight) * random / torch.linalg.vector_norm(random)

    def _put(self, n: int, left: Tensor, right_: Tensor, *, right: bool) -> None:
        """New tensors on sites n and n + 1, the centre on the second on the way to the right."""
        if right:
            self.tensors[n], self.tensors[n + 1] = left, right_ / torch.linalg.vector_norm(right_)
            self.environments.moved_right(n, left)
            self.overlaps.moved_right(n, left)
        else:
            self.tensors[n], self.tensors[n + 1] = left / torch.linalg.vector_norm(left), right_
            self.environments.moved_left(n + 1, right_)
            self.overlaps.moved_left(n + 1, right_)
        self.center = n + 1 if right else n


def _single(operator: MPO, start: MPS, level: int) -> GroundState:
    values, vectors = torch.linalg.eigh(operator.tensors[0][0, 0])
    state = MPS((vectors[:, level].reshape(1, -1, 1),), 0, site=start.site)
    return GroundState(values[level].item(), 0.0, 0.0, True, state, ())


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
