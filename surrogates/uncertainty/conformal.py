"""Calibrated spread: split-conformal bands of a width that follows the expected error.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands;
Distribution-free inference with hierarchical data (arXiv:2306.06342), for atoms that come in frames.

The calibration part is cut into blocks of consecutive structures. Every third block fits how the size of the error
follows from signs of trouble (`error_scale`), the others give the factor q by which that expected size must be
multiplied to hold `level` of the errors, counted by whole frames (split, not cross-conformal). Half-width of a band:

    forces: |dF_i| <= q_F s_i for the norm of atom i's error, eV/Å;   energy: |dE| <= q_E s, eV.

A random atom of a new frame is inside with probability >= `level` if frames are exchangeable with the calibration's.
Frames of one trajectory are correlated, which leaves the mean coverage alone but widens its scatter.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from surrogates.blocks.quantile import group_quantile, least_groups
from surrogates.evaluation.coverage import LEVEL
from surrogates.physics.errors import DomainError
from surrogates.tasks.energy import batches
from surrogates.uncertainty.domain import Domain
from surrogates.uncertainty.error_scale import fit_error_scale
from surrogates.uncertainty.last_layer import fit_last_layer, has_features
from surrogates.uncertainty.signals import Signals
from surrogates.uncertainty.spread import Band, Spread

BLOCKS = 30  # pieces of the calibration part, every third for the size of the error
RIDGE = 30.0  # observations; frames share their errors for about a picosecond, so few of them are independent
POSTERIOR_FRAMES = 64  # training structures that the last layer's posterior is learnt from


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> Spread:
    """Learn how far `members` (one task, several, or an Ensemble) may be trusted.

    `train` is what they learnt from (neighbourhoods and the last layer's posterior need it), `calibration` is data of
    the same kind that they have not seen. Raises DomainError when there is too little of either.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    _check(train, calibration, level)
    domain = Domain.fit(members[0], train, calibration)
    last = None
    if len(members) == 1 and has_features(members[0]):
        some = [train[i] for i in range(0, len(train), max(1, len(train) // POSTERIOR_FRAMES))]
        last = fit_last_layer(members[0], batches(members[0], some))
    spread = Spread(members, Signals(domain.environments, last), None, None, domain, level)
    spread = replace(spread, forces=_band(_force_table(spread, calibration), len(domain.environments.elements), level))
    return replace(spread, energy=_band(_energy_table(spread, calibration), 1, level))


def learning_part(frames: int) -> Tensor:
    """Which of `frames` consecutive frames (frames,) fit the error's size; the others give the quantile."""
    blocks = 3 * max(1, min(BLOCKS // 3, frames // 6))
    return torch.arange(frames) * blocks // frames % 3 == 0


Table = tuple[Tensor, Tensor, Tensor, Tensor]  # signals (n, signals), class (n,), error (n,), frame (n,)


def _band(table: Table | None, classes: int, level: float) -> Band | None:
    """Fit the expected error on one part of the frames, its conformal factor on the other."""
    if table is None:
        return None
    signals, kind, error, frame = table
    present = torch.unique(frame, return_inverse=True)[1]
    if int(present.max()) + 1 < least_structures(level):
        raise _too_few(int(present.max()) + 1, level)
    learn = learning_part(int(present.max()) + 1)[present]
    scale = fit_error_scale(signals[learn], kind[learn], error[learn], classes=classes, ridge=RIDGE)
    rest = ~learn
    factor = group_quantile(error[rest] / scale(signals[rest], kind[rest]), frame[rest], level)
    if not math.isfinite(factor):
        raise _too_few(len(torch.unique(frame)), level)
    return Band(scale, factor)


def _force_table(spread: Spread, calibration: Any) -> Table | None:
    parts, first = [], 0
    for batch in batches(spread.members[0], calibration):
        atoms, labels = batch.atoms, batch.labels
        if labels.forces is not None:
            results = [member.predict(atoms) for member in spread.members]
            rows, kind = spread.atom_rows(results, atoms)
            mean = torch.stack([r.forces for r in results]).mean(dim=0)
            parts.append((rows, kind, (mean - labels.forces).norm(dim=1).double(), atoms.structure + first))
        first += atoms.n_structures
    return _joined(parts)


def _energy_table(spread: Spread, calibration: Any) -> Table | None:
    parts, first = [], 0
    for batch in batches(spread.members[0], calibration):
        atoms, labels = batch.atoms, batch.labels
        if labels.energy is not None and spread.forces is not None:
            results = [member.predict(atoms) for member in spread.members]
            rows, kind = spread.structure_rows(results, atoms, spread.forces.scale(*spread.atom_rows(results, atoms)))
            mean = torch.stack([r.energy.double() for r in results]).mean(dim=0)
            frame = torch.arange(atoms.n_structures) + first
            parts.append((rows, kind, (mean - labels.energy).abs().double(), frame))
        first += atoms.n_structures
    return _joined(parts)


def _joined(parts: list[Table]) -> Table | None:
    """One table of the rows whose label is there; None without any."""
    if not parts:
        return None
    signals, kind, error, frame = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    known = ~error.isnan()
    return (signals[known], kind[known], error[known], frame[known]) if bool(known.any()) else None


def _check(train: Any, calibration: Any, level: float) -> None:
    if train is None or len(train) == 0:
        raise DomainError("calibration needs the training data too (what is usual?); give it as train=")
    if len(calibration) < least_structures(level):
        raise _too_few(len(calibration), level)


def least_structures(level: float = LEVEL) -> int:
    """How many calibration structures a band of this level needs."""
    return 2 * least_groups(level) + 2


def _too_few(count: int, level: float) -> DomainError:
    return DomainError(
        f"{count} labelled calibration structures cannot support a {100 * level:g} % band; "
        f"give at least {least_structures(level)}, by a larger share of the split or more data"
    )
