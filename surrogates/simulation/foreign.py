"""Anything that knows energies and forces, as a Surrogate."""

from __future__ import annotations

import copy
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from ase.calculators.abc import GetPropertiesMixin
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.adapters.ase import to_ase
from surrogates.datasets.batch import AtomsBatch
from surrogates.datasets.generators.gamma_only import check_cell
from surrogates.interfaces import Surrogate
from surrogates.physics.errors import DomainError
from surrogates.tasks.energy import EnergyForces, EnergyForcesResult


@dataclass(frozen=True)
class ForeignResult(EnergyForcesResult):
    """What an ASE calculator says of a batch.

    Args:
        dipole: e Å; None where the calculator has none.
    """

    dipole: Float[Tensor, "structures 3"] | None = None


class AseSurrogate:
    """An ASE calculator as a Surrogate: structures go through it one after the other, in float64 on the CPU.

    Args:
        calculator: an ASE calculator, or a reference with `.calculator(charge=, multiplicity=)` that makes one.
    Needs no edges (`r_max` 0) and has no spread. Errors of the calculator are passed on.
    """

    r_max = 0.0
    elements: tuple[int, ...] = ()

    def __init__(self, calculator: Any) -> None:
        self.calculator = calculator
        self._made: dict[tuple[float, int], Any] = {}

    @property
    def name(self) -> str:
        """The calculator's own name."""
        return str(getattr(self.calculator, "name", None) or type(self.calculator).__name__)

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> ForeignResult:
        """Energy, forces, and whatever the calculator has of atomic energies, stress and dipole."""
        rows = [self._one(_with_electrons(structure), stress=stress) for structure in to_ase(atoms)]

        def stacked(name: str, join: Any) -> Tensor | None:
            values = [row[name] for row in rows]
            return None if any(v is None for v in values) else torch.as_tensor(join(values), dtype=torch.float64)

        energy, forces = stacked("energy", np.array), stacked("forces", np.concatenate)
        if energy is None or forces is None:
            raise DomainError(f"{self.name} gives no energy or no forces; simulations need a calculator with both")
        rest = {"energies": np.concatenate, "stress": np.stack, "dipole": np.stack}
        return ForeignResult(energy, forces, **{name: stacked(name, join) for name, join in rest.items()})  # type: ignore[arg-type]

    def _one(self, atoms: Any, *, stress: bool) -> dict[str, Any]:
        calculator = self._calculator(atoms)
        check_cell(f"{type(calculator).__module__}:{type(calculator).__name__}", atoms)
        if hasattr(calculator, "reset"):
            atoms.calc = calculator
        has = getattr(calculator, "implemented_properties", ("energy", "forces"))
        wanted = {
            "energy": True,
            "forces": True,
            "energies": True,
            "dipole": True,
            "stress": stress and atoms.pbc.any() and atoms.cell.rank == 3,
        }
        return {name: calculator.get_property(name, atoms) if wanted[name] and name in has else None for name in wanted}

    def _calculator(self, atoms: Any) -> Any:
        if not callable(getattr(self.calculator, "calculator", None)):
            return self.calculator
        electrons = float(atoms.info.get("charge", 0)), int(atoms.info.get("multiplicity", 1))
        if electrons not in self._made:
            self._made[electrons] = self.calculator.calculator(charge=electrons[0], multiplicity=electrons[1])
        return self._made[electrons]


def as_surrogate(
    thing: Any,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    head: str | None = None,
) -> Surrogate:
    """`thing` as a Surrogate on `device` in `dtype` (None: as it is); what was given stays as it was.

    `head` takes one of several heads. Accepts the path of a checkpoint or of a `.model` file of mace-torch, what `fit`
    or `load` return, a task, a bare potential, an ASE calculator (ours is unwrapped), a reference, or a Surrogate.
    Raises DomainError for anything else.
    """
    if isinstance(thing, str | Path):
        from surrogates.training.checkpoint import load

        return _moved(load(thing, head=head), device, dtype)
    if head is not None and callable(getattr(thing, "head", None)):
        thing = thing.head(head)
    if hasattr(thing, "surrogate") and hasattr(thing.surrogate, "predict"):
        return as_surrogate(thing.surrogate, device=device, dtype=dtype)
    if isinstance(thing, nn.Module) and not hasattr(thing, "predict"):
        return _moved(_task(thing), device, dtype)
    if hasattr(thing, "predict") and hasattr(thing, "r_max"):
        return _moved(_copy(thing), device, dtype)
    if isinstance(thing, GetPropertiesMixin) or callable(getattr(thing, "calculator", None)):
        return AseSurrogate(thing)
    if hasattr(thing, "get_potential_energy") and hasattr(thing, "get_forces"):
        return AseSurrogate(thing)
    raise DomainError(
        f"a {type(thing).__name__} gives no energies; pass a checkpoint's path, a fitted surrogate, a task, a "
        "potential (an nn.Module with r_max and elements) or an ASE calculator"
    )


