"""Energies of isolated atoms when a trained task meets data of another level of theory.

Paper: Fine-tuning MLIP foundation models: strategies for accuracy and transferability (arXiv:2606.12704).
Kept: model-aware re-estimation: the corrections c solve sum_z n_kz c_z = E_k - E_model(k) in the least-squares sense,
so that what the model knows of bonds is not fitted a second time.
Changed: every structure weighs as its error per atom, as elsewhere in this package; of equally good answers the one is
taken in which elements differ least.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.tasks.atomic_energies import DegenerateFit, by_number, compositions, least_squares

if TYPE_CHECKING:
    from surrogates.tasks.energy import EnergyForces

WORDS = ("keep", "refit")
TOLERANCE = 0.2  # eV/atom by which sums of atomic energies may differ before another level of theory is suspected

Isolated = str | Mapping[str, float | int] | None


class MixedLevels(SurrogatesWarning):
    """Some elements keep the atomic energies of the old level of theory while others moved to the new one."""


def adopt(task: EnergyForces, samples: Sequence[Any], isolated: Isolated) -> dict[str, Any]:
    """Treat the task's energies of isolated atoms for these new data, and tell what was done, as JSON.

    `isolated` is "keep", "refit", energies by symbol (eV), or None: kept where they fit. The report has `isolated`,
    `offset` (eV/atom, what sums of atomic energies explain of the model's errors before) and `moved`, {symbol: [old,
    new]} in eV. Raises DomainError for None when the offset exceeds 0.2 eV/atom, and for "refit" without energies.
    """
    if isinstance(isolated, str) and isolated not in WORDS:
        raise DomainError(f"isolated={isolated!r} is unknown; choose keep, refit, or energies by symbol in eV")
    labelled = [s for s in samples if s.energy is not None]
    elements = sorted({int(z) for s in labelled or samples for z in np.unique(s.numbers)})
    error = task.energy_errors(labelled)
    counts = compositions([s.numbers for s in labelled], elements)
    corrections, determined = least_squares(error, counts) if labelled else (np.zeros(len(elements)), True)
    explained = counts @ corrections / counts.sum(axis=1) if labelled else np.zeros(1)
    offset = float(np.sqrt(np.mean(explained**2)))
    old = {z: task.normalise.isolated[z].item() for z in elements}
    if isolated is None and offset > TOLERANCE:
        raise DomainError(_other_level(offset, dict(zip(elements, corrections.tolist(), strict=True))))
    if isolated == "refit":
        if not labelled:
            raise DomainError("isolated='refit' needs energies, and the training data have none; write isolated='keep'")
        if not determined:
            _warn_of_degenerate(elements, counts)
        task.normalise.correct({z: float(c) for z, c in zip(elements, corrections, strict=True)}, 0.0)
    elif isinstance(isolated, Mapping):
        everywhere = sorted({int(z) for s in samples for z in np.unique(s.numbers)})
        by_number(isolated, everywhere)  # one for each element of the data
        given = by_number(isolated, [z for z in range(1, 119) if chemical_symbols[z] in isolated])
        elements = sorted({*elements, *given})
        old = {z: task.normalise.isolated[z].item() for z in elements}
        task.normalise.correct({z: e - task.normalise.isolated[z].item() for z, e in given.items()}, 0.0)
    moved = {
        chemical_symbols[z]: [old[z], new] for z in elements if (new := task.normalise.isolated[z].item()) != old[z]
    }
    if moved:
        _warn_of_mixed_levels([z for z in task.elements if chemical_symbols[z] not in moved and z not in elements])
    word = "given" if isinstance(isolated, Mapping) else isolated or "keep"
    return {"isolated": word, "offset": offset, "moved": moved}


def _other_level(offset: float, corrections: Mapping[int, float]) -> str:
    listed = ", ".join(f"{chemical_symbols[z]} {c:+.3f}" for z, c in list(corrections.items())[:6])
    return (
        f"the energies of the training data lie {offset:.3g} eV/atom from what the trained model says, as sums over "
        f"atoms would ({listed} eV): another level of theory, or another unit. Say with `isolated` what is to become "
        "of the energies of isolated atoms, in FineTune(...), in the step train or with --isolated: refit moves them, "
        "{'H': ...} gives them in eV, keep leaves the difference to the network"
    )


def _warn_of_degenerate(elements: Sequence[int], counts: np.ndarray) -> None:
    names, kinds = ", ".join(chemical_symbols[z] for z in elements), len(np.unique(counts, axis=0))
    warnings.warn(
        f"{kinds} composition{'s' * (kinds != 1)} cannot tell the isolated atoms of {names} apart: they were moved as "
        "equally as the data allow, which is right for these compositions only; give FineTune(isolated={...}) in eV",
        DegenerateFit,
        stacklevel=6,
    )


def _warn_of_mixed_levels(left: Sequence[int]) -> None:
    if left:
        names = ", ".join(chemical_symbols[z] for z in left[:8]) + ", ..." * (len(left) > 8)
        warnings.warn(
            f"{len(left)} elements of the model are not in the training data ({names}): their isolated atoms keep the "
            "old level's energies, so do not compare energies of structures with them; FineTune(isolated={...}) can "
            "give them",
            MixedLevels,
            stacklevel=6,
        )
