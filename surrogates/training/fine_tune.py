"""Going on from a trained model: what is kept, what trains.

Papers: A foundation model for atomistic materials chemistry (arXiv:2401.00096) for naive and multi-head replay
fine-tuning; Fine-tuning MLIP foundation models (arXiv:2606.12704) for the frozen variants and for atomic energies.
Kept: full updates, training of the readout alone or with the last layers, atomic energies re-estimated with the model.
Changed: scale, shift and neighbour statistics always stay those of the trained model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from surrogates.physics.errors import DomainError, SurrogatesWarning, TrainingError
from surrogates.tasks.trunk import readout_names

_WORDS = ("nothing", "trunk")


class RoundedWeights(SurrogatesWarning):
    """A trained model loses digits in the precision of the plan."""


@dataclass(frozen=True)
class FineTune:
    """How to go on from a trained task.

    Args:
        isolated: energies of isolated atoms: "keep"; "refit" to the new data, for another level of theory; or given by
            symbol, eV. None keeps them if the new energies fit them within 0.2 eV/atom, and raises otherwise. For
            MultiHead all this by head: {"new": "refit"}.
        freeze: what does not train: "nothing"; "trunk", so that the readout alone trains; a number k, so that the
            readout and the last k layers train; or names of parameters, as `fnmatch` patterns such as "layers.0.*".
    """

    isolated: str | Mapping[str, Any] | None = None
    freeze: str | int | Sequence[str] = "nothing"

    def __post_init__(self) -> None:
        """Raises TrainingError for words that are unknown."""
        if not isinstance(self.freeze, str | int | Sequence):
            raise TrainingError(f"FineTune(freeze={self.freeze!r}) is unknown; write 'nothing' to let everything train")
        if isinstance(self.freeze, str) and self.freeze not in _WORDS:
            raise TrainingError(
                f"FineTune(freeze={self.freeze!r}) is unknown; write 'nothing', 'trunk', a number of layers that "
                "train, or a list of names of parameters"
            )
        if isinstance(self.freeze, int) and (isinstance(self.freeze, bool) or self.freeze < 0):
            raise TrainingError(f"FineTune(freeze={self.freeze!r}): a number of layers that train is at least 0")
        if isinstance(self.isolated, str) and self.isolated not in ("keep", "refit"):
            raise TrainingError(
                f"FineTune(isolated={self.isolated!r}) is unknown; write 'keep', 'refit' or energies by symbol in eV"
            )

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        freeze = self.freeze if isinstance(self.freeze, str | int) else list(self.freeze)
        isolated = self.isolated
        if isinstance(isolated, Mapping):
            isolated = {k: dict(v) if isinstance(v, Mapping) else v for k, v in isolated.items()}
        return {"isolated": isolated, "freeze": freeze}


@contextmanager
def frozen(task: nn.Module, freeze: str | int | Sequence[str]) -> Iterator[dict[str, Any]]:
    """The chosen parameters need no gradient inside this block; gives the counts `trained` and `frozen`.

    Raises TrainingError when nothing would train, and for layers or names that the model does not have.
    """
    before = {name: p.requires_grad for name, p in task.named_parameters()}
    fixed = _chosen(task, freeze)
    try:
        for name, parameter in task.named_parameters():
            parameter.requires_grad_(before[name] and name not in fixed)
        sizes = {name: p.numel() for name, p in task.named_parameters() if p.requires_grad}
        if fixed and not sizes:
            raise TrainingError(f"freeze={freeze!r} leaves nothing to train; freeze less")
        whole = sum(p.numel() for p in task.parameters())
        yield {"trained": sum(sizes.values()), "frozen": whole - sum(sizes.values()), "freeze": _plain(freeze)}
    finally:
        for name, parameter in task.named_parameters():
            parameter.requires_grad_(before[name])


def warn_of_rounding(task: nn.Module, dtype: torch.dtype) -> None:
    """Say so when the trained weights are not numbers of `dtype`."""
    lossy = (p.is_floating_point() and not torch.equal(p.to(dtype).to(p.dtype), p) for p in task.parameters())
    if any(lossy):
        was, now = (str(d).removeprefix("torch.") for d in (next(task.parameters()).dtype, dtype))
        warnings.warn(
            f"the trained weights are {was} and are rounded to {now}, frozen ones too; Plan(dtype={was!r}) keeps them",
            RoundedWeights,
            stacklevel=4,
        )


def _chosen(task: nn.Module, freeze: str | int | Sequence[str]) -> set[str]:
    """Names, in the task, of the parameters to be frozen."""
    if freeze == "nothing":
        return set()
    fixed: set[str] = set()
    kept: set[int] = set()  # a tensor that one head trains is trained
    for model in _models(task):
        own = dict(model.named_parameters())
        training = set(own) - _matching(model, freeze) if _is_patterns(freeze) else _training(model, freeze)
        kept |= {id(own[name]) for name in training}
    for name, parameter in task.named_parameters():
        if id(parameter) not in kept:
            fixed.add(name)
    return fixed


def _training(model: nn.Module, freeze: Any) -> set[str]:
    """Names of the readout and of the last layers that are asked for."""
    try:
        found = set(readout_names(model))
    except DomainError as error:
        raise TrainingError(f"freeze={freeze!r}: {error}; name what to freeze, freeze=['...']") from error
    last = 0 if freeze == "trunk" else int(freeze)
    layers = getattr(model, "layers", None)
    if last and not isinstance(layers, nn.ModuleList):
        raise TrainingError(f"freeze={freeze}: a {type(model).__name__} has no `layers`; name what to freeze instead")
    if last and last > len(layers):  # type: ignore[arg-type]
        raise TrainingError(f"freeze={freeze}: the model has {len(layers)} layers; let at most so many train")  # type: ignore[arg-type]
    wanted = {id(p) for layer in list(layers)[len(layers) - last :] for p in layer.parameters()} if last else set()  # type: ignore[arg-type]
    return found | {name for name, p in model.named_parameters() if id(p) in wanted}


def _matching(model: nn.Module, patterns: Any) -> set[str]:
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern) or name.startswith(pattern + ".")}
        if not hits:
            raise TrainingError(
                f"freeze={list(patterns)}: no parameter is called {pattern!r}; there are {', '.join(names)}"
            )
        found |= hits
    return found


def _models(task: nn.Module) -> list[nn.Module]:
    heads = getattr(task, "heads", None)
    return [getattr(one, "model", one) for one in ([task] if heads is None else heads.values())]


def _is_patterns(freeze: Any) -> bool:
    return not isinstance(freeze, str | int)


def _plain(freeze: Any) -> Any:
    return list(freeze) if _is_patterns(freeze) else freeze
