"""torch-sim: a surrogate as a model of TorchSim, whose optimisers and integrators run on it (torch-sim-atomistic).

import torch_sim as ts
from surrogates.interop.torch_sim import TorchSimModel
final = ts.optimize(system=atoms, model=TorchSimModel("mine.safetensors"), optimizer=ts.Optimizer.fire)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError, MissingExtra
from surrogates.simulation.evaluate import Evaluator
from surrogates.simulation.foreign import as_surrogate, check_elements

try:
    from torch_sim.models.interface import ModelInterface
except ImportError as error:
    raise MissingExtra("torch-sim-atomistic", "torch-sim") from error

_VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))


class TorchSimModel(ModelInterface):  # type: ignore[misc]
    """Energies, forces and stress of torch-sim's states.

    Args:
        model: whatever `SurrogateCalculator` takes.
        device: "cpu", "cuda", "cuda:1" or "auto". dtype: "float64" or "float32"; both must be those of the states.
        stress: whether it is computed, as cell relaxations and NPT need. skin: of the neighbour list, Å.
    Stresses of states without a volume are zero, as in torch-sim's own models. A state's `charge`, where it has one,
    is the total charge of each structure; spins are the lowest.
    """

    def __init__(
        self, model: Any, *, device: str = "cpu", dtype: str = "float64", stress: bool = True, skin: float = 0.5
    ) -> None:
        super().__init__()
        if dtype not in ("float32", "float64"):
            raise DomainError(f"dtype={dtype!r} is unknown; choose float32 or float64")
        surrogate = as_surrogate(model, device=device, dtype=getattr(torch, dtype))
        self._evaluator = Evaluator(surrogate, skin)
        self._known: set[int] = set()
        self._device, self._dtype = self._evaluator.device, self._evaluator.dtype
        self._compute_forces, self._compute_stress = True, bool(stress)
        self._memory_scales_with = "n_atoms_x_density"

    @property
    def compute_stress(self) -> bool:
        """Whether the stress is computed."""
        return self._compute_stress

    @compute_stress.setter
    def compute_stress(self, value: bool) -> None:
        self._compute_stress = bool(value)

    @property
    def compute_forces(self) -> bool:
        """Always: forces come with the energy."""
        return self._compute_forces

    @compute_forces.setter
    def compute_forces(self, value: bool) -> None:
        self._compute_forces = bool(value)

    def forward(self, state: Any, **_: Any) -> dict[str, Tensor]:
        """energy (systems,), eV; forces (atoms, 3), eV/Å; stress (systems, 3, 3), eV/Å^3, tension positive."""
        atoms = _batch(state)
        self._admit(atoms.numbers)
        atoms = self._evaluator.skin(atoms).to(self._device, self._dtype)
        found = self._evaluator.surrogate.predict(atoms, stress=self._compute_stress)
        results = {"energy": found.energy.detach()}
        if self._compute_forces:
            results["forces"] = found.forces.detach()
        if self._compute_stress:
            if found.stress is None:
                raise DomainError("this surrogate has no stress; make the model with stress=False")
            results["stress"] = found.stress.detach().nan_to_num(nan=0.0)[:, _VOIGT]
        return {name: value.to(self._device, self._dtype) for name, value in results.items()}

    def _admit(self, numbers: Tensor) -> None:
        new = set(numbers.unique().tolist()) - self._known
        reason = check_elements(self._evaluator.surrogate, new) if new else None
        if reason is not None:
            raise DomainError(f"{reason}; give structures of its elements")
        self._known |= new


def _batch(state: Any) -> AtomsBatch:
    """A torch-sim state (its cells have lattice vectors as columns) as a batch without edges."""
    positions, cell = state.positions.detach().double(), state.cell.detach().double().mT.contiguous()
    systems, numbers, structure = len(cell), state.atomic_numbers.long(), state.system_idx.long()
    pbc = torch.as_tensor(state.pbc, device=positions.device).expand(systems, 3)
    given = getattr(state, "charge", None)
    charge = torch.zeros(systems) if given is None else torch.as_tensor(given).reshape(-1).expand(systems)
    charge = charge.to(device=positions.device, dtype=torch.float64)
    electrons = torch.zeros_like(charge).index_add(0, structure, numbers.double()) - charge
    lowest = torch.where(pbc.any(1), 1, 1 + electrons.round().long() % 2)
    return AtomsBatch(
        numbers=numbers,
        positions=positions,
        structure=structure,
        cell=cell,
        pbc=pbc,
        charge=charge,
        multiplicity=lowest,
        edges=numbers.new_zeros((2, 0)),
        shift=positions.new_zeros((0, 3)),
    )