def placement(surrogate: Any) -> tuple[torch.device, torch.dtype]:
    """Where a surrogate wants its batches, and in which precision: those of its first weight; else CPU and float64."""
    tensors = [t for t in _tensors(surrogate) if t.is_floating_point()]
    return (tensors[0].device, tensors[0].dtype) if tensors else (torch.device("cpu"), torch.float64)


def check_elements(surrogate: Surrogate, numbers: Any) -> str | None:
    """Why a structure with these atomic numbers cannot be done; None when every element is known."""
    from ase.data import chemical_symbols

    known = tuple(surrogate.elements)
    unknown = sorted({int(z) for z in numbers} - set(known)) if known else []
    if not unknown:
        return None
    names = ", ".join(chemical_symbols[z] for z in unknown)
    return f"{names} is unknown to this surrogate, which knows {', '.join(chemical_symbols[z] for z in known)}"


def _with_electrons(atoms: ase.Atoms) -> ase.Atoms:
    """Charge and spin where ASE's calculators look for them: as sums over the atoms."""
    charge, unpaired = atoms.info["charge"], atoms.info["multiplicity"] - 1
    if charge:
        atoms.set_initial_charges([charge, *[0.0] * (len(atoms) - 1)])
    if unpaired:
        atoms.set_initial_magnetic_moments([unpaired, *[0.0] * (len(atoms) - 1)])
    return atoms


def _tensors(surrogate: Any) -> list[Tensor]:
    for part in (surrogate, *getattr(surrogate, "members", ()), getattr(surrogate, "task", None)):
        if isinstance(part, nn.Module):
            return [*part.parameters(), *part.buffers()]
    return []


def _task(potential: nn.Module) -> nn.Module:
    if not hasattr(potential, "r_max") or not hasattr(potential, "elements"):
        raise DomainError(
            f"the module {type(potential).__name__} has no r_max or no elements; a potential says its cutoff (Å) and "
            "the atomic numbers it knows, () for any"
        )
    task = EnergyForces(copy.deepcopy(potential))
    own = next((t.dtype for t in potential.state_dict().values() if t.is_floating_point()), torch.float64)
    return task.to(dtype=own)


def _copy(surrogate: Any) -> Any:
    if is_dataclass(surrogate) and hasattr(surrogate, "train_data"):
        surrogate = replace(surrogate, train_data=None)  # type: ignore[type-var]
    return copy.deepcopy(surrogate) if _tensors(surrogate) else surrogate


def _device(given: torch.device | str) -> torch.device:
    if given == "auto":
        given = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(given) if isinstance(given, str | torch.device) else None
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DomainError(f"device={given!r} is unknown; write auto, cpu, cuda or cuda:1")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise DomainError(f"device={given!r}, but this torch sees {found or 'no'} GPU; use device='cpu' or 'auto'")
    return device


def _moved(surrogate: Any, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    """In place: `surrogate` is a copy. Its weights stop asking for gradients, which only training needs."""
    here = placement(surrogate)
    wanted = (here[0] if device is None else _device(device), dtype or here[1])
    mixed = any(t.dtype != wanted[1] for t in _tensors(surrogate) if t.is_floating_point())
    if (wanted != here or mixed) and hasattr(surrogate, "to"):
        surrogate = surrogate.to(device=wanted[0], dtype=wanted[1])
    for part in (surrogate, *getattr(surrogate, "members", ())):
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    return surrogate
