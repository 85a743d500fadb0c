"""Several networks that solve the same equation from different seeds.

Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles (arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.tasks.collocation import Collocation, PointResult


class PointEnsemble(nn.Module):
    """The mean of its members, a solution like each of them.

    Args:
        members: trained Collocation tasks of the same problem.
    """

    def __init__(self, members: Sequence[Collocation]) -> None:
        super().__init__()
        if not members:
            raise DomainError("an ensemble of no members; give at least one trained task, two for a spread")
        if len({str(m.arguments["problem"]) for m in members}) > 1:
            raise DomainError("the members solve different problems; train them on the same one")
        self.members = nn.ModuleList(members)

    @property
    def problem(self) -> Any:
        """The equation."""
        return self.members[0].problem

    def forward(self, points: Tensor) -> Tensor:
        """Mean of the members at points, differentiable."""
        return torch.stack([m(points) for m in self.members]).mean(dim=0)

    def predict(self, points: Any, *, spread: bool = False) -> PointResult:
        """Means; with `spread` the members' sample standard deviations, of each value and not calibrated."""
        values = torch.stack([m.predict(points).values for m in self.members])  # type: ignore[operator]
        if not spread:
            return PointResult(values.mean(dim=0))
        if len(values) < 2:
            raise DomainError("one member has no scatter; give the ensemble two or more, or calibrate it")
        return PointResult(values.mean(dim=0), values.std(dim=0))

    @property
    def parameters_found(self) -> dict[str, float]:
        """Means of the unknown numbers of the equation."""
        found: list[dict[str, float]] = [m.parameters_found for m in self.members]  # type: ignore[misc]
        return {name: sum(f[name] for f in found) / len(found) for name in found[0]}
