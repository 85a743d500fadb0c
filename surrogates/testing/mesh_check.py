"""The trust check of a surrogate on meshes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from surrogates.construct import construct, describe
from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.testing import mesh_laws
from surrogates.testing.check_surrogate import Report
from surrogates.testing.law import Law, judge, not_applicable
from surrogates.testing.mesh_claims import MeshClaims, MeshTolerance, by_precision
from surrogates.testing.mesh_probe import MeshProbe, mesh_probe, prepared


def check_meshes(
    thing: Any,
    data: Any,
    *,
    claims: MeshClaims | None = None,
    samples: int = 3,
    dtype: torch.dtype | None = torch.float64,
    tolerance: MeshTolerance | None = None,
) -> Report:
    """Measure every law that is claimed of a network on meshes, a MeshMap, a Fitted, a checkpoint's path, or anything
    whose `predict` says fields of a mesh.

    Args:
        data: a Meshes, a list of MeshSample or one; the first `samples` are taken.
        claims: what it owes; None: what the task and its network promise, see `MeshClaims.of`.
        dtype: networks are measured as copies in this precision; None: as they are.
        tolerance: None: by the precision.
    Raises DomainError for data that do not fit.
    """
    meshes: list[MeshSample] = [data] if isinstance(data, MeshSample) else [data[k] for k in range(len(data))][:samples]
    if not meshes:
        raise DomainError("no meshes were given; laws are measured on meshes, so give at least one")
    meshes = prepared(thing, meshes)
    ask = mesh_probe(thing, meshes, dtype)
    if ask.task is not None:
        for k, mesh in enumerate(meshes):
            ask.task.facts.check(mesh, k)
    claims = claims or MeshClaims.of(ask.task if ask.task is not None else thing)
    allowed = tolerance or by_precision(ask.dtype)
    laws: list[Law] = []
    for law in mesh_laws.LAWS:
        laws += law(ask, meshes, claims, allowed)
    laws += saved_is_loaded(thing, ask, meshes)
    said = "given tolerances" if tolerance else f"tolerances for {str(ask.dtype).removeprefix('torch.')}"
    return Report(ask.name, said, tuple(laws))


def saved_is_loaded(thing: Any, ask: MeshProbe, meshes: Sequence[MeshSample]) -> list[Law]:
    """Answers survive a checkpoint, or a bare module its description in JSON and its state, to the bit."""
    name = "saved = loaded"
    if isinstance(thing, str | Path) or not (hasattr(thing, "save") or hasattr(thing, "arguments")):
        return [not_applicable(name, mesh_laws.UNIT, "cannot be saved, or was loaded")]
    again: Any
    if hasattr(thing, "save"):
        with tempfile.TemporaryDirectory() as folder:
            again = _loaded(thing, Path(folder) / "law.safetensors")
    else:
        modules = {type(m).__module__ for m in thing.modules()}
        again = construct(json.loads(json.dumps(describe(thing))), trust=sorted(modules))
        again = again.to(next(iter(thing.parameters())).dtype)
        again.load_state_dict(thing.state_dict())
    before, after = mesh_probe(thing, meshes)(meshes[0]), mesh_probe(again, meshes)(meshes[0])
    error = max(float(abs(after[n] - x).max()) for n, x in before.items())
    scale = max(float(abs(x).max()) for x in before.values())
    return [judge(name, error, scale, 0.0, mesh_laws.UNIT, "to the bit")]


def _loaded(thing: Any, path: Path) -> Any:
    thing.save(path)
    if not hasattr(thing, "members"):  # a Gaussian process loads itself
        return type(thing).load(path)
    from surrogates.training.checkpoint import load

    trusted = {
        type(m).__module__ for member in thing.members if isinstance(member, nn.Module) for m in member.modules()
    }
    return load(path, trust=sorted(trusted))
