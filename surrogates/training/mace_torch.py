"""Model files of mace-torch 0.3 as trained surrogates: one task for each head, on one trunk."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from surrogates.physics.errors import DomainError, FileError
from surrogates.potentials.mace_torch import Head, read_mace_torch
from surrogates.tasks.energy import EnergyForces
from surrogates.tasks.multi_head import MultiHead
from surrogates.training.fitted import Fitted, papers, versions


def is_archive(path: object) -> bool:
    """Whether a file is one of torch.save (a zip archive), and so perhaps a `.model` of mace-torch."""
    if not isinstance(path, str | Path) or not Path(path).is_file():
        return False
    return Path(path).suffix in (".model", ".pt", ".pth") or zipfile.is_zipfile(path)


def load(path: str | Path, *, head: str | None = None, mask_first: bool = True) -> Fitted:
    """A `.model` file of mace-torch in float64; of several heads all, or the one that `head` names.

    `mask_first`: see surrogates.potentials.mace_torch.read_mace_torch. Raises FileError for a damaged or unsupported
    file, TrustError for a class that no such file has, DomainError for an unknown head.
    """
    path = Path(path)
    found = read_mace_torch(path, mask_first=mask_first)
    tasks = {one.name: _task(one) for one in found.heads}
    if head is not None and head not in tasks:
        raise DomainError(f"{path} has no head {head!r}; its heads are {', '.join(tasks)}")
    if len(tasks) < len(found.heads):
        raise FileError(f"{path} has two heads of one name; rename one in mace-torch")
    chosen = {head: tasks[head]} if head is not None else tasks
    task = next(iter(chosen.values())) if len(chosen) == 1 else MultiHead(tasks)
    facts = {
        "source": {"file": path.name, "program": "mace-torch", "sha256": _digest(path), **found.facts},
        "data": {"hash": None, "rows": 0},
        "seeds": [],
        "plan": {},
        "steps": 0,
        "stopped": None,
        "versions": versions(),
        "papers": papers(task),
    }
    return Fitted((task.eval(),), facts if head is None else facts | {"head": head})


def _task(head: Head) -> EnergyForces:
    task = EnergyForces(head.model, baseline=head.baseline).double()
    task.normalise.set(head.isolated, head.scale, head.shift)
    return task


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
