"""Several operators that learned the same map from different seeds.

Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles (arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.tasks.operator_map import FieldResult


class FieldEnsemble(nn.Module):
    """The mean of its members, an operator task like each of them.

    Args:
        members: trained OperatorMap tasks with the same selections.
    A rollout of the mean feeds every member the common mean; `simulation.rollout` can roll them out apart as well.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise DomainError("an ensemble of no members; give at least one trained task, two for a spread")
        asked = {(str(m.arguments["input"]), str(m.arguments["target"])) for m in members}  # type: ignore[index]
        if len(asked) > 1:
            raise DomainError(f"the members map different fields {sorted(asked)}; train them on the same selections")
        self.members = nn.ModuleList(members)

    def __getattr__(self, name: str) -> Any:
        """Layouts, selections and batching are those of the first member."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
            return getattr(super().__getattr__("members")[0], name)  # type: ignore[index]

    def step(self, values: Tensor, parameters: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean of what the members say, (batch, channels, *space)."""
        return torch.stack([m.step(values, parameters, mask) for m in self.members]).mean(dim=0)  # type: ignore[operator]

    def predict(self, data: Any, *, spread: bool = False) -> FieldResult:
        """Means; with `spread` the members' sample standard deviations, of each value and not calibrated."""
        results = [member.predict(data).fields for member in self.members]  # type: ignore[operator]
        stacked = {name: torch.stack([r[name] for r in results]) for name in results[0]}
        mean = {name: values.mean(dim=0) for name, values in stacked.items()}
        if not spread:
            return FieldResult(mean)
        if len(results) < 2:
            raise DomainError("one member has no scatter; give the ensemble two or more, or calibrate it")
        return FieldResult(mean, {name: values.std(dim=0) for name, values in stacked.items()})
