"""Several tasks on one trunk: heads with a readout, a normalisation, labels and a loss of their own.

Papers: A foundation model for atomistic materials chemistry (arXiv:2401.00096) and Cross Learning between Electronic
Structure Theories for Unifying Molecular, Surface, and Inorganic Crystal Foundation Force Fields (arXiv:2510.25380):
in multi-head replay fine-tuning a pretrained model goes on learning its old data through its old readout, while a new
readout learns the new level of theory.
Kept: everything but readout, atomic energies, scale and shift is shared; heads are mixed in every batch; a head weighs
in the loss as stated.
Changed: heads are whole single-head tasks, so there is no head index in a batch; shares of the heads are an argument
instead of copies of small data sets; no head's part of the loss is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.tasks.energy import EnergyForces
from surrogates.tasks.energy_scores import EnergyForcesScores
from surrogates.tasks.labels import check_something_to_learn, count_labels
from surrogates.tasks.mixture import HeadBatch, HeadSample, Mixture
from surrogates.tasks.trunk import share_trunk, shares_trunk, twin

__all__ = ["HeadScores", "MultiHead", "with_replay"]


class UnvalidatedHead(SurrogatesWarning):
    """A head has no validation data."""


class MultiHead(nn.Module):
    """Tasks that share one trunk; `fit` takes its data as {head: structures}.

    Args:
        heads: tasks by name, whose models share their trunk, as `twin` and `with_replay` make them and as the heads of
            one model file do.
        weights: of each head in the loss, 1 unless given.
        shares: of each head in a batch, by the sizes of its data unless given; see surrogates.tasks.mixture.
        tie: give all heads the trunk of the first one, whatever they had.
    The loss of a batch is sum_h weights[h] (n_h / n) loss_h over its n structures, so that each structure weighs alike
    but for its head's weight. Parts are named `head.loss`, `head.energy`, `head.forces`, `head.stress`. The weights
    kept are those for which sum_h weights[h] loss_h / sum_h weights[h] over the heads with validation data is
    lowest.
    """

    loss_parts: ClassVar = EnergyForces.loss_parts
    default_weights: ClassVar = EnergyForces.default_weights

    def __init__(
        self,
        heads: Mapping[str, EnergyForces],
        *,
        weights: Mapping[str, float | int] | None = None,
        shares: Mapping[str, float | int] | None = None,
        tie: bool = False,
    ) -> None:
        super().__init__()
        _check_heads(heads, weights, shares)
        first, *others = heads.values()
        if len({id(head.model) for head in heads.values()}) < len(heads):
            raise DomainError("these heads are one model, readout included; make each with surrogates.tasks.trunk.twin")
        for other in others:
            if tie:
                share_trunk(first.model, other.model)
            elif not shares_trunk(first.model, other.model):
                raise DomainError(
                    "these heads have a trunk each; make one from the other with surrogates.tasks.trunk.twin(task), or "
                    "let all take the first one's with MultiHead(..., tie=True)"
                )
        self.heads = nn.ModuleDict(heads)
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in heads}
        self.shares = None if shares is None else {name: float(shares[name]) for name in heads}
        self.arguments = {"heads": dict(heads), "weights": self.weights, "shares": self.shares, "tie": True}
        self.register_state_dict_post_hook(_drop_aliases)
        self.register_load_state_dict_pre_hook(_add_aliases)

    @property
    def names(self) -> tuple[str, ...]:
        """The heads' names."""
        return tuple(self.heads)

    @property
    def r_max(self) -> float:
        """Longest cutoff of the heads, Å."""
        return max(float(self.head(name).r_max) for name in self.heads)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that all heads know, () for any."""
        known = [set(self.head(name).elements) for name in self.heads if self.head(name).elements]
        return tuple(sorted(set.intersection(*known))) if known else ()

    @property
    def trained(self) -> bool:
        """Whether a head is trained already."""
        return any(self.head(name).trained for name in self.heads)

    def head(self, name: str) -> EnergyForces:
        """One head: a task like any other, on the common trunk. Raises DomainError for an unknown name."""
        if name not in self.heads:
            raise DomainError(f"there is no head {name!r}; there are {', '.join(self.heads)}")
        return self.heads[name]  # type: ignore[return-value]

    def predict(self, atoms: Any, *, stress: bool = False, spread: bool = False) -> Any:
        """Raises DomainError: each head predicts another level of theory."""
        raise DomainError(
            f"this surrogate has the heads {', '.join(self.heads)}; take one of them: fitted.head({self.names[0]!r}), "
            f"or load(path, head={self.names[0]!r})"
        )

    def gather(self, data: Any) -> Mixture:
        """{head: structures} as one data set. Raises DomainError for anything else, and for unknown heads."""
        if isinstance(data, Mixture):
            return data
        if not isinstance(data, Mapping):
            if hasattr(data, "__len__") and len(data) == 0:
                return Mixture({})
            raise DomainError(
                f"data of several heads come as {{head: structures}} with {', '.join(self.heads)}, not as "
                f"{type(data).__name__}"
            )
        for name in data:
            self.head(name)
        return Mixture({name: data[name] for name in self.heads if name in data}, self._shares_of(data))

    def prepare(self, train: Mixture) -> None:
        """Each head's normalisation from its own data, the trunk's statistics from all. DomainError as EnergyForces."""
        for name in self.heads:
            with _told(name):
                self.head(name).set_normalisation(_rows(train, name))
        together = [sample for name in self.heads for sample in _rows(train, name)[: 1000 // len(self.heads)]]
        for name in self.heads:
            self.head(name).set_statistics(together)

    def restart(self, train: Mixture, isolated: Any = None) -> dict[str, Any]:
        """Go on from trained heads; heads that are not trained take their normalisation from their own data.

        `isolated` is what EnergyForces.restart takes, for all heads, or by head. The trunk's statistics stay.
        """
        if isinstance(isolated, Mapping):
            for name in isolated:
                self.head(name)
        done: dict[str, Any] = {}
        for name in self.heads:
            head, rows = self.head(name), _rows(train, name)
            asked = isolated.get(name) if isinstance(isolated, Mapping) else isolated
            with _told(name):
                if head.trained:
                    done[name] = head.restart(rows, asked)
                else:
                    head.set_normalisation(rows)
                    done[name] = {"isolated": "fitted"}
        return done

    def count_labels(self, train: Mixture, weights: Mapping[str, float | int]) -> dict[str, dict[str, int]]:
        """How many structures of each head have each label. Raises DomainError for a head that would learn nothing."""
        missing = [name for name in self.heads if not train.sizes.get(name)]
        if missing:
            raise DomainError(f"there are no training data for {', '.join(missing)}; give {{head: structures}} for all")
        counts = {name: count_labels(_rows(train, name)) for name in self.heads}
        for name, own in counts.items():
            if self.weights[name] > 0:
                check_something_to_learn(own, weights, f" of head {name}")
        return counts

    def collate(self, samples: Sequence[HeadSample]) -> HeadBatch:
        """One batch for each head."""
        rows: dict[str, list[Any]] = {}
        for one in samples:
            rows.setdefault(one.head, []).append(one.sample)
        return HeadBatch({name: self.head(name).collate(rows[name]) for name in self.heads if name in rows})

    def loss(self, batch: HeadBatch, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """sum_h weight_h (n_h / n) loss_h, and every head's loss and its parts, `head.energy`, ..., detached."""
        whole: Tensor | float = 0.0
        parts: dict[str, Tensor] = {}
        n = sum(part.atoms.n_structures for part in batch.parts.values())
        for name, part in batch.parts.items():
            loss, own = self.head(name).loss(part, weights)
            whole = whole + self.weights[name] * part.atoms.n_structures / n * loss
            parts |= {f"{name}.loss": loss.detach(), **{f"{name}.{key}": value for key, value in own.items()}}
        return torch.as_tensor(whole), parts

    def criterion(self, parts: Mapping[str, float]) -> float:
        """What decides which weights are kept: the heads' validation losses, averaged with the heads' weights."""
        found = {name: parts[f"{name}.loss"] for name in self.heads if f"{name}.loss" in parts}
        weights = {name: self.weights[name] for name in found}
        if not sum(weights.values()) > 0:
            weights = dict.fromkeys(found, 1.0)
        return sum(weights[name] * loss for name, loss in found.items()) / sum(weights.values())

    def check_validation(self, valid: Mixture) -> None:
        """Warn where some heads have validation data and others have none."""
        blind = [name for name in self.heads if not valid.sizes.get(name)]
        if len(valid) and blind:
            warnings.warn(
                f"there are no validation data for {', '.join(blind)}: which weights are kept is decided by the other "
                f"heads alone, and nothing tells whether {blind[0]} gets worse; give {{head: structures}} for all",
                UnvalidatedHead,
                stacklevel=4,
            )

    def refit(self, train: Mixture) -> None:
        """Each head's closing refit on its own data."""
        for name in self.heads:
            self.head(name).refit(_rows(train, name))

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> HeadScores:
        """Scores of each head on its own data, {head: structures}; `predict` is for tasks of one head."""
        return HeadScores({n: self.head(n).evaluate(part) for n, part in self.gather(data).parts.items()})

    def card(self) -> dict[str, Any]:
        """Every head's card, weight and share."""
        shares = {"shares": self.shares or "by the sizes of the data"}
        return {"heads": {n: self.head(n).card() for n in self.heads}, "head_weights": self.weights, **shares}

    def _shares_of(self, data: Mapping[str, Any]) -> Mapping[str, float] | None:
        return None if self.shares is None or set(data) != set(self.heads) else self.shares


