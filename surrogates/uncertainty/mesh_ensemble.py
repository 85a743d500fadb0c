"""Several networks on meshes that learned the same map from different seeds.

Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles (arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_windows import MeshWindow


class MeshEnsemble(nn.Module):
    """The mean of its members, a task on meshes like each of them.

    Args:
        members: trained MeshMap tasks with the same selections.
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

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """Means; with `spread` the members' sample standard deviations, of each value and not calibrated."""
        if spread and len(self.members) < 2:
            raise DomainError("one member has no scatter; give the ensemble two or more, or calibrate it")
        first: Any = self.members[0]
        found = []
        for windows in first.batches(data):
            said = torch.stack(answers(list(self.members), windows))
            std = said.std(dim=0) if spread else None
            found += first.told_as(windows, said.mean(dim=0), std)
        return found[0] if isinstance(data, MeshSample | MeshWindow) else found


@torch.no_grad()
def answers(members: Sequence[Any], windows: Sequence[MeshWindow]) -> list[Tensor]:
    """What each member says of a batch, (nodes, targets), in double precision on the CPU."""
    found = []
    for member in members:
        batch = member.collate(windows, targets=False).to(member.target_scale.device)
        found.append(member(batch).double().cpu())
    return found
