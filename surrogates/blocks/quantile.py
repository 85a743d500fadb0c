"""Finite-sample conformal quantiles.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 2.2, for independent scores;
Distribution-free inference with hierarchical data (arXiv:2306.06342), section 3, for scores that come in groups, such
as the atoms of one frame.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError


def conformal_quantile(scores: Float[Tensor, "n"], level: float) -> float:
    """The ceil((n + 1) level)-th smallest score: a new exchangeable score is below it with probability >= `level`.

    Infinity when n is too small for that promise (n + 1 < 1 / (1 - level)).
    """
    return group_quantile(scores, torch.arange(len(scores), device=scores.device), level)


def group_quantile(scores: Float[Tensor, "n"], group: Int[Tensor, "n"], level: float) -> float:
    """Quantile whose promise holds for a random member of a new group, when whole groups are exchangeable.

    Scores inside a group may depend on each other in any way. With K groups of sizes N_k, each score has the mass
    1 / ((K + 1) N_k) and infinity has 1 / (K + 1); the result is the smallest score with mass >= `level` up to it.
    """
    _check(scores, level)
    members, size = torch.unique(group, return_inverse=True, return_counts=True)[1:]
    groups = len(size)
    order = torch.argsort(scores)
    mass = torch.cumsum(1.0 / size[members][order].double(), dim=0)
    needed = level * (groups + 1)
    reached = mass >= needed - 1e-9 * (groups + 1)
    if not bool(reached[-1]):
        return math.inf
    return float(scores[order][int(reached.to(torch.int8).argmax())])


def least_groups(level: float) -> int:
    """How many groups the quantile at `level` needs in order to be finite."""
    return math.ceil(1.0 / (1.0 - level) - 1e-9) - 1


def _check(scores: Tensor, level: float) -> None:
    if not 0.0 < level < 1.0:
        raise DomainError(f"level={level} is no coverage; give a number between 0 and 1, such as 0.9")
    if len(scores) == 0 or not bool(torch.isfinite(scores).all()):
        raise DomainError(
            f"{len(scores)} scores, not all finite: a quantile needs at least one, and no NaN or infinity"
        )