@dataclass(frozen=True)
class HeadScores:
    """Scores by head; `scores["new"]` is a task's own."""

    heads: dict[str, EnergyForcesScores]

    def __getitem__(self, name: str) -> EnergyForcesScores:
        return self.heads[name]

    def __str__(self) -> str:
        return "\n".join(f"head {name}\n{scores}" for name, scores in self.heads.items())


def with_replay(
    task: EnergyForces,
    *,
    new: str = "new",
    replay: str = "pretrained",
    weights: Mapping[str, float | int] | None = None,
    shares: Mapping[str, float | int] | None = None,
) -> MultiHead:
    """A trained task as head `replay`, and a copy of its readout and normalisation as head `new`, on one trunk.

    `task` itself becomes the replay head: it goes on learning its old data when the result is trained.
    """
    if not task.trained:
        raise DomainError("this task is not trained, so there is nothing to replay; load a checkpoint or a model file")
    return MultiHead({new: twin(task), replay: task}, weights=weights, shares=shares)  # type: ignore[dict-item]


def _check_heads(heads: Mapping[str, Any], *given: Mapping[str, float | int] | None) -> None:
    if len(heads) < 2:
        raise DomainError(f"MultiHead got {len(heads)} heads; give two or more, or train the task as it is")
    for name, task in heads.items():
        if not name.replace("_", "").replace("-", "").isalnum() or hasattr(nn.ModuleDict, name):
            raise DomainError(
                f"{name!r} is no name of a head; use letters, digits, _ and -, and no name of a dict method"
            )
        if not isinstance(task, EnergyForces):
            raise DomainError(f"head {name} is a {type(task).__name__}; heads are tasks such as EnergyForces(model)")
    for values, word in zip(given, ("weights", "shares"), strict=True):
        strange = [name for name in values or () if name not in heads]
        if strange:
            raise DomainError(f"{word} names {', '.join(strange)}; the heads are {', '.join(heads)}")
        if values is not None and not all(0 <= float(v) < float("inf") for v in values.values()):
            raise DomainError(f"{word}={dict(values)}: give numbers of at least 0")
        if values is not None and word == "shares" and (set(values) != set(heads) or min(values.values()) <= 0):
            raise DomainError(f"shares={dict(values)}: give a positive share for each of {', '.join(heads)}")
        if values is not None and word == "weights" and not sum(float(values.get(h, 1.0)) for h in heads) > 0:
            raise DomainError("every head's weight is 0, so nothing would train; give one a positive weight")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Errors inside say which head they are about."""
    try:
        yield
    except DomainError as error:
        raise DomainError(f"head {name}: {error}") from error


def _rows(train: Mixture, name: str) -> list[Any]:
    part = train.parts[name]
    return [part[i] for i in range(len(part))]


def _aliases(module: nn.Module) -> dict[str, str]:
    """Names in the state that mean a tensor which has another name already, and that name."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for tensors in (module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)):
        for name, tensor in tensors:
            if first.setdefault(id(tensor), name) != name:
                found[name] = first[id(tensor)]
    return found


def _drop_aliases(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for alias in _aliases(module):
        state.pop(prefix + alias, None)


def _add_aliases(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for alias, name in _aliases(module).items():
        if prefix + name in state:
            state.setdefault(prefix + alias, state[prefix + name])
