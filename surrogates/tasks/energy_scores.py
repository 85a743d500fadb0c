"""How wrong energies, forces and stress are, beside trivial predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor

from surrogates.datasets.batch import LabelledAtoms
from surrogates.physics.errors import DomainError
from surrogates.tasks.atomic_energies import compositions, least_squares


@dataclass(frozen=True)
class EnergyForcesScores:
    """Errors of a surrogate on labelled structures.

    Args:
        structures, atoms: how many were compared.
        energy_mae, energy_rmse: eV/atom. energy_mae_trivial: of the best sum of atomic energies fitted to these very
            labels (for one composition their mean), eV/atom.
        force_mae, force_rmse: by component, eV/Å. force_mae_trivial: of predicting no force, eV/Å.
        force_mae_by_element: eV/Å, by symbol. stress_mae: by component, eV/Å^3.
        spread: coverage and rank correlation of the predicted spread, where the surrogate has one.
        arrays: per-sample values for reports, see `collect`; left out of comparison and print.
    None where the data has no such label.
    """

    structures: int
    atoms: int
    energy_mae: float | None = None
    energy_rmse: float | None = None
    energy_mae_trivial: float | None = None
    force_mae: float | None = None
    force_rmse: float | None = None
    force_mae_trivial: float | None = None
    force_mae_by_element: dict[str, float] = field(default_factory=dict)
    stress_mae: float | None = None
    spread: Any = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        lines = [f"{self.structures} structures, {self.atoms} atoms"]
        if self.energy_mae is not None:
            lines.append(
                f"energy  MAE {_milli(self.energy_mae)}  RMSE {_milli(self.energy_rmse)} meV/atom"
                f"   (atomic energies only: {_milli(self.energy_mae_trivial)})"
            )
        if self.force_mae is not None:
            lines.append(
                f"forces  MAE {_milli(self.force_mae)}  RMSE {_milli(self.force_rmse)} meV/Å"
                f"   (no force at all: {_milli(self.force_mae_trivial)})"
            )
            lines.append("        " + "  ".join(f"{s} {_milli(v)}" for s, v in self.force_mae_by_element.items()))
        if self.stress_mae is not None:
            lines.append(f"stress  MAE {_milli(self.stress_mae)} meV/Å^3")
        if self.spread is not None:
            lines.append(f"spread\n{self.spread}")
        return "\n".join(lines)


def score(predict: Callable[..., Any], batches: Iterable[LabelledAtoms]) -> EnergyForcesScores:
    """Scores of `predict` (a Surrogate's) over labelled batches."""
    return from_arrays(collect(predict, batches))


def collect(predict: Callable[..., Any], batches: Iterable[LabelledAtoms]) -> dict[str, np.ndarray]:
    """Predicted and reference values as float64 arrays.

    `numbers (atoms,)`, `sizes (structures,)`; `energy` and `energy_reference` (structures,) in eV, `forces` and
    `forces_reference` (atoms, 3) in eV/Å, `stress` and `stress_reference` (structures, 6) in eV/Å^3, each where some
    structure has that label (NaN in the others); `energy_std` and `forces_std` where `predict` gives them.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        atoms, labels = batch.atoms, batch.labels
        result = predict(atoms, stress=labels.stress is not None)
        row = {"numbers": atoms.numbers, "sizes": atoms.structure.bincount(minlength=atoms.n_structures)}
        row |= {"energy": result.energy, "energy_reference": _or_nan(labels.energy, result.energy)}
        row |= {"forces": result.forces, "forces_reference": _or_nan(labels.forces, result.forces)}
        none = result.energy.new_full((atoms.n_structures, 6), math.nan)
        row |= {"stress": _or_nan(result.stress, none), "stress_reference": _or_nan(labels.stress, none)}
        row |= {n: getattr(result, n) for n in ("energy_std", "forces_std") if getattr(result, n) is not None}
        for name, value in row.items():
            parts.setdefault(name, []).append(_numpy(value))
    if not parts:
        raise DomainError("there is nothing to score: the data set is empty; give at least one labelled structure")
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    absent = [name for name in ("energy", "forces", "stress") if np.isnan(whole[f"{name}_reference"]).all()]
    return {name: values for name, values in whole.items() if name.removesuffix("_reference") not in absent}


def from_arrays(arrays: dict[str, np.ndarray]) -> EnergyForcesScores:
    """Scores from what `collect` gives."""
    numbers, sizes = arrays["numbers"], arrays["sizes"]
    found: dict[str, Any] = {}
    if "energy" in arrays:
        error = (arrays["energy"] - arrays["energy_reference"]) / sizes
        found |= {"energy_mae": _mae(error), "energy_rmse": _rmse(error)}
        found["energy_mae_trivial"] = _mae(_trivial_energy_error(arrays["energy_reference"], numbers, sizes))
    if "forces" in arrays:
        error = arrays["forces"] - arrays["forces_reference"]
        found |= {"force_mae": _mae(error), "force_rmse": _rmse(error)}
        found["force_mae_trivial"] = _mae(arrays["forces_reference"])
        found["force_mae_by_element"] = {
            chemical_symbols[z]: _mae(error[numbers == z]) for z in np.unique(numbers[~np.isnan(error[:, 0])])
        }
    if "stress" in arrays:
        found["stress_mae"] = _mae(arrays["stress"] - arrays["stress_reference"])
    return EnergyForcesScores(len(sizes), len(numbers), **found, arrays=arrays)


def _trivial_energy_error(energy: np.ndarray, numbers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    counts = compositions(np.split(numbers, np.cumsum(sizes)[:-1]), np.unique(numbers).tolist())
    known = ~np.isnan(energy)
    values, _ = least_squares(energy[known], counts[known])
    return (counts @ values - energy) / sizes


def _or_nan(label: Tensor | None, like: Tensor) -> Tensor:
    return torch.full_like(like, math.nan) if label is None else label


def _numpy(value: Tensor) -> np.ndarray:
    array = value.detach().cpu().numpy()
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _mae(error: np.ndarray) -> float:
    return float(np.nanmean(np.abs(error)))


def _rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(error))))


def _milli(value: float | None) -> str:
    return "-" if value is None else f"{1e3 * value:.3g}"
