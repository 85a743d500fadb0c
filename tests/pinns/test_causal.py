"""Causal weighting: its formula, its gradient, its schedule."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.pinns.causal import Causal


def test_weights_follow_the_formula():
    times = torch.tensor([0.9, 0.1, 0.5, 0.2, 0.6, 0.8], dtype=torch.float64)
    squares = torch.tensor([6.0, 1.0, 3.0, 2.0, 5.0, 4.0], dtype=torch.float64)
    causal = Causal(chunks=3, tolerances=[0.125]).double()
    losses = [1.5, 4.0, 5.0]  # (0.1, 0.2), (0.5, 0.6), (0.8, 0.9)
    before = torch.tensor(0.5, dtype=torch.float64)
    weights = [math.exp(-0.125 * s) for s in (0.5, 2.0, 6.0)]
    expected = sum(w * L for w, L in zip(weights, losses, strict=True)) / 3
    torch.testing.assert_close(causal.losses(times, squares), torch.tensor(losses).double())
    assert float(causal(times, squares, before)) == pytest.approx(expected, rel=1e-12)


def test_no_gradient_goes_through_the_weights():
    times, squares = torch.rand(40, dtype=torch.float64), torch.rand(40, dtype=torch.float64).requires_grad_()
    causal = Causal(chunks=4, tolerances=[3.0]).double().eval()
    causal(times, squares, torch.tensor(0.0).double()).backward()
    weights = causal.weights(causal.losses(times, squares.detach()), torch.tensor(0.0).double())
    expected = torch.empty(40, dtype=torch.float64)
    expected[torch.argsort(times)] = weights.repeat_interleave(10) / 40
    torch.testing.assert_close(squares.grad, expected)
    assert weights[-1] < 0.5 * weights[0]


def test_tolerances_open_one_after_the_other():
    causal = Causal(chunks=2, tolerances=[1.0, 10.0, 100.0], delta=0.9)
    times, none = torch.tensor([0.0, 1.0]), torch.tensor(0.0)
    stages = []
    for first in (1.0, 0.05, 0.05, 0.005, 0.0005):
        causal(times, torch.tensor([first, 1.0]), none)
        stages.append(int(causal.stage))
    assert stages == [0, 1, 1, 2, 2]
    causal.eval()
    fresh = Causal(chunks=2, tolerances=[1.0, 10.0], steps=3)
    for _ in range(3):
        assert int(fresh.stage) == 0
        fresh(times, torch.tensor([5.0, 1.0]), none)
    assert int(fresh.stage) == 1
    again = Causal(chunks=2, tolerances=[1.0, 10.0], steps=3)
    again.load_state_dict(fresh.state_dict())
    assert int(again.stage) == 1


def test_a_schedule_that_makes_no_sense_is_refused():
    for wrong in ({"tolerances": [1.0, 0.1]}, {"chunks": 1}, {"delta": 1.0}, {"steps": 0}, {"tolerances": []}):
        with pytest.raises(DomainError, match="give"):
            Causal(**wrong)
