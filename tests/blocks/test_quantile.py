"""Conformal quantiles keep their promise at finite sample size."""

import math

import pytest
import torch

from surrogates.blocks.quantile import conformal_quantile, group_quantile, least_groups
from surrogates.physics.errors import DomainError


def test_is_the_order_statistic_of_the_theorem():
    scores = torch.randperm(99, generator=torch.Generator().manual_seed(0)).double()
    assert conformal_quantile(scores, 0.9) == 89.0  # the 90th of 99: ceil(100 * 0.9)
    assert conformal_quantile(scores[:8], 0.9) == math.inf
    assert math.isfinite(conformal_quantile(scores[: least_groups(0.9)], 0.9))
    assert least_groups(0.9) == 9


def test_coverage_of_a_new_score_lies_between_the_two_bounds_of_the_theorem():
    """level <= P(new <= q) <= level + 1 / (n + 1), over many draws; an uncorrected quantile falls short."""
    n, level, draws = 19, 0.9, 2500
    scores = torch.randn(draws, n + 1, generator=torch.Generator().manual_seed(1)).double() ** 2
    inside = torch.tensor([row[-1].item() <= conformal_quantile(row[:-1], level) for row in scores]).double().mean()
    naive = (scores[:, -1] <= torch.quantile(scores[:, :-1], level, dim=1)).double().mean()
    error = 3 * math.sqrt(0.1 * 0.9 / draws)
    assert level - error <= inside <= level + 1 / (n + 1) + error
    assert naive < level - error


def grouped(frames: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores that are equal up to little noise within a frame; frames of one to twelve atoms."""
    size = torch.randint(1, 13, (frames,), generator=generator)
    level = torch.randn(frames, generator=generator).double().exp() / (1 + 4 * (size > 6))
    group = torch.arange(frames).repeat_interleave(size)
    return level[group] + 0.01 * torch.rand(len(group), generator=generator).double(), group


def test_a_member_of_a_new_group_is_covered_though_members_depend_on_each_other():
    """Counting every atom as independent promises too much with few frames (the saboteur)."""
    generator = torch.Generator().manual_seed(2)
    right, sabotaged = [], []
    for _ in range(1000):
        scores, group = grouped(12, generator)
        new = group == 11
        for found, rule in ((right, group[~new]), (sabotaged, torch.arange(int((~new).sum())))):
            found.append((scores[new] <= group_quantile(scores[~new], rule, 0.9)).double().mean())
    error = 3 * 0.3 / math.sqrt(1000)
    assert torch.stack(right).mean() >= 0.9 - error
    assert torch.stack(sabotaged).mean() < 0.9 - error


def test_bad_input_is_refused():
    with pytest.raises(DomainError, match="level=1"):
        conformal_quantile(torch.ones(3), 1.0)
    with pytest.raises(DomainError, match="not all finite"):
        conformal_quantile(torch.tensor([1.0, math.nan]), 0.9)
