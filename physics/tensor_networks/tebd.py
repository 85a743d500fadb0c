"""Time-evolving block decimation (arXiv:quant-ph/0310089): Trotter steps of two-site gates, each followed by a cut.

For Hamiltonians of neighbours. Order 2 is Strang's splitting with the half steps of neighbouring steps merged; order 4
that of Forest and Ruth (10.1016/0167-2789(90)90019-L), three of them with lengths s, 1 - 2 s, s, s = 1 / (2 - 2^(1/3)).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.center import carried
from surrogates.physics.tensor_networks.evolution import Evolution, Measure, Record, steps_of
from surrogates.physics.tensor_networks.measure import expect_operator
from surrogates.physics.tensor_networks.mpo import mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import split_by_gram

_FOREST_RUTH = 1 / (2 - 2 ** (1 / 3))


def tebd(
    model: Hamiltonian,
    start: MPS,
    *,
    time: float | int,
    dt: float | int,
    chi_max: int = 64,
    cutoff: float = 1e-12,
    order: int = 2,
    imaginary: bool = False,
    measure: Measure | None = None,
    every: int = 1,
) -> Evolution:
    """exp(-i H t) |start>, or exp(-H t) |start> normalised with `imaginary`.

    Args as in `tdvp`; order: 2 or 4. Raises DomainError for terms that reach beyond neighbours (use tdvp), another
    order, or what tdvp refuses.
    """
    if order not in (2, 4):
        raise DomainError(f"order={order}; choose 2 or 4")
    if model.length != len(start) or model.dimension != start.site.dimension:
        raise DomainError(f"the model has {model.length} sites and the start {len(start)}; give equal ones")
    count, bonds = steps_of(time, dt), bond_hamiltonians(model)
    state = start.canonical(0).normalized()
    if not imaginary or any(h.imag.any() for h in bonds):
        state = replace(state, tensors=tuple(t.to(torch.complex128) for t in state.tensors))
    operator = mpo(model)
    record = Record(measure or {}, lambda s: expect_operator(operator, s).real)
    record.take(0.0, state, 1.0)
    chain = _Chain(state, bonds, -1.0 if imaginary else -1j, chi_max, cutoff)
    lengths = [1.0] if order == 2 else [_FOREST_RUTH, 1 - 2 * _FOREST_RUTH, _FOREST_RUTH]
    for number in range(1, count + 1):
        last = number % every == 0 or number == count
        chain.step(float(dt), lengths, first=(number - 1) % every == 0, last=last)
        if last:
            state = replace(state, tensors=tuple(chain.tensors), center=chain.center)
            record.take(number * dt, state.normalized(), chain.norm, chain.log_norm)
    return record.done(state.normalized(), chain.discarded, chain.bound)


def bond_hamiltonians(model: Hamiltonian) -> list[Tensor]:
    """H as a sum over bonds (d^2, d^2) complex; a site's own terms are shared by its bonds."""
    d, count = model.dimension, model.length
    bonds = [torch.zeros(d * d, d * d, dtype=torch.complex128) for _ in range(max(1, count - 1))]
    one = torch.eye(d, dtype=torch.complex128)
    for coefficient, matrices in model.strings():
        sites = sorted(matrices)
        if len(sites) > 2 or (len(sites) == 2 and sites[1] - sites[0] != 1) or count < 2:
            raise DomainError(f"a term acts on sites {sites}; tebd takes neighbours only, use tdvp")
        local = [torch.as_tensor(matrices[s]).to(torch.complex128) for s in sites]
        if len(sites) == 2:
            bonds[sites[0]] += coefficient * torch.kron(local[0], local[1])
            continue
        if not sites:
            bonds[0] += coefficient * torch.eye(d * d)
            continue
        near = [b for b in (sites[0] - 1, sites[0]) if 0 <= b < count - 1]
        for b in near:
            whole = torch.kron(local[0], one) if b == sites[0] else torch.kron(one, local[0])
            bonds[b] += coefficient / len(near) * whole
    return bonds


class _Chain:
    """Tensors with a moving centre, and the gates by length of time step."""

    def __init__(self, state: MPS, bonds: list[Tensor], rate: complex | float, chi_max: int, cutoff: float) -> None:
        self.tensors, self.center, self.d = list(state.tensors), 0, state.site.dimension
        self.bonds, self.rate, self.chi_max, self.cutoff = bonds, rate, chi_max, cutoff
        self.discarded, self.bound, self.norm, self.log_norm = 0.0, 0.0, 1.0, 0.0
        self.gates: dict[float, list[Tensor]] = {}

    def step(self, dt: float, lengths: list[float], *, first: bool, last: bool) -> None:
        """Even half, odd, even half of each length; halves that meet are merged, also between steps."""
        for n, length in enumerate(lengths):
            if n == 0 and first:
                self._layer(0, dt * length / 2)
            self._layer(1, dt * length)
            following = lengths[n + 1] if n + 1 < len(lengths) else (0.0 if last else lengths[0])
            self._layer(0, dt * (length + following) / 2)
        if self.rate == -1.0:
            t = self.tensors[self.center]
            size = torch.linalg.vector_norm(t)
            self.tensors[self.center], self.log_norm = t / size, self.log_norm + math.log(size)
        self.norm = float(torch.linalg.vector_norm(self.tensors[self.center]))

    def _layer(self, parity: int, dt: float) -> None:
        if dt not in self.gates:
            self.gates[dt] = [self._gate(h, dt) for h in self.bonds]
        own = range(parity, len(self.bonds), 2)
        forward = self.center < len(self.tensors) // 2
        for bond in own if forward else reversed(own):
            self.center = carried(self.tensors, self.center, bond if forward else bond + 1)
            self._apply(bond, self.gates[dt][bond], forward=forward)

    def _gate(self, h: Tensor, dt: float) -> Tensor:
        gate = torch.linalg.matrix_exp(self.rate * dt * h)
        real = self.tensors[0].dtype == torch.float64
        return gate.real.contiguous() if real else gate

    def _apply(self, n: int, gate: Tensor, *, forward: bool) -> None:
        theta = torch.tensordot(self.tensors[n], self.tensors[n + 1], dims=1)
        l, d1, d2, r = theta.shape
        theta = torch.matmul(gate, theta.reshape(l, d1 * d2, r)).reshape(l * d1, d2 * r)
        way = "right" if forward else "left"
        cut = split_by_gram(theta, chi_max=self.chi_max, cutoff=self.cutoff, absorb=way)
        self.discarded, self.bound = self.discarded + cut.discarded, self.bound + cut.discarded**0.5
        self.tensors[n], self.tensors[n + 1] = cut.left.reshape(l, d1, -1), cut.right.reshape(-1, d2, r)
        self.center = n + 1 if forward else n
