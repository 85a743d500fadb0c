"""Costs of errors: their values by hand, their invariances, finite gradients at zero."""

import pytest
import torch

from surrogates.blocks.losses import LOSSES, huber, vector_norm
from surrogates.blocks.scale_shift import ScaleShift

ERROR = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]], dtype=torch.float64)


def test_values():
    expected = {"squared": 25 / 6, "absolute": 7 / 6, "vector_norm": 2.5}
    for name, value in expected.items():
        assert LOSSES[name](ERROR).item() == pytest.approx(value, abs=1e-7)
    assert huber(ERROR, delta=1.0).item() == pytest.approx((2.5 + 3.5) / 6)


def test_the_vector_norm_does_not_depend_on_the_axes():
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    torch.testing.assert_close(vector_norm(ERROR @ turn), vector_norm(ERROR))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_at_no_error(name):
    error = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    LOSSES[name](error).backward()
    assert error.grad.abs().max() == 0


def test_scale_and_shift_act_on_the_interaction_only():
    block, numbers = ScaleShift().double(), torch.tensor([1, 8])
    raw = torch.tensor([0.5, -1.0], dtype=torch.float64)
    assert torch.equal(block(raw, numbers), raw)  # the identity at first
    block.set({1: -13.6, 8: -432.0}, scale=2.0, shift=0.25)
    assert block(raw, numbers).tolist() == pytest.approx([-13.6 + 0.25 + 1.0, -432.0 + 0.25 - 2.0])
    block.set({1: 0.0}, scale=1.0, shift=0.0)
    assert torch.equal(block(raw, numbers), raw)
