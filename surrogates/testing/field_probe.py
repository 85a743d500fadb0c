"""Asking anything that maps fields to fields: a model, a task, a trained surrogate, a checkpoint, a solver."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.testing.field_claims import Question

Ask = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]


@dataclass(frozen=True)
class FieldProbe:
    """An operator with what the laws must know of it.

    Args:
        ask: (values, parameters or None, mask or None) -> (batch, channels, *space). dtype: what it is asked in.
    A question that was asked is not asked again: several laws start from the same one.
    """

    name: str
    ask: Ask
    dtype: torch.dtype
    _known: dict[bytes, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, question: Question) -> Tensor:
        """The answer, known or asked."""
        digest = hashlib.sha256()
        for t in (question.values, question.parameters, question.mask):
            digest.update(b"" if t is None else str(tuple(t.shape)).encode() + t.contiguous().cpu().numpy().tobytes())
        key = digest.digest()
        if key not in self._known:
            self._known[key] = self.afresh(question)
        return self._known[key]

    def afresh(self, question: Question) -> Tensor:
        """The answer, detached, in float64 on the CPU. Raises DomainError for what is no field."""
        moved = [t.to(self.dtype) if t is not None else None for t in (question.values, question.parameters)]
        with torch.no_grad():
            found = self.ask(moved[0], moved[1], question.mask)  # type: ignore[arg-type]
        if not isinstance(found, Tensor) or found.ndim != question.values.ndim or len(found) != len(question.values):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise DomainError(f"{self.name} answered {shape} to {tuple(question.values.shape)}; expected are fields")
        return found.detach().double().cpu()


def field_probe(thing: Any, dtype: torch.dtype | None = None) -> FieldProbe:
    """A probe of a network, an operator task, a Fitted, a checkpoint's path, or a function of (values[, parameters]).

    Networks are asked as copies in `dtype` (None: as they are), in evaluation mode; a function is asked in `dtype` too.
    """
    if isinstance(thing, FieldProbe):
        return thing
    name = _name(thing)
    if isinstance(thing, str | Path):
        from surrogates.training.checkpoint import load

        thing = load(thing)
    if hasattr(thing, "members") and hasattr(thing, "task"):
        thing = thing.task
    if not isinstance(thing, nn.Module):
        if not callable(thing):
            raise DomainError(f"a {type(thing).__name__} maps no fields; give an operator, a task or a function")
        return FieldProbe(name, _function(thing), dtype or torch.float64)
    given = next((p.dtype for p in (*thing.parameters(), *thing.buffers()) if p.is_floating_point()), torch.float64)
    thing = thing if dtype in (None, given) and not thing.training else copy.deepcopy(thing).eval()
    thing = thing if dtype is None else thing.to(dtype)
    return FieldProbe(name, _task(thing) if hasattr(thing, "step") else _model(thing), dtype or given)


def _task(task: Any) -> Ask:
    def ask(values: Tensor, parameters: Tensor | None, mask: Tensor | None) -> Tensor:
        told = values.new_zeros(len(values), 0) if parameters is None else parameters
        found: Tensor = task.step(values, told, mask)
        return found

    return ask


def _model(model: nn.Module) -> Ask:
    """A bare network; a mask is one more input channel where it has one for it."""
    bare = _function(model.forward)

    def ask(values: Tensor, parameters: Tensor | None, mask: Tensor | None) -> Tensor:
        if mask is not None and getattr(model, "in_channels", None) == values.shape[1] + 1:
            values = torch.cat([values, mask.unsqueeze(1).to(values)], dim=1)
        return bare(values, parameters, mask)

    return ask


def _function(function: Callable[..., Tensor]) -> Ask:
    try:
        given = inspect.signature(function).parameters.values()
        places = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in given)
        wide = places > 1 or any(p.kind is p.VAR_POSITIONAL for p in given)
    except (TypeError, ValueError):
        wide = True
    return lambda values, parameters, mask: function(values, parameters) if wide else function(values)


def _name(thing: Any) -> str:
    if isinstance(thing, str | Path):
        return Path(thing).name
    inner = getattr(thing, "task", thing)
    inner = getattr(inner, "model", inner)
    return str(getattr(inner, "__name__", None) or type(inner).__name__)
