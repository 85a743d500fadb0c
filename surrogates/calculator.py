"""The ASE Calculator. `import ase.io` loads this file through our plugin: torch comes with the first calculator."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from surrogates.physics.errors import DomainError, SurrogatesError, SurrogatesWarning

if TYPE_CHECKING:
    from ase import Atoms

    from surrogates.datasets.batch import AtomsBatch

_SPREAD = ("energy_std", "forces_std")
_ELECTRONS = ("charge", "multiplicity")  # what `info` may say beside the atoms' own arrays


class OutOfDataWarning(SurrogatesWarning):
    """A structure is unlike all training data, by a threshold measured on held-out data."""


class NoSpreadError(SurrogatesError, PropertyNotImplementedError):
    """A spread was asked of a surrogate that has none; the text says how to get one."""


class SurrogateCalculator(Calculator):
    """A surrogate as an ASE calculator.

    Args:
        model: the path of a checkpoint or of a mace-torch `.model` file, what `fit` or `load` return, a task, a
            potential, or any Surrogate.
        device: "cpu", "cuda", "cuda:1" or "auto". dtype: "float64" or "float32".
        skin: margin of the neighbour list in Å; the list is found anew when an atom has moved half of it.
        head: which one of a model with several heads.
        keywords: those of ASE's Calculator.
    Total charge and spin are those of the structure: `info["charge"]` and `info["multiplicity"]`, else the sums of its
    initial charges and magnetic moments, else neutral and the lowest spin.
    Beside `results` it has `get_property("energy_std" | "forces_std", atoms)` (eV; (N, 3) eV/Å) and `get_hessian`.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012
    default_parameters = {"model": None, "device": "cpu", "dtype": "float64", "skin": 0.5, "head": None}  # noqa: RUF012
    name = "surrogates"  # type: ignore[assignment]

    def __init__(
        self,
        model: Any,
        *,
        device: str = "cpu",
        dtype: str = "float64",
        skin: float = 0.5,
        head: str | None = None,
        **keywords: Any,
    ) -> None:
        import torch

        from surrogates.simulation.evaluate import Evaluator
        from surrogates.simulation.foreign import as_surrogate

        if dtype not in ("float32", "float64"):
            raise DomainError(f"dtype={dtype!r} is unknown; choose float32 or float64")
        super().__init__(**keywords)
        self.parameters.update(model=_named(model), device=device, dtype=dtype, skin=skin, head=head)
        self.surrogate = as_surrogate(model, device=device, dtype=getattr(torch, dtype), head=head)
        if heads := getattr(self.surrogate, "heads", ()):
            raise DomainError(f"{_named(model)} has several heads; choose one with head=: {', '.join(heads)}")
        self._evaluator = Evaluator(self.surrogate, skin)
        self._spread: dict[str, Any] = {}
        self._warned = False
        self._charges: set[float] = set()

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last calculation, `info`'s charge and multiplicity included."""
        changes = super().check_state(atoms, tol=tol)
        if self.atoms is not None:
            changes += [key for key in _ELECTRONS if self.atoms.info.get(key) != atoms.info.get(key)]
        return changes

    def reset(self) -> None:
        """Forget the last calculation."""
        super().reset()
        self._spread = {}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] | tuple[str, ...] = tuple(all_changes),
    ) -> None:
        """Energy and forces, and the stress of a structure that is periodic in all directions.

        Raises DomainError for an unknown element or an impossible structure, PropertyNotImplementedError for the stress
        of an open one. Warns with OutOfDataWarning, once until a structure inside the data comes by, and with
        UnseenCharge once for each total charge that training data lack.
        """
        super().calculate(atoms, properties, system_changes)
        self._spread = {}
        current = self._current()
        batch, stress = self._batch(), bool(current.pbc.all())
        if "stress" in (properties or ()) and not stress:
            raise PropertyNotImplementedError("stress needs a cell that is periodic in all three directions")
        found = self.surrogate.predict(batch, stress="stress" in (properties or ()))
        energy = float(found.energy[0])
        self.results = {"energy": energy, "free_energy": energy, "forces": _numpy(found.forces)}
        if found.energies is not None:
            self.results["energies"] = _numpy(found.energies)
        if found.stress is not None:
            self.results["stress"] = _numpy(found.stress[0])
        self._warn(batch)

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """ASE's properties, and "energy_std" (eV), "forces_std" ((N, 3) eV/Å).

        Raises NoSpreadError, which is a PropertyNotImplementedError, where the surrogate has no spread.
        """
        if name not in _SPREAD:
            return super().get_property(name, atoms, allow_calculation)
        if atoms is not None and self.check_state(atoms):
            if not allow_calculation:
                return None
            self.calculate(atoms, ["energy"], self.check_state(atoms))
        if name not in self._spread:
            self._spread = self._spread_of(self._batch())
        if name not in self._spread:
            raise NoSpreadError(
                f"{name}: this surrogate has no such spread; get one with fitted.calibrate(calibration), on data that "
                "training has not seen, and save it again, or give an Ensemble of two models"
            )
        return np.copy(self._spread[name])[()]

    def get_hessian(self, atoms: Atoms | None = None) -> np.ndarray:
        """Second derivatives of the energy, (3N, 3N), eV/Å^2; constraints are left to the caller."""
        from surrogates.simulation.hessian import hessian_of

        atoms = atoms if atoms is not None else self._current()
        self._admit(atoms)
        return hessian_of(atoms, self.surrogate)

    def _batch(self) -> AtomsBatch:
        from surrogates.simulation.structures import as_batch

        atoms = self._current()
        self._admit(atoms)
        batch = as_batch([atoms]).to(self._evaluator.device)
        return self._evaluator.skin(batch).to(dtype=self._evaluator.dtype)

    def _current(self) -> Atoms:
        if self.atoms is None:
            raise DomainError("there is no structure yet; give atoms")
        return self.atoms

    def _admit(self, atoms: Atoms) -> None:
        from surrogates.simulation.foreign import check_elements

        reason = check_elements(self.surrogate, atoms.numbers)
        if reason is not None:
            raise DomainError(f"{atoms.symbols}: {reason}; train on structures with it, or remove these atoms")

    def _spread_of(self, batch: AtomsBatch) -> dict[str, Any]:
        try:
            found = self.surrogate.predict(batch, spread=True)
        except DomainError as error:
            raise NoSpreadError(f"no spread: {error}") from error
        spread: dict[str, Any] = {}
        if found.energy_std is not None:
            spread["energy_std"] = float(found.energy_std[0])
        if found.forces_std is not None:
            spread["forces_std"] = _numpy(found.forces_std)
        return spread

    def _warn(self, batch: AtomsBatch) -> None:
        from surrogates.simulation.charges import warn_of_charges

        charge = float(batch.charge[0])
        if charge not in self._charges:
            warn_of_charges(self.surrogate, [charge], stacklevel=5)
            self._charges.add(charge)
        domain = getattr(self.surrogate, "domain", None)
        if domain is None:
            return
        score = float(domain.score(batch)[0])
        foreign = score > domain.threshold
        if foreign and not self._warned:
            warnings.warn(
                f"{self._current().symbols} is outside the data this surrogate learned from: its distance is "
                f"{score:.2f}, and {1 - domain.false_alarms:.0%} of held-out structures stay below "
                f"{domain.threshold:.2f}; do not trust the result without a reference calculation",
                OutOfDataWarning,
                stacklevel=4,
            )
        self._warned = foreign


def _named(model: Any) -> str:
    """What `todict` says of the model: a path, or the name of its class."""
    from pathlib import Path

    return str(model) if isinstance(model, str | Path) else type(model).__name__


def _numpy(tensor: Any) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
