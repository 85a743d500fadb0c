"""Infinite size density matrix renormalization group, revisited (arXiv:0804.2509): ground states of endless chains.

Two sites are put into the middle of a chain again and again. The guess for them is the last pair's tensors, turned
around: Lambda_k B_k Lambda_{k-1}^-1 A_k Lambda_k (section IV), which at the fixed point is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.sites import Site
from surrogates.physics.lattice.terms import Hamiltonian
from surrogates.physics.tensor_networks.blocks import Channels, edge, left_block, left_half, right_block, right_half
from surrogates.physics.tensor_networks.effective import TwoSite
from surrogates.physics.tensor_networks.lanczos import lowest
from surrogates.physics.tensor_networks.mpo import mpo
from surrogates.physics.tensor_networks.transfer import TransferMatrix
from surrogates.physics.tensor_networks.truncate import split

_SMALL = 1e-10  # of the largest Schmidt value: smaller ones are not inverted


@dataclass(frozen=True)
class InfiniteState:
    """Two sites that repeat.

    Args:
        energy: per site. cell: two tensors (left, physical, right), isometries from the left. schmidt: values at the
            cell's ends. misfit: 1 - fidelity of the last pair with its guess, zero at a fixed point. discarded: weight
            cut in the last step. converged: whether energy per site and misfit settled. sites: length that was grown.
    """

    energy: float
    cell: tuple[Tensor, Tensor]
    schmidt: Tensor
    misfit: float
    discarded: float
    converged: bool
    sites: int
    site: Site

    def correlation_length(self) -> float:
        """In sites, from the transfer matrix of the cell."""
        return TransferMatrix(self.cell).correlation_length()


def infinite_dmrg(
    model: Hamiltonian,
    *,
    chi_max: int = 64,
    energy_tol: float = 1e-9,
    cutoff: float = 1e-14,
    max_sites: int = 4000,
    seed: int = 0,
) -> InfiniteState:
    """The ground state of the endless chain whose middle `model` shows.

    Args:
        model: an open chain of even length whose operator repeats after two sites in the middle, such as
            heisenberg(8). energy_tol: of the change of the energy per site. max_sites: when to stop growing.
    Raises DomainError for an odd or short model and for one that does not repeat.
    """
    w, middle = _repeating(model)
    kind, device = w[0].dtype, w[0].device
    sites = [Channels(x) for x in w]
    like, d = torch.zeros(1, dtype=kind, device=device), model.dimension
    generator = torch.Generator().manual_seed(seed)
    left, right = edge(), edge()
    schmidt: list[Tensor] = [torch.ones(1, dtype=kind, device=device)] * 2
    theta = torch.randn(1, d, d, 1, generator=generator, dtype=torch.float64).to(like)
    total, each, change, misfit, lost, length = 0.0, 0.0, 1.0, 1.0, 0.0, 0
    while length < max_sites:
        # until the model's own halves are used up its tensors are taken, then those of the middle in turn
        step = length // 2
        here, there = (step, len(w) - 1 - step) if step < middle else _pair(middle, step)
        before = theta / torch.linalg.vector_norm(theta)
        halves = left_half(left, sites[here], like), right_half(right, sites[there], like)
        found = lowest(TwoSite(*halves), before, steps=30 if length < 40 else 12, tol=1e-10)
        theta, length = found.vector, length + 2
        misfit = 1 - float(torch.vdot(before.flatten(), theta.flatten()).abs() ** 2)
        growth, total = (found.value - total) / 2, found.value
        change, each = abs(growth - each), growth
        l, _, _, r = theta.shape
        pair = split(theta.reshape(l * d, d * r), chi_max=chi_max, cutoff=cutoff, absorb="none")
        lost, values = pair.discarded, pair.values / torch.linalg.vector_norm(pair.values)
        a, b = pair.left.reshape(l, d, -1), pair.right.reshape(-1, d, r)
        if length > 2 * len(w) and change < energy_tol and misfit < max(1e-8, 100 * lost):
            break
        left, right = left_block(halves[0], a), right_block(halves[1], b)
        schmidt = [schmidt[1], values.to(kind)]
        inverse = torch.where(schmidt[0] > _SMALL * schmidt[0][0], 1 / schmidt[0], torch.zeros_like(schmidt[0]))
        x, y = schmidt[1][:, None, None] * b, a * schmidt[1]
        theta = torch.tensordot(x * inverse, y, dims=1)
    else:
        return InfiniteState(each, (a, _from_left(b, values)), values, misfit, lost, False, length, model.site)
    return InfiniteState(each, (a, _from_left(b, values)), values, misfit, lost, True, length, model.site)


def _from_left(b: Tensor, values: Tensor) -> Tensor:
    """The second tensor of the cell as an isometry from the left: of Lambda B by QR, in the basis that repeats."""
    q, r = torch.linalg.qr((values.to(b)[:, None, None] * b).flatten(0, 1))
    signs = torch.sgn(torch.diagonal(r))
    return (q * signs).reshape(*b.shape[:2], -1)


def _pair(middle: int, step: int) -> tuple[int, int]:
    """Which tensors come next: those of the middle, in turn, so that the pattern of two goes on."""
    even = (step - middle) % 2 == 0
    return (middle, middle + 1) if even else (middle + 1, middle)


def _repeating(model: Hamiltonian) -> tuple[list[Tensor], int]:
    count, middle = model.length, model.length // 2
    if count % 2 or count < 8:
        raise DomainError(f"a model of {count} sites; give an even number from 8 on, whose middle is what repeats")
    operator = mpo(model, tol=None)
    if not operator.hermitian():
        raise DomainError("the operator is not Hermitian, so it has no ground state; add the adjoint of each term")
    w = list(operator.tensors)
    for a, b in ((middle - 1, middle + 1), (middle - 2, middle)):
        if w[a].shape != w[b].shape or not torch.allclose(w[a], w[b], atol=1e-12):
            raise DomainError(f"sites {a} and {b} of the model differ; its middle must repeat after two sites")
    return w, middle
