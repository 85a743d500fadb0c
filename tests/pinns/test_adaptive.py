"""Points where the equation holds least: probabilities, and the points that a step trains on."""

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.pinns.adaptive import ResidualAdaptive
from surrogates.pinns.problem import Problem
from surrogates.tasks.collocation import Collocation


def test_probabilities_follow_the_formula():
    sizes = torch.tensor([0.0, 1.0, 2.0, 5.0], dtype=torch.float64)
    raw = sizes**2 / (sizes**2).mean() + 0.5
    chances = ResidualAdaptive(power=2, offset=0.5).chances(sizes)
    torch.testing.assert_close(chances, raw / raw.sum())
    for none in (torch.zeros(4).double(), torch.full((4,), torch.nan).double()):
        torch.testing.assert_close(ResidualAdaptive(offset=0).chances(none), torch.full((4,), 0.25).double())


def test_drawn_points_are_distributed_so():
    generator, sizes = torch.Generator().manual_seed(0), torch.tensor([1.0, 3.0, 4.0])
    draws = torch.cat([ResidualAdaptive(offset=0)(sizes, 1, generator) for _ in range(4000)])
    shares = torch.bincount(draws, minlength=3) / 4000
    torch.testing.assert_close(shares, sizes / 8, rtol=0, atol=4 * (0.25 / 4000) ** 0.5)


def test_a_step_trains_where_the_residual_is_large():
    problem = Problem(
        1,
        lambda u, x: 0.0 * u(x) + torch.exp(20 * (x - 1)),
        sample=lambda n, g: torch.rand(n, 1, generator=g, device=g.device),
    )
    parts = {}
    for name, resampling in (("even", None), ("adaptive", ResidualAdaptive(candidates=5, offset=0))):
        task = Collocation(torch.nn.Linear(1, 1), problem, resampling=resampling).train()
        batch = task.collate([problem.stream()[i] for i in range(100)])
        first, again = (task.loss(batch, {"residual": 1.0})[1]["residual"] for _ in range(2))
        assert first == again  # points are a function of the step
        parts[name] = float(first)
        assert float(task.eval().loss(batch, {"residual": 1.0})[1]["residual"]) < 0.1  # validation looks evenly
    assert parts["adaptive"] > 3 * parts["even"]
    with pytest.raises(DomainError, match="two candidates"):
        ResidualAdaptive(candidates=1)
