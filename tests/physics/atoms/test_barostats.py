"""Exponentials of strain rates, and a cell that has run away beside one that has not."""

import torch

from surrogates.physics.atoms.barostats import _exponentials


def test_one_runaway_cell_leaves_the_others_alone():
    torch.manual_seed(0)
    good = torch.randn(3, 3, dtype=torch.float64)
    good = good + good.T
    batch = torch.stack([good, torch.full((3, 3), torch.inf, dtype=torch.float64), torch.full((3, 3), torch.nan)])
    growth, integral = _exponentials(batch)
    torch.testing.assert_close(growth[0], torch.linalg.matrix_exp(good), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        good @ integral[0], growth[0] - torch.eye(3, dtype=torch.float64), rtol=1e-11, atol=1e-11
    )
    assert growth[1:].isnan().all()
    assert integral[1:].isnan().all()
