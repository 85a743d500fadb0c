"""The trust check of an operator between fields; and one check for everything, by what it is asked about."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.construct import construct, describe
from surrogates.datasets import Meshes, MeshSample
from surrogates.datasets.batch import GridBatch
from surrogates.datasets.fields import Fields
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import DomainError
from surrogates.testing import field_laws
from surrogates.testing.check_surrogate import Report, check_surrogate
from surrogates.testing.field_claims import EXACT, SINGLE, Claims, Quantity, Question, Tolerance
from surrogates.testing.field_probe import FieldProbe, field_probe
from surrogates.testing.law import Law, judge, not_applicable
from surrogates.testing.mesh_check import check_meshes

LAWS = (
    field_laws.translation,
    field_laws.rotation,
    field_laws.reflection,
    field_laws.conservation,
    field_laws.linearity,
    field_laws.masking,
    field_laws.causality,
    field_laws.resolution,
    field_laws.obeys_equation,
    field_laws.batching,
    field_laws.determinism,
)
_SAMPLES = 4


def check(thing: Any, data: Any, **options: Any) -> Report:
    """Every law of a surrogate, measured: of a potential on structures, of an operator on fields, of one on meshes.

    `data` decides: a Fields, Trajectory, GridBatch or tensor asks for the laws of fields (`check_operator`), a Meshes
    or MeshSample for those of meshes (`check_meshes`), anything else for those of structures (`check_surrogate`);
    `options` are theirs.
    """
    first = data[0] if isinstance(data, list | tuple) and len(data) else data
    if isinstance(first, Meshes | MeshSample):
        return check_meshes(thing, data, **options)
    if isinstance(first, Fields | Trajectory | GridBatch | Tensor):
        return check_operator(thing, data, **options)
    return check_surrogate(thing, data, **options)


def check_operator(
    thing: Any,
    data: Any,
    *,
    claims: Claims | None = None,
    periodic: bool | Sequence[bool] = True,
    samples: int = _SAMPLES,
    dtype: torch.dtype | None = torch.float64,
    tolerance: Tolerance | None = None,
) -> Report:
    """Measure every law that is claimed of an operator network, a task, a Fitted, a checkpoint's path, or a solver.

    Args:
        data: inputs: a tensor (batch, channels, *space) with `periodic` axes, a GridBatch, or for a task its data set
            (Fields or trajectories), of which the first `samples` are taken.
        claims: what the problem owes; None: translation along periodic axes, the kinds of the task's fields, and the
            means that it conserves.
        dtype: networks are measured as copies in this precision; None: as they are.
        tolerance: None: by the precision.
    Raises DomainError for data that do not fit.
    """
    ask = field_probe(thing, dtype)
    question = _question(thing, data, periodic, samples, claims)
    found = tolerance or (EXACT if ask.dtype == torch.float64 else SINGLE)
    laws: list[Law] = []
    for law in LAWS:
        laws += law(ask, question, found)
    laws += saved_is_loaded(thing, question)
    said = "given tolerances" if tolerance else f"tolerances for {str(ask.dtype).removeprefix('torch.')}"
    return Report(ask.name, said, tuple(laws))


def saved_is_loaded(thing: Any, question: Question) -> list[Law]:
    """Fields survive a checkpoint, or a bare module its description in JSON and its state, to the bit."""
    name = "saved = loaded"
    if hasattr(thing, "save"):
        from surrogates.training.checkpoint import load

        with tempfile.TemporaryDirectory() as folder:
            thing.save(Path(folder) / "law.safetensors")
            again: Any = load(Path(folder) / "law.safetensors")
    elif isinstance(thing, nn.Module) and hasattr(thing, "arguments"):
        again = construct(json.loads(json.dumps(describe(thing))), trust=[type(thing).__module__])
        again = again.to(field_probe(thing).dtype)
        again.load_state_dict(thing.state_dict())
    else:
        return [not_applicable(name, field_laws.UNIT, "cannot be saved")]
    before, after = field_probe(thing)(question), field_probe(again)(question)
    error = (before - after).abs().max().item()
    return [judge(name, error, before.abs().max().item(), 0.0, field_laws.UNIT, "to the bit")]


def _question(thing: Any, data: Any, periodic: bool | Sequence[bool], samples: int, claims: Claims | None) -> Question:
    task = thing.task if hasattr(thing, "members") and hasattr(thing, "task") else thing
    if isinstance(thing, str | Path):
        from surrogates.training.checkpoint import load

        task = load(thing).task
    batch = _batch(task, data, periodic, samples)
    if not len(batch.values):
        raise DomainError("no samples were given; laws are measured on fields, so give at least one")
    if not bool(torch.isfinite(batch.values).all()):
        raise DomainError("a value of the fields is not finite; laws are measured on sound data")
    claims = claims or claims_of(task)
    if not claims.lengths and batch.spacing:  # between walls the domain is taken as n spacings long
        lengths = [h * n for h, n in zip(batch.spacing, batch.space, strict=True)]
        claims = replace(claims, lengths=lengths)
    told = batch.parameters if batch.parameters is not None and batch.parameters.shape[1] else None
    return Question(batch.values.double(), told, batch.mask, _points(data, batch), claims)


def _batch(task: Any, data: Any, periodic: bool | Sequence[bool], samples: int) -> GridBatch:
    if isinstance(data, GridBatch):
        return data
    if isinstance(data, Tensor):
        if data.ndim < 3 or not data.is_floating_point():
            raise DomainError(f"fields of shape {tuple(data.shape)}; give real numbers (batch, channels, *space)")
        closed = (periodic,) * (data.ndim - 2) if isinstance(periodic, bool) else tuple(periodic)
        if len(closed) != data.ndim - 2:
            raise DomainError(f"periodic={periodic!r} for {data.ndim - 2} axes; give one answer for each")
        return GridBatch(data, data.new_zeros(len(data), 0), None, None, closed)
    if not hasattr(task, "batches"):
        raise DomainError(
            f"a {type(task).__name__} does not say which fields are its inputs; wrap it as OperatorMap, or give the "
            "input channels as a tensor or a GridBatch"
        )
    some = data if isinstance(data, Trajectory) else data[:samples]
    batch: GridBatch = next(iter(task.batches(some)))
    return batch


def _points(data: Any, batch: GridBatch) -> tuple[str, ...]:
    """Where grid points lie; between walls at the centres of cells, unless the data's axis begins at 0."""
    axes = getattr(data, "axes", None) or (data[0].axes if isinstance(data, list) else [None] * batch.dim)
    return tuple(
        "periodic" if closed else "ends" if axis is not None and float(axis[0]) == 0.0 else "cells"
        for closed, axis in zip(batch.periodic, axes, strict=True)
    )


