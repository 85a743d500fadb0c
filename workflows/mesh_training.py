"""What steps that train networks on meshes do at their end. Imported in workers only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surrogates.training import combine, load
from surrogates.workflows.desk import Desk
from surrogates.workflows.files import sha256, write_json
from surrogates.workflows.steps.train_mesh_surrogate import TrainedMeshSurrogate


def trained(file: str, model: str, folders: Sequence[Path], parts: dict[str, Any], desk: Desk) -> TrainedMeshSurrogate:
    """The members in `folders` as one surrogate in `file`, calibrated where there are meshes for it, and its facts."""
    fitted = combine([load(folder / "member.safetensors", trust=desk.trust) for folder in folders])
    if len(parts["calibration"]):  # with too few there is no spread, and the verdict says so
        fitted = fitted.calibrate(parts["calibration"], parts["train"])
    fitted.save(desk.folder / file)
    write_json(desk.folder / "history.json", [dict(row) for row in fitted.history])
    facts = fitted.provenance
    return TrainedMeshSurrogate(
        file=file,
        digest=sha256(desk.folder / file),
        history="history.json",
        model=model.partition(":")[2],
        members=len(fitted.members),
        parameters=sum(p.numel() for p in fitted.members[0].parameters()),
        steps=tuple(facts["steps"] if isinstance(facts["steps"], list) else [facts["steps"]]),
        stopped=facts["stopped"],
        train=len(parts["train"]),
        valid=len(parts["valid"]),
        calibration=len(parts["calibration"]),
        papers=tuple(facts["papers"]),
    )
