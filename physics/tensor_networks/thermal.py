"""Matrix product density operators (10.1103/PhysRevLett.93.207204): thermal states by purification.

Every site gets a partner that nothing acts on. At infinite temperature each pair is maximally entangled; imaginary time
beta / 2 then makes exp(-beta H / 2), whose square, the partners traced out, is exp(-beta H). The chain of pairs is an
ordinary one with sites of dimension d^2, so all evolutions and measurements serve it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.sites import Site
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.evolution import Measure, steps_of
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.tdvp import tdvp
from surrogates.physics.tensor_networks.tebd import tebd


@dataclass(frozen=True)
class Cooling:
    """Thermal expectation values on the way down.

    Args:
        betas: (n,) inverse temperatures, from 0. energy: (n,) <H>. log_partition: (n,) log tr exp(-beta H).
        measured: by name, (n, sites) or what a function of the purified state gave. state: the purification at the
            last temperature. discarded, error_bound: as in Evolution.
    """

    betas: Tensor
    energy: Tensor
    log_partition: Tensor
    measured: dict[str, Tensor]
    state: MPS
    discarded: float
    error_bound: float

    @property
    def free_energy(self) -> Tensor:
        """-log Z / beta (n,); minus infinity at beta = 0."""
        return -self.log_partition / self.betas


def with_partners(model: Hamiltonian) -> Hamiltonian:
    """The same terms on sites of dimension d^2, their partners untouched."""
    return Hamiltonian(model.length, model.terms, _paired(model.site))


def infinite_temperature(model: Hamiltonian) -> MPS:
    """Each site maximally entangled with its partner."""
    d = model.dimension
    return MPS.product([torch.eye(d, dtype=torch.float64).flatten() / math.sqrt(d)] * model.length, _paired(model.site))


def cool(
    model: Hamiltonian,
    *,
    beta: float | int,
    step: float | int = 0.05,
    chi_max: int = 64,
    cutoff: float = 1e-12,
    method: str = "tebd",
    measure: Measure | None = None,
    every: int = 1,
) -> Cooling:
    """From infinite temperature down to 1 / beta, in steps of `step` in beta.

    Args:
        method: "tebd" of order 4, for terms of neighbours, or "tdvp" with two sites, for all. measure, every: as in
            tebd; operators are those of the model's site, which act on the physical half. chi_max, cutoff: as there.
    Raises DomainError as the evolutions do, and for another method.
    """
    if method not in ("tebd", "tdvp"):
        raise DomainError(f"method={method!r}; choose tebd or tdvp")
    steps_of(beta, step)
    paired, start = with_partners(model), infinite_temperature(model)
    half = {"time": beta / 2, "dt": step / 2, "chi_max": chi_max, "cutoff": cutoff, "imaginary": True}
    if method == "tebd":
        found = tebd(paired, start, order=4, measure=measure, every=every, **half)  # type: ignore[arg-type]
    else:
        found = tdvp(paired, start, sites="two", measure=measure, every=every, **half)  # type: ignore[arg-type]
    betas = 2 * found.times
    log_partition = model.length * math.log(model.dimension) + 2 * found.log_norm
    return Cooling(betas, found.energy, log_partition, found.measured, found.state, found.discarded, found.error_bound)


def _paired(site: Site) -> Site:
    one = np.eye(site.dimension)
    operators = {name: np.kron(o, one) for name, o in site.operators.items()}
    states = tuple(f"{a},{b}" for a in site.states for b in site.states)
    return Site(f"{site.name} with partner", operators, states, site.fermionic)
