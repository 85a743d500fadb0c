"""Old data for a model that learns something new: heads that replay it, rows to replay, labels where there are none.

Papers: A foundation model for atomistic materials chemistry (arXiv:2401.00096), multi-head replay; Fine-tuning MLIP
foundation models (arXiv:2606.12704), replay of structures labelled by the model itself (pseudolabels).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from surrogates.datasets import Structures
from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.tasks import multi_head
from surrogates.training.fitted import Fitted

_WAYS = ("random", "elements")


def with_replay(
    trained: Any,
    *,
    new: str = "new",
    replay: str = "pretrained",
    weights: Mapping[str, float | int] | None = None,
    shares: Mapping[str, float | int] | None = None,
) -> Any:
    """A trained surrogate of one head as one of two: `replay` goes on with the old data, `new` has a copied readout.

    A Fitted gives a Fitted, which `fit` takes with data {new: ..., replay: ...} and which remembers what it was trained
    on; a task gives a MultiHead around itself. `weights` of the heads in the loss, `shares` of a batch: see MultiHead.
    """
    heads: dict[str, Any] = {"new": new, "replay": replay, "weights": weights, "shares": shares}
    if not isinstance(trained, Fitted):
        return multi_head.with_replay(trained, **heads)
    if trained.heads or len(trained.members) > 1:
        what = f"heads {', '.join(trained.heads)}" if trained.heads else f"{len(trained.members)} members"
        raise TrainingError(f"this surrogate has {what}; take one of them first")
    task = multi_head.with_replay(copy.deepcopy(trained.members[0]), **heads)
    return replace(trained, members=(task,), spread=None, train_data=None)


def select_replay(
    data: Any, count: int, *, elements: Iterable[int] | None = None, by: str = "random", seed: int = 0
) -> Any:
    """At most `count` rows of `data` to replay.

    `elements` (atomic numbers) leaves out structures with any other element. `by` is "random", or "elements": again and
    again a random structure with the element that the chosen ones have seen least, so that rare elements are kept.
    Raises DomainError when nothing is left.
    """
    if by not in _WAYS:
        raise DomainError(f"by={by!r} is unknown; choose one of {', '.join(_WAYS)}")
    if count < 1:
        raise DomainError(f"count={count}: give the number of structures to replay, at least 1")
    allowed = None if elements is None else {int(z) for z in elements}
    present = [{int(z) for z in np.unique(data[i].numbers)} for i in range(len(data))]
    rows = [i for i, own in enumerate(present) if allowed is None or own <= allowed]
    if not rows:
        raise DomainError(f"none of {len(data)} structures is made of elements {sorted(allowed or ())} only")
    rng = np.random.default_rng(seed)
    order = [rows[k] for k in rng.permutation(len(rows))]
    chosen = sorted(order[:count] if by == "random" else _covering(order, present, count))
    return data[np.array(chosen)] if isinstance(data, Structures) else [data[i] for i in chosen]


def relabel(surrogate: Any, data: Any, *, stress: bool = True) -> Structures:
    """The structures of `data` with labels that `surrogate` gives them: replay without the original labels.

    Energies in eV, forces in eV/Å and, where `stress` is wanted and all structures are periodic in all directions,
    stress in eV/Å^3, in float64.
    """
    solid = stress and all(bool(np.all(data[i].pbc)) for i in range(len(data)))
    made = []
    for i in range(len(data)):
        atoms = collate([data[i]], r_max=float(surrogate.r_max), dtype=torch.float64).atoms
        found = surrogate.predict(atoms, stress=solid)
        labels: dict[str, Any] = {"energy": float(found.energy[0]), "forces": _array(found.forces)}
        labels["stress"] = _array(found.stress[0]) if solid else None
        made.append(replace(data[i], **labels, dipole=None, hessian=None))
    return Structures(made, provenance={"description": f"{len(made)} structures labelled by a trained surrogate"})


def _covering(order: list[int], present: list[set[int]], count: int) -> list[int]:
    """Rows in `order` that even out how often each element occurs."""
    waiting: dict[int, list[int]] = {}
    for row in reversed(order):
        for z in present[row]:
            waiting.setdefault(z, []).append(row)
    seen = dict.fromkeys(sorted(waiting), 0)
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, len(order)):
        for z in sorted(seen, key=lambda z: (seen[z], z)):
            while waiting[z] and waiting[z][-1] in chosen:
                waiting[z].pop()
            if waiting[z]:
                break
        row = waiting[z].pop()
        chosen[row] = None
        for z in present[row]:
            seen[z] += 1
    return list(chosen)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
