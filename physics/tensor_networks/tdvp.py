"""Unifying time evolution and optimization with matrix product states (arXiv:1408.5056): the time-dependent variational
principle, by one or two sites.

Each site (pair of sites) is evolved under its effective Hamiltonian, then the part that the next one will evolve again
is taken back; sweeping there and back by dt / 2 is of second order and time-reversible. Two sites let bonds grow and
truncate; one site keeps bonds, norm and energy exactly. Works for every operator, long-ranged ones too.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.evolution import Evolution, Measure, Record, steps_of
from surrogates.physics.tensor_networks.global_expansion import expand
from surrogates.physics.tensor_networks.lanczos import exponential
from surrogates.physics.tensor_networks.measure import expect_operator
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import split_by_gram


def tdvp(
    model: Hamiltonian | MPO,
    start: MPS,
    *,
    time: float | int,
    dt: float | int,
    chi_max: int = 64,
    cutoff: float = 1e-12,
    sites: str = "auto",
    imaginary: bool = False,
    measure: Measure | None = None,
    every: int = 1,
) -> Evolution:
    """exp(-i H t) |start>, or exp(-H t) |start> normalised with `imaginary`.

    Args:
        time, dt: end and step, in inverse units of the model. chi_max, cutoff: largest bond, and discarded weight of a
            cut given up for a smaller one (two sites). sites: "two" grows bonds, "one" keeps those of the start (a
            product state stays one), "expand" one after growing bonds by global subspace expansion, "auto" two until
            the largest bond is chi_max, then one.
        measure: what is measured at the start and after each `every` steps.
    Raises DomainError for another length, a time that is no multiple of dt, and an operator that is not Hermitian.
    """
    operator = mpo(model) if isinstance(model, Hamiltonian) else model
    if len(operator) != len(start) or operator.tensors[0].shape[2] != start.site.dimension:
        raise DomainError(
            f"the operator has {len(operator)} sites of {operator.tensors[0].shape[2]} states, the start {len(start)} "
            f"of {start.site.dimension}; give equal ones"
        )
    if not operator.hermitian():
        raise DomainError("the operator is not Hermitian; an evolution needs a Hamiltonian")
    if sites not in ("auto", "one", "two", "expand"):
        raise DomainError(f"sites={sites!r}; choose auto, one, two or expand")
    count = steps_of(time, dt)
    state = start.canonical(0).normalized()
    kind = torch.promote_types(state.dtype, operator.dtype) if imaginary else torch.complex128
    state = replace(state, tensors=tuple(t.to(kind) for t in state.tensors))
    record = Record(measure or {}, lambda s: expect_operator(operator, s).real)
    record.take(0.0, state, 1.0)
    stepper = _Stepper(operator, state, -1.0 if imaginary else -1j, chi_max, cutoff)
    for number in range(1, count + 1):
        two = sites == "two" or (sites == "auto" and max((t.shape[2] for t in stepper.tensors), default=1) < chi_max)
        if sites == "expand":
            stepper.expand()
        stepper.step(float(dt), two=two and len(start) > 1)
        if number % every == 0 or number == count:
            state = replace(state, tensors=tuple(stepper.tensors), center=0)
            record.take(number * dt, state.normalized(), stepper.norm, stepper.log_norm)
    return record.done(state.normalized(), stepper.discarded, stepper.bound)


class _Stepper:
    """Tensors and environments of a state centred on site 0, between two steps."""

    def __init__(self, operator: MPO, state: MPS, rate: complex | float, chi_max: int, cutoff: float) -> None:
        self.tensors, self.operator, self.site = list(state.tensors), operator, state.site
        self.environments = Environments(self.tensors, operator.tensors, 0)
        self.rate, self.chi_max, self.cutoff = rate, chi_max, cutoff
        self.discarded, self.bound, self.norm, self.log_norm = 0.0, 0.0, 1.0, 0.0

    def step(self, dt: float, *, two: bool) -> None:
        """dt / 2 to the right, dt / 2 back."""
        sweep = self._two if two else self._one
        sweep(dt / 2, right=True)
        sweep(dt / 2, right=False)
        if self.rate == -1.0:
            size = torch.linalg.vector_norm(self.tensors[0])
            self.tensors[0], self.log_norm = self.tensors[0] / size, self.log_norm + math.log(size)
        self.norm = float(torch.linalg.vector_norm(self.tensors[0]))

    def expand(self) -> None:
        """Larger bonds for the same state, while the largest is below chi_max."""
        if max((t.shape[2] for t in self.tensors), default=1) < self.chi_max:
            grown = expand(self.operator, MPS(tuple(self.tensors), 0, site=self.site), chi_max=self.chi_max)
            self.tensors = list(grown.tensors)
            self.tensors[0] = self.tensors[0] * self.norm
            self.environments = Environments(self.tensors, self.operator.tensors, 0)

    def _two(self, dt: float, *, right: bool) -> None:
        t, env, count = self.tensors, self.environments, len(self.tensors)
        for n in range(count - 1) if right else range(count - 2, -1, -1):
            theta = exponential(env.two_sites(n), self.rate * dt, torch.tensordot(t[n], t[n + 1], dims=1))
            l, d1, d2, r = theta.shape
            way = "right" if right else "left"
            cut = split_by_gram(theta.reshape(l * d1, d2 * r), chi_max=self.chi_max, cutoff=self.cutoff, absorb=way)
            self.discarded, self.bound = self.discarded + cut.discarded, self.bound + cut.discarded**0.5
            t[n], t[n + 1] = cut.left.reshape(l, d1, -1), cut.right.reshape(-1, d2, r)
            if right and n < count - 2:
                env.moved_right(n, t[n])
                t[n + 1] = exponential(env.one_site(n + 1), -self.rate * dt, t[n + 1])
            elif not right and n > 0:
                env.moved_left(n + 1, t[n + 1])
                t[n] = exponential(env.one_site(n), -self.rate * dt, t[n])

    def _one(self, dt: float, *, right: bool) -> None:
        t, env, count = self.tensors, self.environments, len(self.tensors)
        for n in range(count) if right else range(count - 1, -1, -1):
            t[n] = exponential(env.one_site(n), self.rate * dt, t[n])
            if right and n < count - 1:
                q, r = torch.linalg.qr(t[n].flatten(0, 1))
                t[n] = q.reshape(*t[n].shape[:2], -1)
                env.moved_right(n, t[n])
                t[n + 1] = torch.tensordot(self._back(n + 1, r, dt), t[n + 1], dims=1)
            elif not right and n > 0:
                q, r = torch.linalg.qr(t[n].flatten(1).mT)
                t[n] = q.mT.reshape(-1, *t[n].shape[1:])
                env.moved_left(n, t[n])
                t[n - 1] = torch.tensordot(t[n - 1], self._back(n, r.mT, dt), dims=1)

    def _back(self, n: int, bond: Tensor, dt: float) -> Tensor:
        """The bond between sites n - 1 and n, taken back in time."""
        return exponential(self.environments.bond(n), -self.rate * dt, bond)
