"""Several networks of panels that learned the same from different seeds.

Paper: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles (arXiv:1612.01474).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import nn

from surrogates.datasets import MeshPrediction, MeshSample
from surrogates.physics.errors import DomainError


class PanelEnsemble(nn.Module):
    """The mean of its members' fields, a PlateStress task like each of them.

    Args:
        members: trained PlateStress tasks of the same field; plate graphs and vertex graphs may be mixed.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise DomainError("an ensemble of no members; give at least one trained task, two for a spread")
        fields = {str(m.field) for m in members}
        if len(fields) > 1:
            raise DomainError(f"the members predict different fields {sorted(fields)}; train them on the same one")
        self.members = nn.ModuleList(members)

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """Means; with `spread` the members' sample standard deviations, of each value and not calibrated."""
        if spread and len(self.members) < 2:
            raise DomainError("one member has no scatter; give the ensemble two or more, or calibrate it")
        first: Any = self.members[0]
        found = []
        for sample, said in answers(list(self.members), data):
            values, peaks = said.mean(axis=0), said.max(axis=1)
            std = {first.field: said.std(axis=0, ddof=1)} if spread else None
            peak = (float(values.max()), float(peaks.std(ddof=1)) if spread else None)
            found.append(MeshPrediction(sample, {first.field: values}, std, {first.peak: peak}))
        return found[0] if isinstance(data, MeshSample) else found


def answers(members: Sequence[Any], data: Any) -> Iterator[tuple[MeshSample, np.ndarray]]:
    """What members say of each panel, (members, nodes)."""
    samples = [data] if isinstance(data, MeshSample) else [data[k] for k in range(len(data))]
    said = [member.predict(samples) for member in members]
    for k, sample in enumerate(samples):
        yield sample, np.stack([s[k].fields[members[0].field] for s in said])
