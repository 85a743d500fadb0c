"""Overlaps of layered circuits with a state, and their gradient with respect to every gate, in one walk.

f = <target| B_K ... B_1 |start> for gates B on neighbours, in layers that do not overlap. The derivative of f with
respect to a gate is its environment: all of <target| ... |start> but that gate. The target is pulled back layer by
layer (kept as matrix product states), the start is pushed forward; between them one sweep of overlaps from either end
gives the environments of all gates of a layer, so that a gradient costs a few simulations and not one for each angle.
Back-tracking over gates without the sweep is that of arXiv:2301.08609.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.physics.circuits.gates import KIND
from surrogates.physics.circuits.mps_simulator import Chain
from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks import MPS

Layers = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Overlap:
    """f (a complex number), its derivatives with respect to the gates' entries (K, 4, 4) (not conjugated: df = sum of
    gradient * dB), and the weights that truncation discarded on both sides."""

    value: complex
    gradient: Tensor
    discarded: float


def check_layers(layers: Layers, length: int) -> None:
    """Raises DomainError where gates of a layer overlap or leave the chain."""
    for number, layer in enumerate(layers):
        ascending = all(b - a >= 2 for a, b in itertools.pairwise(layer))
        if not ascending or (layer and not 0 <= layer[0] <= layer[-1] < length - 1):
            raise DomainError(f"layer {number} has gates at {list(layer)}; name first sites, ascending, two apart")


def pulled_back(target: MPS, layers: Layers, gates: Tensor, *, chi_max: int, cutoff: float) -> tuple[list[MPS], float]:
    """The target before each layer is undone, last layer first undone: states after layer L, L-1 ... and before all.

    gates (K, 4, 4) in the order of the layers. Also the discarded weight.
    """
    states, lost, end = [target], 0.0, len(gates)
    for layer in reversed(layers):
        begin = end - len(layer)
        chain = Chain(states[-1], chi_max=chi_max, cutoff=cutoff)
        _put(chain, layer, gates[begin:end].mH)
        found = chain.done()
        states.append(found.state)
        lost, end = lost + found.discarded, begin
    return states, lost


def overlap(
    start: MPS, states: Sequence[MPS], layers: Layers, gates: Tensor, *, chi_max: int, cutoff: float
) -> Overlap:
    """f and its gradient, from the states of `pulled_back`; `start` is pushed through the layers."""
    forward, parts, begin, lost = start, list[Tensor](), 0, 0.0
    value = complex(states[-1].inner(start))
    for number, layer in enumerate(layers):
        own = gates[begin : begin + len(layer)]
        after = states[len(layers) - 1 - number]  # the target with all later layers undone
        parts.append(environments(after, forward, layer, own))
        if number + 1 < len(layers):
            chain = Chain(forward, chi_max=chi_max, cutoff=cutoff)
            _put(chain, layer, own)
            found = chain.done()
            forward, lost = found.state, lost + found.discarded
        begin += len(layer)
    return Overlap(value, torch.cat(parts) if parts else gates.new_zeros(0, 4, 4), lost)


def environments(bra: MPS, ket: MPS, layer: Sequence[int], gates: Tensor) -> Tensor:
    """d<bra| layer |ket>/dB of each gate of one layer, (k, 4, 4), rows being what comes out."""
    length, at = len(ket), dict(zip(layer, range(len(layer)), strict=True))
    z = [t.to(KIND).conj() for t in bra.tensors]
    w = [t.to(KIND) for t in ket.tensors]
    pieces: list[tuple[int | None, Tensor, Tensor]] = []  # gate or None, bra's and ket's tensors (left, states, right)
    n = 0
    while n < length:
        if n in at:
            pairs = [torch.tensordot(t[n], t[n + 1], dims=1) for t in (z, w)]
            pieces.append((at[n], pairs[0].flatten(1, 2), pairs[1].flatten(1, 2)))
            n += 2
        else:
            pieces.append((None, z[n], w[n]))
            n += 1
    right = [torch.ones(1, 1, dtype=KIND)]
    moved: list[Tensor] = []  # the ket with its gate
    for gate, bra_t, ket_t in reversed(pieces):
        ket_t = ket_t if gate is None else torch.matmul(gates[gate], ket_t)
        moved.append(ket_t)
        right.append(torch.einsum("apc,bpd,cd->ab", bra_t, ket_t, right[-1]))
    moved.reverse()
    right.reverse()
    left, found = torch.ones(1, 1, dtype=KIND), list[Tensor]()
    for k, (gate, bra_t, ket_t) in enumerate(pieces):
        near = torch.tensordot(left, bra_t, dims=([0], [0]))  # (ket left, states, bra right)
        if gate is not None:
            far = torch.matmul(ket_t, right[k + 1].mT)  # (ket left, states, bra right)
            found.append(torch.tensordot(near, far, dims=([0, 2], [0, 2])))
        left = torch.tensordot(near, moved[k], dims=([0, 1], [0, 1]))
    return torch.stack(found) if found else gates.new_zeros(0, 4, 4)


def _put(chain: Chain, layer: Sequence[int], gates: Tensor) -> None:
    """From the end where the centre is nearer."""
    both = list(zip(layer, gates, strict=True))
    if layer and abs(chain.center - layer[0]) > abs(chain.center - layer[-1]):
        both.reverse()
    for n, gate in both:
        chain.apply(gate, (n, n + 1))
