"""Does a predicted spread keep its promise, and does it know where the errors are?

A band of constant width can have perfect coverage and still know nothing: coverage by tercile of the width and the rank
correlation between width and error tell the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from surrogates.physics.errors import DomainError

LEVEL = 0.9  # what the bands below promise
FIELD_POINTS = 1_000_000  # values of fields that a coverage is counted on


@dataclass(frozen=True)
class Coverage:
    """How a band |error| <= width did on data with known errors.

    Args:
        level: what the band promises, such as 0.9.
        n: errors compared. groups: independent blocks they come in (frames).
        coverage: share of errors inside. coverage_error: its standard error, from scatter between groups.
        terciles: share inside among the narrowest, middle and widest third of the bands.
        mean_width, mean_error: in the unit of the error (eV/Å for forces, eV for energies).
        rank_correlation: Spearman's, of width with |error|; nan where the width is constant.
        widest_over_narrowest: ratio of the 90 % to the 10 % quantile of the widths.
    """

    level: float
    n: int
    groups: int
    coverage: float
    coverage_error: float
    terciles: tuple[float, float, float]
    mean_width: float
    mean_error: float
    rank_correlation: float
    widest_over_narrowest: float

    @property
    def informative(self) -> bool:
        """False for a band that is not seen to tell large errors from small ones (two standard errors): no spread."""
        return self.rank_correlation > 2.0 / max(self.groups, 1) ** 0.5 and self.widest_over_narrowest > 1.05

    def __str__(self) -> str:
        terciles = " ".join(f"{100 * t:.0f}" for t in self.terciles)
        return (
            f"{100 * self.level:.0f} % band covers {100 * self.coverage:.1f} ± {100 * self.coverage_error:.1f} %"
            f" (by width: {terciles} %), mean width {1e3 * self.mean_width:.3g}, mean error {1e3 * self.mean_error:.3g}"
            f" (milli), rank correlation {self.rank_correlation:.2f}" + ("" if self.informative else ": no spread")
        )


def coverage(
    error: np.ndarray, width: np.ndarray, *, level: float = LEVEL, group: np.ndarray | None = None
) -> Coverage:
    """Coverage of the band |error| <= width; `error`, `width` and `group` (n,), the last naming the frame of each."""
    error, width = np.abs(np.asarray(error, dtype=float)), np.asarray(width, dtype=float)
    group = np.arange(len(error)) if group is None else np.asarray(group)
    if not len(error) == len(width) == len(group) or len(error) < 3:
        raise DomainError(
            f"{len(error)} errors, {len(width)} widths, {len(group)} groups: give as many of each, at least three"
        )
    inside = error <= width
    thirds = np.array_split(inside[np.argsort(width, kind="stable")], 3)
    low, high = np.quantile(width, [0.1, 0.9])
    return Coverage(
        level=level,
        n=len(error),
        groups=len(np.unique(group)),
        coverage=float(inside.mean()),
        coverage_error=_error_of_mean(inside, group),
        terciles=(float(thirds[0].mean()), float(thirds[1].mean()), float(thirds[2].mean())),
        mean_width=float(width.mean()),
        mean_error=float(error.mean()),
        rank_correlation=spearman(width, error),
        widest_over_narrowest=float(high / low) if low > 0 else float("inf"),
    )


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation of two arrays (n,), ties shared; nan where one of them is constant."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / scale if scale > 0 else float("nan")


@dataclass(frozen=True)
class SpreadScores:
    """Coverage of the force band (norm of the error vector of each atom, eV/Å) and of the energy band (eV)."""

    forces: Coverage | None = None
    energy: Coverage | None = None

    def __str__(self) -> str:
        rows = (("forces", self.forces), ("energy", self.energy))
        return "\n".join(f"{name}  {row}" for name, row in rows if row is not None)


def spread_scores(arrays: Mapping[str, np.ndarray], *, level: float = LEVEL) -> SpreadScores:
    """Coverage from predicted and reference values.

    Wants `sizes` (structures,) and, where known, `energy`, `energy_reference`, `energy_std` (structures,) in eV and
    `forces`, `forces_reference`, `forces_std` (atoms, 3) in eV/Å. A reference that is NaN is a missing label
    and left out; with fewer than three labels there is no coverage (None).
    """
    frame = np.repeat(np.arange(len(arrays["sizes"])), arrays["sizes"])
    forces = energy = None
    if "forces_std" in arrays and "forces_reference" in arrays:
        error = np.linalg.norm(arrays["forces"] - arrays["forces_reference"], axis=1)
        forces = _labelled(error, force_band(arrays["forces_std"], level=level), level, frame)
    if "energy_std" in arrays and "energy_reference" in arrays:
        error = arrays["energy"] - arrays["energy_reference"]
        energy = _labelled(error, energy_band(arrays["energy_std"], level=level), level, np.arange(len(error)))
    return SpreadScores(forces, energy)


def field_coverage(arrays: Mapping[str, np.ndarray], name: str, *, level: float = LEVEL) -> Coverage | None:
    """Coverage of the band of a field at each value, from `NAME`, `NAME_reference`, `NAME_std` (samples, ...).

    At most FIELD_POINTS values are looked at, drawn evenly from every sample. Samples of one trajectory (`trajectory`,
    where it is there) are one block of the standard error. A std that is NaN has no band (outside a
    mask) and is left out.
    """
    said, truth, std = (arrays[key].reshape(len(arrays[key]), -1) for key in (name, f"{name}_reference", f"{name}_std"))
    chosen = np.random.default_rng(0).permutation(said.shape[1])[: max(1, FIELD_POINTS // len(said))]
    sample = np.repeat(arrays.get("trajectory", np.arange(len(said))), len(chosen))
    error = np.abs(said[:, chosen] - truth[:, chosen]).ravel()
    width = energy_band(std[:, chosen], level=level).ravel()
    known = np.isfinite(width)
    return coverage(error[known], width[known], level=level, group=sample[known]) if known.sum() >= 3 else None


def force_band(forces_std: np.ndarray, *, level: float = LEVEL) -> np.ndarray:
    """Radius (atoms,) of the ball that holds the force error with probability `level`, from `forces_std` (atoms, 3)."""
    return radius(level, 3) * np.sqrt(np.mean(np.square(forces_std), axis=1))


def energy_band(energy_std: np.ndarray, *, level: float = LEVEL) -> np.ndarray:
    """Half-width (structures,) of the interval that holds the energy error with probability `level`."""
    return radius(level, 1) * np.asarray(energy_std)


def radius(level: float, dim: int) -> float:
    """Radius of the ball that holds `level` of a Gaussian of unit standard deviation in `dim` dimensions."""
    return float(np.sqrt(2.0 * gammaincinv(dim / 2.0, level)))


def _labelled(error: np.ndarray, band: np.ndarray, level: float, group: np.ndarray) -> Coverage | None:
    known = ~np.isnan(error)
    return coverage(error[known], band[known], level=level, group=group[known]) if known.sum() >= 3 else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean; scipy.stats has it too, but a second of import with it."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def _error_of_mean(inside: np.ndarray, group: np.ndarray) -> float:
    """Standard error of the coverage when the members of a group go together."""
    _, index = np.unique(group, return_inverse=True)
    size = np.bincount(index).astype(float)
    excess = np.bincount(index, weights=inside - inside.mean())
    if len(size) < 2:
        return float("nan")
    return float(np.sqrt(np.sum(excess**2) * len(size) / (len(size) - 1)) / size.sum())
