"""Inputs of steps on meshes as objects: data sets and trained surrogates of every kind. Imported in workers only."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from surrogates.datasets import Meshes, MeshPrediction
from surrogates.datasets.adapters.mesh_files import SUFFIXES, read_mesh
from surrogates.datasets.read_meshes import read_meshes
from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.tasks.mesh_windows import MeshWindows
from surrogates.workflows.desk import Desk

_AT_ONCE = 8  # meshes predicted together


def mesh_data(path: str) -> Meshes:
    """Meshes of a file of ours, of one mesh file, or of a folder of them."""
    if Path(path).suffix in (".h5", ".hdf5") or (Path(path) / "manifest.json").exists():
        return Meshes.open(path)
    if not Path(path).is_dir():
        return Meshes([read_mesh(path)], provenance={"description": Path(path).name})
    return read_meshes(path)


def read_folder(
    path: str, fields: list[str] | None, tags: list[str], told: Mapping[str, Any]
) -> tuple[Meshes, dict[str, str]]:
    """Meshes of a folder, and the files that were left out with the reason for each; `told`: further arguments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SurrogatesWarning)  # the result and the report list what is left out
        data = read_meshes(path, fields=fields, tags=tags, **told)
    return data, {row["file"]: row["reason"] for row in data.provenance.get("quarantined", ())}


def holds_meshes(path: str | Path) -> bool:
    """Whether a file, or a folder, holds meshes: in a format of other programs, or a data set of ours."""
    found = Path(path)
    files = sorted(found.rglob("*")) if found.is_dir() else [found]
    return any(file.suffix.lower() in SUFFIXES or _ours(file) for file in files)


def _ours(path: Path) -> bool:
    """Whether a file is a data set of meshes of ours."""
    from surrogates.datasets.adapters.whole_files import MESHES

    if path.suffix not in (".h5", ".hdf5") or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MESHES)) == MESHES


def varying(data: Meshes) -> list[str]:
    """Names of the parameters that are not the same on all meshes."""
    found = {name: data.parameter(name) for name in data.parameter_names}
    return [name for name, values in found.items() if np.ptp(values) > 0]


def mesh_surrogate(path: str, desk: Desk) -> Any:
    """The trained surrogate in a checkpoint, a Fitted or an MMGP. Raises DomainError for one of another kind."""
    found = load_mesh_surrogate(path, desk.trust)
    if desk.device != "auto" and hasattr(found, "to"):
        found = found.to(desk.device)
    return found


def load_mesh_surrogate(path: str | Path, trust: Sequence[str] = ()) -> Any:
    """The same on the device that it was stored for."""
    from surrogates.training import load

    found = load(path, trust=trust)
    if not is_mesh_surrogate(found):
        raise DomainError(
            f"{Path(path).name} holds a {type(getattr(found, 'members', (found,))[0]).__name__}, no surrogate on "
            "meshes; give the checkpoint of a step train_mesh_surrogate or fit_mmgp"
        )
    return found


def is_mesh_surrogate(found: Any) -> bool:
    """Whether what a checkpoint holds predicts fields on meshes."""
    task = getattr(found, "members", (found,))[0]
    return type(task).__module__.startswith(("surrogates.meshes.", "surrogates.tasks.mesh_", "surrogates.tasks.plate_"))


def task_of(surrogate: Any) -> Any:
    """The MeshMap of a trained network; None for a surrogate of another kind, such as an MMGP."""
    task = getattr(surrogate, "members", (surrogate,))[0]
    return task if hasattr(task, "told_as") else None


def predicted(surrogate: Any, data: Any) -> Iterator[MeshPrediction]:
    """What a surrogate says of each mesh, or window, with its band where it has one."""
    for begin in range(0, len(data), _AT_ONCE):
        some = data[begin : begin + _AT_ONCE]
        if hasattr(surrogate, "members"):
            yield from surrogate.predict(some, spread=surrogate.spread is not None)
        else:
            yield from (surrogate.predict(sample) for sample in some)


def foreign(surrogate: Any, data: Meshes) -> float | None:
    """Share of meshes that the out-of-data detector calls unlike the training data; None without one."""
    domain = getattr(surrogate, "domain", None)
    if domain is None:
        return None
    task: Any = task_of(surrogate) or SimpleNamespace(span=None, input_layout=SimpleNamespace(blocks=()))  # of panels
    windows = MeshWindows(data, task.span).first()
    return float(np.mean([bool(domain.foreign(task, window)) for window in windows]))


def papers_of(surrogate: Any) -> tuple[str, ...]:
    """The title that opens the file of its class."""
    text = (inspect.getdoc(sys.modules[type(surrogate).__module__]) or "").split("\n")[0]
    return (text,) if re.search(r"arXiv|doi", text, re.IGNORECASE) else ()


def seen_by(surrogate: Any, data: Meshes) -> list[int]:
    """Rows of `data` that a surrogate was trained on."""
    if hasattr(surrogate, "seen"):
        return list(surrogate.seen(data))
    known = set(getattr(surrogate, "facts", {}).get("row_hashes", ()))
    return [k for k, row in enumerate(data.row_hashes()) if row in known]
