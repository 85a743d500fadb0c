"""Learned density: one for a lone atom, more with every neighbour, smooth where a neighbour leaves."""

import torch

from surrogates.blocks.neighbor_norm import LearnedDensity


def test_grows_with_neighbours_and_ignores_vanishing_ones():
    torch.manual_seed(0)
    density = LearnedDensity(3).double()
    radial = torch.randn(4, 3, dtype=torch.float64)
    radial[3] = 0  # at the cutoff
    value = density(radial, torch.tensor([1, 2, 2, 2]), 3)[:, 0]
    assert value[0] == 1
    assert 1 < value[1] < 2
    torch.testing.assert_close(value, density(radial[:3], torch.tensor([1, 2, 2]), 3)[:, 0])
