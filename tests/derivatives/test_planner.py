"""The way an operator takes follows from its cost and memory, and is told."""

import warnings

import pytest
import torch
from torch import nn

from surrogates.derivatives import Biharmonic, Dense, Exact, SecondOrder, Sparse, biharmonic, laplacian, plan
from surrogates.derivatives.planner import WORTH
from surrogates.physics.errors import SurrogatesWarning


def net(d, width=16):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(d, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))


def test_the_route_follows_the_cost():
    few, many, wide = (torch.zeros(10, d) for d in (20, 2000, 300))
    assert plan(net(20), few).route == "reduced" or plan(net(20), few).route == "exact"
    assert plan(net(2000), many).route == "reduced"
    assert plan(net(2000), many).directions == 16
    assert plan(lambda x: torch.sin(x).sum(-1, keepdim=True), few).route == "exact"
    assert plan(lambda x: torch.sin(x).sum(-1, keepdim=True), many).route == "sparse"
    assert plan(net(300, 290), wide).route == "sparse"
    assert plan(net(300), wide, operator=Biharmonic()).how == Sparse(4)
    assert plan(net(300), wide, operator=Biharmonic((0, 1))).route == "exact"
    assert plan(net(300), wide, operator=SecondOrder(torch.eye(300))).route == "sparse"
    for order in (2, 3, 4):
        exact, drawn = (
            plan(net(300), wide, order, axes=range(200), how=how) for how in (Exact(reduced=False), Sparse(16))
        )
        chosen = plan(net(300), wide, order, axes=range(200), operator=None)
        assert (chosen.route == "sparse") == (exact.cost > WORTH * drawn.cost and chosen.route != "reduced")


def test_the_plan_says_why():
    x = torch.zeros(10, 2000)
    text = str(plan(lambda x: torch.sin(x).sum(-1, keepdim=True), x))
    assert "sparse: 16 directions" in text
    assert "1005 passes, more than 8 times 13" in text
    assert plan(net(2000), x, how=Dense(4)).why == "asked for"


def test_memory_divides_an_exact_operator_into_passes():
    x, u = torch.randn(50, 64), net(64, 100)
    whole = plan(u, x, how=Exact(reduced=False))
    assert whole.at_once == 64
    parts = plan(u, x, how=Exact(reduced=False), memory=whole.memory / 5)
    assert parts.at_once == 12
    assert parts.memory <= whole.memory / 5
    assert parts.cost > whole.cost
    assert parts.how == Exact(12, False)


def test_memory_is_about_what_is_kept():
    x = torch.randn(50, 64)
    for u in (net(64, 40), nn.Sequential(nn.Linear(64, 40), nn.SiLU(), nn.Linear(40, 40), nn.GELU(), nn.Linear(40, 1))):
        kept = {}

        def keep(t, kept=kept):
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            y = laplacian(u, x, how=Exact(at_once=64, reduced=False))
        claimed = plan(u, x, how=Exact(reduced=False)).memory
        assert 0.5 < claimed / sum(kept.values()) < 3, y.shape


def test_an_estimate_that_was_not_asked_for_is_told_once():
    x = torch.randn(4, 70)

    def u(x):
        return torch.sin(x).sum(-1, keepdim=True)

    with pytest.warns(SurrogatesWarning, match="estimated without bias") as told:
        biharmonic(u, x)
    assert "Exact()" in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        biharmonic(u, x)
        laplacian(u, x)  # exact: no notice