def claims_of(task: Any) -> Claims:
    """Kinds of fields from the task's layouts, and the means that it conserves."""
    if not hasattr(task, "input_layout"):
        return Claims()
    names = {0: "scalar", 1: "vector", 2: "tensor"}
    layouts = task.input_layout, task.target_layout
    kinds = [[names[b.rank] for b in layout.blocks for _ in range(b.frames)] for layout in layouts]
    return Claims(inputs=kinds[0], outputs=kinds[1], conserved=_means(*layouts, task.conserve))


def _means(given: Any, predicted: Any, names: Sequence[str]) -> dict[str, tuple[Quantity, Quantity]]:
    """Mean of a field's components in the input's last frame, and in the output's."""
    found: dict[str, tuple[Quantity, Quantity]] = {}
    for name in names:
        each = predicted.index(name)
        size = next(b.components for b in predicted.blocks if b.name == name)
        for k in range(size):
            of_input = given.index(name)[-size:][k]
            found[f"mean of {name}" + (f" {k}" if size > 1 else "")] = (_mean(of_input), _mean(each[-size:][k]))
    return found


def _mean(channel: int) -> Quantity:
    return lambda values: values[:, channel].flatten(1).mean(1)


__all__ = ["EXACT", "LAWS", "SINGLE", "Claims", "FieldProbe", "Tolerance", "check", "check_operator", "saved_is_loaded"]
