"""Scores of any surrogate, a foreign calculator among them, with the coverage of its spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from surrogates.datasets.batch import LabelledAtoms
from surrogates.datasets.collate import collate
from surrogates.evaluation.coverage import field_coverage, spread_scores
from surrogates.evaluation.mesh_coverage import mesh_coverage
from surrogates.interfaces import Surrogate
from surrogates.tasks.energy_scores import EnergyForcesScores, score
from surrogates.tasks.labels import filled


def evaluate(surrogate: Surrogate, data: Any, *, spread: bool = False, atoms: int = 600) -> EnergyForcesScores:
    """Errors of `surrogate` on labelled structures, about `atoms` atoms a batch; `spread` asks for its band too."""

    def predict(batch: Any, *, stress: bool = False) -> Any:
        return surrogate.predict(batch, stress=stress, spread=spread)

    return with_spread(score(predict, _batches(data, surrogate.r_max, atoms)))


def with_spread(scores: Any) -> Any:
    """The same scores with the coverage of the predicted spread, where one was predicted."""
    arrays = getattr(scores, "arrays", {})
    if hasattr(scores, "by_field"):
        if "mesh_of" in arrays:
            return replace(
                scores, coverage={n: mesh_coverage(arrays, n) for n in scores.by_field if f"{n}_std" in arrays}
            )
        found = {n: field_coverage(arrays, n) for n in scores.by_field if f"{n}_std" in arrays}
        return replace(scores, coverage=found)
    if not {"energy_std", "forces_std"} & set(arrays):
        return scores
    return replace(scores, spread=spread_scores(arrays))


def _batches(data: Any, r_max: float, atoms: int) -> Iterator[LabelledAtoms]:
    chunk: list[Any] = []
    for i in range(len(data)):
        chunk.append(data[i])
        if i + 1 == len(data) or sum(len(s.numbers) for s in chunk) >= atoms:
            yield collate(filled(chunk), r_max=r_max, dtype=torch.float64)
            chunk = []
