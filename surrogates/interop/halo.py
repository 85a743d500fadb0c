"""A message-passing potential on one part of a divided structure: which atoms around it must be known, and their edges.

A potential of `hops` message-passing layers with the cutoff r sees atoms up to hops * r away. Programs that divide
space list, for each of their own atoms, the neighbours within one radius. With that radius set to hops * r, the edges
among the neighbours follow from differences of the listed vectors, and nothing has to be exchanged between layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError

_MOST_HOPS = 8


@dataclass(frozen=True)
class Reach:
    """How far a potential sees.

    Args:
        r_max: the longest edge, Å. inner: up to here around own atoms, the edges of neighbours are needed too, Å; 0 for
            a potential of one layer. outer: up to here atoms must be known, Å.
    """

    r_max: float
    inner: float
    outer: float


def reach(potential: Any) -> Reach:
    """How far `potential` (a task, an ensemble, a potential, a sum of them) sees, measured on a chain of atoms.

    Raises DomainError for a part without a cutoff (point charges, dispersion) and for more than 8 layers.
    """
    parts = [(part, float(part.r_max)) for part in _parts(potential)]  # type: ignore[arg-type]
    hops = [(_hops(part, r_max), r_max) for part, r_max in parts]
    return Reach(
        r_max=max(r for _, r in hops), inner=max((n - 1) * r for n, r in hops), outer=max(n * r for n, r in hops)
    )


def halo_edges(
    pairs: Int[Tensor, "2 pairs"], vectors: Float[Tensor, "pairs 3"], n_own: int, extent: Reach
) -> tuple[Int[Tensor, "2 edges"], Float[Tensor, "edges 3"]]:
    """Edges of the own atoms 0 ... n_own - 1 and of the neighbours that matter to them, differentiable in `vectors`.

    `pairs` (i, j) are all pairs of an own atom i with an atom j closer than `extent.outer`, `vectors` are x_j - x_i, Å.
    """
    order = pairs[0].argsort(stable=True)
    pairs, vectors = pairs[:, order], vectors[order]
    r = vectors.detach().norm(dim=1)
    near = (r < extent.r_max).nonzero().squeeze(1)
    edges, found = [pairs[:, near]], [vectors[near]]
    anchors = _anchors(pairs, r, n_own, extent.inner)
    if len(anchors):
        first, count = _rows(pairs[0], n_own)
        many = count[pairs[0, anchors]]
        anchor = anchors.repeat_interleave(many)
        local = torch.arange(len(anchor), device=r.device) - (many.cumsum(0) - many).repeat_interleave(many)
        other = first[pairs[0, anchor]] + local  # the pairs that share the anchor's own atom
        between = vectors[other] - vectors[anchor]
        close = (between.detach().norm(dim=1) < extent.r_max) & (other != anchor)
        edges += [torch.stack([pairs[1, anchor], pairs[1, other]])[:, close], pairs[:, anchors].flip(0)]
        found += [between[close], -vectors[anchors]]
        back = found[-1].detach().norm(dim=1) < extent.r_max  # from the neighbour to the own atom it is anchored to
        edges[-1], found[-1] = edges[-1][:, back], found[-1][back]
    return torch.cat(edges, dim=1), torch.cat(found)


def on_edges(numbers: Tensor, edges: Tensor, vectors: Tensor, r_max: float) -> AtomsBatch:
    """A batch of one structure that has edge vectors and no positions: all atoms sit at the origin, shifts differ."""
    like: dict[str, Any] = {"dtype": vectors.dtype, "device": vectors.device}
    return AtomsBatch(
        numbers=numbers,
        positions=torch.zeros(len(numbers), 3, **like),
        structure=torch.zeros_like(numbers),
        cell=torch.zeros(1, 3, 3, **like),
        pbc=torch.zeros(1, 3, dtype=torch.bool, device=vectors.device),
        charge=torch.zeros(1, **like),
        multiplicity=torch.ones(1, dtype=torch.long, device=vectors.device),
        edges=edges,
        shift=vectors,
        r_max=r_max,
    )


def _parts(potential: Any) -> Iterator[nn.Module]:
    """The potentials of which others are composed: of an ensemble's members, sums, and a task with its baseline."""
    inner = getattr(potential, "members", None)
    if inner is None:
        inner = [getattr(potential, name, None) for name in ("model", "baseline")]
    inner = [part for part in inner if part is not None and hasattr(part, "r_max")]
    if inner:
        for part in inner:
            yield from _parts(part)
    elif float(potential.r_max) <= 0:
        raise DomainError(
            f"{type(potential).__name__} has no cutoff, and a program that divides space needs one; leave it out here "
            "and use the program's own long-range sums or dispersion beside the potential"
        )
    else:
        yield potential


def _hops(part: nn.Module, r_max: float) -> int:
    """Message-passing layers: how many atoms away the last one is that the energy of a chain's first atom depends on.

    Atoms are 0.7 r_max apart, so that each sees its nearest two only.
    """
    n = _MOST_HOPS + 2
    known = tuple(part.elements) or (6,)  # type: ignore[arg-type]
    tensors = [t for t in (*part.parameters(), *part.buffers()) if t.is_floating_point()]
    place = tensors[0] if tensors else torch.zeros((), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    turn = 0.2 * torch.randn(n - 1, 3, generator=generator, dtype=torch.float64) + torch.tensor([1.0, 0, 0])
    step = 0.7 * r_max * turn / turn.norm(dim=1, keepdim=True)
    i = torch.arange(n - 1)
    edges = torch.cat([torch.stack([i, i + 1]), torch.stack([i + 1, i])], dim=1).to(place.device)
    vectors = torch.cat([step, -step]).to(place).requires_grad_()
    numbers = torch.tensor([known[k % len(known)] for k in range(n)], device=place.device)
    with torch.enable_grad():
        energies = part(on_edges(numbers, edges, vectors, r_max))
        (slope,) = torch.autograd.grad(energies[0], vectors, materialize_grads=True)
    seen = (slope != 0).any(dim=1).reshape(2, n - 1).any(dim=0)
    last = int(seen.nonzero().max()) + 1 if seen.any() else 1
    if last > _MOST_HOPS:
        raise DomainError(
            f"{type(part).__name__} sees more than {_MOST_HOPS} cutoffs of {r_max:g} Å far; no program divides space so"
        )
    return last


def _anchors(pairs: Tensor, r: Tensor, n_own: int, inner: float) -> Tensor:
    """For each neighbour within `inner` of an own atom that is no own atom itself: the pair to its nearest own atom."""
    outside = ((pairs[1] >= n_own) & (r < inner)).nonzero().squeeze(1)
    if len(outside) == 0:
        return outside
    order = outside[r[outside].argsort(stable=True)]
    order = order[pairs[1, order].argsort(stable=True)]  # by neighbour, the nearest own atom first
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = pairs[1, order].diff() != 0
    return order[first]


def _rows(first_atoms: Tensor, n_own: int) -> tuple[Tensor, Tensor]:
    """Where the pairs of each own atom begin, and how many there are."""
    count = torch.bincount(first_atoms, minlength=n_own)
    return count.cumsum(0) - count, count
