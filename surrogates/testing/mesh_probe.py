"""Asking anything that maps meshes to fields: a network, a task, a trained surrogate, a checkpoint, a process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from surrogates.datasets import Meshes, MeshSample
from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_map import MeshMap
from surrogates.tasks.mesh_windows import MeshWindow

Answer = dict[str, np.ndarray]
PROBED, ANSWERED = "probed", "answered"  # fields that a bare network is asked with


@dataclass(frozen=True)
class MeshProbe:
    """A surrogate with what the laws must know of it.

    Args:
        ask: meshes that lie in one batch -> fields by name of each, (nodes, *components).
        task: a MeshMap where there is one, of which single channels can be asked. dtype: what it is asked in.
    """

    name: str
    ask: Callable[[Sequence[MeshSample]], list[Answer]]
    dtype: torch.dtype
    task: MeshMap | None = None

    def __call__(self, sample: MeshSample) -> Answer:
        """Of one mesh. Raises DomainError for an answer that does not fit it."""
        found = self.ask([sample])[0]
        for name, values in found.items():
            if len(sample) not in values.shape[:2]:
                raise DomainError(f"{self.name} answered {name} {values.shape} for {len(sample)} nodes")
        return found


def mesh_probe(thing: Any, samples: Sequence[MeshSample], dtype: torch.dtype | None = None) -> MeshProbe:
    """A probe of a network on meshes, a MeshMap, a Fitted, a checkpoint's path, or anything whose `predict` says fields
    of a mesh.

    Networks are asked as copies in `dtype` (None: as they are), in evaluation mode. A bare network is asked with the
    samples' field `probed` (see `prepared`), as a MeshMap that normalises nothing.
    """
    name = _name(thing)
    if isinstance(thing, str | Path):
        from surrogates.training.checkpoint import load

        thing = load(thing)
    if hasattr(thing, "members") and hasattr(thing, "task"):
        thing = thing.task
    if isinstance(thing, nn.Module):
        given = next((p.dtype for p in thing.parameters()), torch.float64)
        thing = copy.deepcopy(thing).eval().to(dtype or given)
        task = thing if hasattr(thing, "told_as") else _bare(thing, samples).to(dtype or given)
        return MeshProbe(name, _task(task), dtype or given, task if isinstance(task, MeshMap) else None)
    if not hasattr(thing, "predict"):
        raise DomainError(
            f"a {type(thing).__name__} says nothing of meshes; give a MeshMap, a Fitted, a network on meshes, or what "
            "has a `predict`"
        )
    return MeshProbe(name, lambda meshes: [_plain(thing.predict(m)) for m in meshes], torch.float64)


def prepared(thing: Any, samples: Sequence[MeshSample]) -> list[MeshSample]:
    """The samples as they are asked about: for a bare network with smooth fields in all its channels."""
    if not isinstance(thing, nn.Module) or hasattr(thing, "told_as"):
        return list(samples)
    generator = np.random.default_rng(0)
    n_in, n_out = int(thing.in_channels), int(thing.out_channels)  # type: ignore[arg-type]
    waves = generator.normal(size=(n_in, samples[0].dim))
    found = []
    for sample in samples:
        middle = sample.points.mean(axis=0)
        size = np.linalg.norm(np.ptp(sample.points, axis=0))
        smooth = np.sin(3 * (sample.points - middle) / size @ waves.T + generator.uniform(0, 6, n_in))
        fields = {PROBED: smooth, ANSWERED: generator.normal(size=(len(sample), n_out))}
        found.append(replace(sample, fields=fields, times=None))
    return found


def _bare(model: nn.Module, samples: Sequence[MeshSample]) -> MeshMap:
    task = MeshMap(model, input=PROBED, target=ANSWERED)
    task.prepare(Meshes(prepared(model, samples)))
    for name, value in (("value_mean", 0.0), ("value_scale", 1.0), ("target_mean", 0.0), ("target_scale", 1.0)):
        getattr(task, name).fill_(value)
    return task.eval()


def _task(task: Any) -> Callable[[Sequence[MeshSample]], list[Answer]]:
    @torch.no_grad()
    def ask(meshes: Sequence[MeshSample]) -> list[Answer]:
        windows = [w for k, m in enumerate(meshes) for w in [replace(task.gather([m])[0], row=k)]]
        return [_plain(p) for p in _predicted(task, windows)]

    return ask


def _predicted(task: Any, windows: Sequence[MeshWindow]) -> list[Any]:
    """In one batch, whatever its size."""
    if hasattr(task, "members"):
        return [p for w in windows for p in [task.predict(w)]]
    batch = task.collate(list(windows), targets=False)
    found: list[Any] = task.told_as(list(windows), task(batch))
    return found


def _plain(prediction: Any) -> Answer:
    return {name: np.asarray(values, dtype=np.float64) for name, values in prediction.fields.items()}


def _name(thing: Any) -> str:
    if isinstance(thing, str | Path):
        return Path(thing).name
    inner = getattr(thing, "task", thing)
    inner = getattr(inner, "model", inner)
    return str(getattr(inner, "__name__", None) or type(inner).__name__)
