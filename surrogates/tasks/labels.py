"""Are training labels fit to be learnt, and how dense are the structures?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError

_BUILD_ANEW = "build it with elements=data.elements"


def check(samples: Sequence[Any], known: Sequence[int], remedy: str = _BUILD_ANEW) -> None:
    """Raises DomainError for an empty set, missing or not finite labels, and elements that are not in `known`.

    `remedy` tells what to do about unknown elements.
    """
    if not samples:
        raise DomainError("the training set is empty; give at least one structure")
    _check_samples(samples)
    if all(s.energy is None and s.forces is None for s in samples):
        raise DomainError("the training set has neither energies nor forces; name their keys when reading it")
    for row, sample in enumerate(samples):
        bad = [n for n in ("energy", "forces", "stress") if not _finite(getattr(sample, n))]
        if bad:
            raise DomainError(f"training row {row}: {', '.join(bad)} not finite; remove this row or repair its labels")
        strange = {int(z) for z in sample.numbers} - set(known)
        if known and strange:
            names = ", ".join(chemical_symbols[z] for z in sorted(strange))
            raise DomainError(
                f"training row {row} has {names}, but the model was built for "
                f"{', '.join(chemical_symbols[z] for z in known)}; {remedy}"
            )


def _check_samples(samples: Sequence[Any]) -> None:
    for row, sample in enumerate(samples):
        if not (hasattr(sample, "numbers") and hasattr(sample, "energy")):
            raise DomainError(
                f"row {row} is a {type(sample).__name__}, not a labelled sample; read files with read_structures, and "
                "make samples of ase.Atoms with surrogates.datasets.adapters.sample_of(atoms, energy=...)"
            )


def _finite(label: Any) -> bool:
    return label is None or bool(np.isfinite(label).all())


def filled(samples: Sequence[Any]) -> list[Any]:
    """The same samples, with NaN for a label that only others of them have. DomainError for what is no sample."""
    _check_samples(samples)
    holes = {}
    for name, shape in (
        ("energy", lambda s: ()),
        ("forces", lambda s: (len(s.numbers), 3)),
        ("stress", lambda s: (6,)),
    ):
        have = [getattr(s, name) is not None for s in samples]
        if any(have) and not all(have):
            holes[name] = shape
    return [_filled(s, {n: shape(s) for n, shape in holes.items() if getattr(s, n) is None}) for s in samples]


def _filled(sample: Any, holes: dict[str, tuple[int, ...]]) -> Any:
    return (
        replace(sample, **{n: np.full(shape, np.nan) if shape else np.nan for n, shape in holes.items()})
        if holes
        else sample
    )


def count_labels(samples: Iterable[Any]) -> dict[str, int]:
    """How many structures have an energy, forces, a stress. DomainError for what is no sample."""
    found = dict.fromkeys(("energy", "forces", "stress"), 0)
    listed = list(samples)
    _check_samples(listed)
    for sample in listed:
        for name in found:
            found[name] += getattr(sample, name) is not None
    return found


def check_something_to_learn(counts: Mapping[str, int], weights: Mapping[str, float | int], where: str = "") -> None:
    """Raises DomainError when no label that the data have weighs anything: nothing would be learnt, in silence."""
    if not any(counts[name] and weights.get(name, 0.0) > 0 for name in counts):
        had = ", ".join(f"{name} {n}" for name, n in counts.items())
        raise DomainError(
            f"the training data{where} have labels ({had}) that weigh nothing in the loss: weights={dict(weights)}; "
            "give a label that is there a positive weight"
        )


def mean_neighbors(samples: Sequence[Any], r_max: float) -> float:
    """Mean number of neighbours within `r_max` (Å) of an atom, at least 1."""
    edges = nodes = 0
    for sample in samples:
        atoms = collate([sample], r_max=r_max, dtype=torch.float64).atoms
        edges, nodes = edges + atoms.edges.shape[1], nodes + atoms.numbers.shape[0]
    return max(edges / nodes, 1.0)
