"""Expectation values of matrix product states: local operators, correlations, operators, reduced density matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.blocks import Channels
from surrogates.physics.tensor_networks.environments import Environments
from surrogates.physics.tensor_networks.mpo import MPO
from surrogates.physics.tensor_networks.mps import MPS


def matrix_of(state: MPS, operator: str | Tensor) -> Tensor:
    """A site's operator by name, or given (d, d), in the state's precision (complex where it is)."""
    found = torch.as_tensor(state.site.operator(operator)) if isinstance(operator, str) else operator
    d = state.site.dimension
    if found.shape != (d, d):
        raise DomainError(f"an operator of a {state.site.name} is ({d}, {d}); this one is {tuple(found.shape)}")
    return found.to(state.tensors[0].device, torch.promote_types(state.dtype, found.dtype))


def expect(state: MPS, operator: str | Tensor, sites: Sequence[int] | None = None) -> Tensor:
    """<O> on each site (or on those given), of the normalised state; real where O is Hermitian.

    A string "Sz" is looked up among the site's operators. One sweep of the centre serves all sites.
    """
    o, wanted = matrix_of(state, operator), range(len(state)) if sites is None else sites
    found: dict[int, Tensor] = {}
    for n in sorted(set(wanted)):
        state = state.canonical(n)
        t = state.tensors[n]
        rho = torch.einsum("apb,aqb->pq", t, t.conj())
        found[n] = torch.einsum("pq,qp->", o, rho.to(o.dtype)) / torch.einsum("pp->", rho)
    return _real(torch.stack([found[n] for n in wanted]), o)


def correlations(state: MPS, first: str | Tensor, second: str | Tensor) -> Tensor:
    """<A_i B_j> for all i and j (N, N), of the normalised state; A_i B_i on the diagonal is the product on one site.

    Fermionic operators given by name carry their strings. One sweep takes the open operators of all sites along.
    Raises DomainError for an odd number of fermionic operators.
    """
    a, b = matrix_of(state, first), matrix_of(state, second)
    kind = torch.promote_types(a.dtype, b.dtype)
    if isinstance(first, str) and isinstance(second, str) and state.site.odd(first) != state.site.odd(second):
        raise DomainError(f"<{first} {second}> has an odd number of fermionic operators")
    string = matrix_of(state, "P").to(kind) if isinstance(first, str) and state.site.odd(first) else None
    a, b, state, count = a.to(kind), b.to(kind), state.canonical(0).normalized(), len(state)
    # what opens on a site carries the string onto it: A_i P_i ... B_j, and for B before A the string acts first
    openings = (a, b) if string is None else (a @ string, string @ b)
    found = torch.zeros(count, count, dtype=kind, device=state.tensors[0].device)
    carried: list[Tensor] = [torch.zeros(0, 1, 1, dtype=kind, device=found.device)] * 2  # (earlier sites, bra, ket)
    for j in range(count):
        t = state.canonical(j).tensors[j].to(kind)
        found[j, j] = torch.vdot(t.flatten(), torch.matmul(a @ b, t).flatten())
        for n, closing in enumerate((b, a)):
            x = torch.tensordot(t.conj(), torch.matmul(closing, t), dims=([1, 2], [1, 2]))  # bra, ket
            values = carried[n].flatten(1) @ x.flatten()
            if n == 0:
                found[:j, j] = values
            else:
                found[j, :j] = values
        if j == count - 1:
            break
        state = state.canonical(j + 1)
        q = state.tensors[j].to(kind)
        middle = q if string is None else torch.matmul(string, q)
        for n, opening in enumerate(openings):
            new = torch.tensordot(q.conj(), torch.matmul(opening, q), dims=([0, 1], [0, 1]))[None]
            old = torch.tensordot(carried[n], middle, dims=1).flatten(1, 2)  # sites, (bra, p), ket
            carried[n] = torch.cat([torch.matmul(q.flatten(0, 1).mH, old), new])
    return found


def expect_operator(operator: MPO, state: MPS) -> complex:
    """<psi|O|psi> / <psi|psi>."""
    kind = torch.promote_types(operator.dtype, state.dtype)
    state = state.canonical(0).normalized()
    tensors = [t.to(kind) for t in state.tensors]
    environments = Environments(tensors, operator.tensors, 0)
    return complex(torch.vdot(tensors[0].flatten(), environments.one_site(0)(tensors[0]).flatten()).item())


def energy_and_variance(operator: MPO, state: MPS) -> tuple[float, float]:
    """<H> and <(H - <H>)^2> of a Hermitian operator, the second as the squared norm of (H - <H>) |psi>."""
    kind = torch.promote_types(operator.dtype, state.dtype)
    state = state.canonical(0).normalized()
    tensors = [t.to(kind) for t in state.tensors]
    environments = Environments(tensors, operator.tensors, 0)
    energy = float(torch.vdot(tensors[0].flatten(), environments.one_site(0)(tensors[0]).flatten()).real)
    variance = _variance_of_neighbours(tensors, environments, energy)
    return energy, _variance(operator, tensors, energy) if variance is None else variance


def _variance_of_neighbours(tensors: list[Tensor], environments: Environments, energy: float) -> float | None:
    """Where every term acts on neighbours; None where some reach further.

    (H - E) |psi> is a sum of orthogonal parts (arXiv:1711.01104): those that leave the left basis at site n for the
    first time, which the effective Hamiltonian of n and n + 1 shows whole, and what is left in it. Nothing cancels.
    """
    tensors, count, total = list(tensors), len(tensors), 0.0
    center = tensors[0]
    if count == 1:
        return float(torch.linalg.vector_norm(environments.one_site(0)(center) - energy * center) ** 2)
    for n in range(count - 1):
        pair = environments.two_sites(n)
        if not pair.of_neighbours:
            return None
        q, r = torch.linalg.qr(center.flatten(0, 1))
        center = torch.tensordot(r, tensors[n + 1], dims=1)
        tensors[n] = q.reshape(*tensors[n].shape[:2], -1)
        moved = pair(torch.tensordot(tensors[n], center, dims=1)).flatten(2).flatten(0, 1)
        inside = q.mH @ moved
        total += float(torch.linalg.vector_norm(torch.addmm(moved, q, inside, alpha=-1)) ** 2)
        if n == count - 2:
            total += float(torch.linalg.vector_norm(inside - energy * center.flatten(1)) ** 2)
        else:
            environments.moved_right(n, tensors[n])
    return total


def _variance(operator: MPO, tensors: list[Tensor], energy: float) -> float:
    """For every operator, at the square of its bond."""
    kind, device = tensors[0].dtype, tensors[0].device
    sites = [Channels(w.to(device, kind)) for w in operator.shifted(-energy).tensors]
    # right of a bond, by channels a of the ket and b >= a of the bra: f[a, b] (ket, bra) = f[b, a]^H
    blocks = {(0, 0): torch.ones(1, 1, dtype=kind, device=device)}
    for site, t in zip(reversed(sites), reversed(tensors), strict=True):
        t = t.transpose(0, 1).contiguous()
        d, left, right = t.shape
        both = {**blocks, **{(b, a): f.mH for (a, b), f in blocks.items()}}
        steps = [
            (a, b, n, site.w[b, bra].mH @ site.w[a, ket])
            for n, (ket, bra) in enumerate(both)
            for a in site.into[ket]
            for b in site.into[bra]
            if a <= b
        ]
        row = {key: m for m, key in enumerate(sorted({(a, b) for a, b, _, _ in steps}))}
        turn = torch.zeros(len(row), d, len(both), d, dtype=kind, device=device)
        for a, b, n, operators in steps:
            turn[row[a, b], :, n] += operators
        y = torch.matmul(t.view(-1, right), torch.stack(list(both.values())))  # each channel, (d left, right)
        z = (turn.view(-1, len(both) * d) @ y.view(len(both) * d, -1)).view(-1, d, left, right)
        grown = torch.matmul(z, t.mH).sum(1)
        blocks = {key: grown[m] for key, m in row.items()}
    final = blocks.get((0, 0))
    return 0.0 if final is None else float(final.real)


def reduced_density_matrix(state: MPS, sites: Sequence[int]) -> Tensor:
    """The density matrix (d^n, d^n) of these sites in ascending order, of trace one."""
    sites = sorted(set(sites))
    d = state.site.dimension
    if not sites or not 0 <= sites[0] <= sites[-1] < len(state) or d ** (2 * len(sites)) > 2**24:
        raise DomainError(f"sites {sites} of a chain of {len(state)}; give one to twelve of its sites")
    state = state.canonical(sites[0]).normalized()
    t = state.tensors[sites[0]]
    environment = torch.eye(t.shape[0], dtype=t.dtype, device=t.device)[None, None]  # out, in, bra, ket
    for n in range(sites[0], sites[-1] + 1):
        t = state.tensors[n]
        x = torch.tensordot(environment, t, dims=([3], [0]))  # out, in, bra, p, r
        if n in sites:
            x = torch.tensordot(x, t.conj(), dims=([2], [0]))  # out, in, p, r, q, s
            environment = x.permute(0, 2, 1, 4, 5, 3).flatten(2, 3).flatten(0, 1)
        else:
            environment = torch.tensordot(x, t.conj(), dims=([2, 3], [0, 1])).transpose(2, 3)
    return torch.einsum("pqaa->pq", environment)


def _real(values: Tensor, operator: Tensor) -> Tensor:
    hermitian = torch.allclose(operator, operator.mH, atol=1e-12)
    return values.real if values.is_complex() and hermitian else values
