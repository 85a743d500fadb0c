"""Overlaps of layered circuits: value and gradient against the state vector and finite differences."""

import pytest
import torch

from surrogates.physics.circuits import Circuit, of_matrix, statevector
from surrogates.physics.circuits.layers import check_layers, overlap, pulled_back
from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks import MPS

LAYERS = [[0, 2, 4, 6], [1, 3, 5], [0, 4], [], [2, 6]]


def unitaries(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(count, 4, 4, generator=generator, dtype=torch.complex128))[0]


def dense(gates):
    placed = [n for layer in LAYERS for n in layer]
    return Circuit(8, tuple(of_matrix(g, (n, n + 1)) for n, g in zip(placed, gates, strict=True)))


def test_value_and_gradient_are_those_of_the_state_vector():
    gates = unitaries(sum(map(len, LAYERS)), 0)
    start = MPS.neel(8)
    target = MPS.random(8, 16, seed=1, dtype=torch.complex128)
    states, lost = pulled_back(target, LAYERS, gates, chi_max=16, cutoff=0.0)
    found = overlap(start, states, LAYERS, gates, chi_max=16, cutoff=0.0)
    bra = target.vector().conj()
    expected = bra @ statevector(dense(gates), start=start.vector())
    assert found.value == pytest.approx(complex(expected), abs=1e-12)
    assert lost + found.discarded < 1e-24
    generator = torch.Generator().manual_seed(2)
    for k in (0, 5, 8, len(gates) - 1):
        h = torch.randn(4, 4, generator=generator, dtype=torch.complex128)
        h = h - h.mH
        step = 1e-5
        ends = []
        for sign in (1, -1):
            moved = gates.clone()
            moved[k] = gates[k] @ torch.matrix_exp(sign * step * h)
            ends.append(bra @ statevector(dense(moved), start=start.vector()))
        slope = (ends[0] - ends[1]) / (2 * step)
        ours = (found.gradient[k] * (gates[k] @ h)).sum()
        assert complex(ours) == pytest.approx(complex(slope), abs=1e-8)


def test_every_gate_with_its_gradient_is_the_whole_overlap():
    """f is linear in each gate."""
    gates = unitaries(sum(map(len, LAYERS)), 3)
    states, _ = pulled_back(MPS.random(8, 16, seed=4), LAYERS, gates, chi_max=64, cutoff=0.0)
    found = overlap(MPS.product([0] * 8), states, LAYERS, gates, chi_max=64, cutoff=0.0)
    each = (found.gradient * gates).sum((1, 2))
    torch.testing.assert_close(each, torch.full_like(each, found.value), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layers", [[[0, 1]], [[7]], [[2, 0]]])
def test_layers_that_overlap_are_refused(layers):
    with pytest.raises(DomainError, match="layer 0"):
        check_layers(layers, 8)
