"""Labels of one composition in several electronic states, which a potential that reads no charge cannot tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogates.physics.errors import SurrogatesWarning


class MixedStates(SurrogatesWarning):
    """One composition has labels of several total charges or multiplicities, and the model sees no difference."""


def mixed_states(samples: Sequence[Any]) -> list[tuple[float, int]]:
    """(charge, multiplicity) of the first composition that has several of them; [] when none has."""
    states: dict[tuple[int, ...], set[tuple[float, int]]] = {}
    for sample in samples:
        own = states.setdefault(tuple(np.sort(sample.numbers).tolist()), set())
        own.add((float(sample.charge), int(sample.multiplicity)))
    return next((sorted(own) for own in states.values() if len(own) > 1), [])


def warn_of_mixed_states(states: Sequence[tuple[float, int]]) -> None:
    """Say that `states` are one to the model."""
    listed = ", ".join(f"charge {charge:g} with multiplicity {spin}" for charge, spin in states)
    warnings.warn(
        f"one composition has labels of several states ({listed}), but the model's energy does not depend on them: it "
        "would learn a mixture; train one model for each state, or use a potential that reads atoms.charge",
        MixedStates,
        stacklevel=4,
    )
