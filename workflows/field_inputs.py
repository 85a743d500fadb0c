"""Inputs of steps on fields as objects: data sets and trained operators. Imported in workers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surrogates.datasets import Fields
from surrogates.datasets.read_fields import read_fields
from surrogates.physics.errors import DomainError
from surrogates.training.checkpoint import load
from surrogates.workflows.desk import Desk


def field_data(path: str, every: int = 1) -> Fields:
    """Trajectories of a file or folder, at each `every`-th grid point."""
    data = read_fields(path)
    return data if every == 1 else data.every(every)


def trained_operator(path: str, desk: Desk) -> Any:
    """The trained operator in a checkpoint. Raises DomainError for a surrogate of another kind."""
    fitted = load(path, trust=desk.trust)
    if not hasattr(fitted.members[0], "rollout_batches"):
        raise DomainError(
            f"{Path(path).name} holds a {type(fitted.members[0]).__name__}, no operator on fields; give the checkpoint "
            "of a step train_operator"
        )
    return fitted if desk.device == "auto" else fitted.to(desk.device)
