"""The task of a potential: energies, forces and stress, from normalisation to scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from ase.data import chemical_symbols
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.losses import LOSSES
from surrogates.blocks.scale_shift import ScaleShift
from surrogates.datasets.batch import AtomsBatch, LabelledAtoms
from surrogates.datasets.collate import collate
from surrogates.physics.errors import DomainError
from surrogates.potentials.sum import taken_apart, within
from surrogates.tasks.atomic_energies import by_number, compositions, fit_isolated, least_squares
from surrogates.tasks.charges import mixed_states, warn_of_mixed_states
from surrogates.tasks.energy_scores import EnergyForcesScores, score
from surrogates.tasks.forces import AtomicEnergies, EnergyForcesResult, energy_forces, hessian, total
from surrogates.tasks.labels import check, check_something_to_learn, count_labels, filled, mean_neighbors
from surrogates.tasks.level import Isolated, adopt

__all__ = ["AtomicEnergies", "EnergyForces", "EnergyForcesResult", "batches", "energy_forces", "hessian", "total"]


class EnergyForces(nn.Module):
    """A potential as a physical result: energies, forces, stress, Hessian; what `fit` trains.

    Args:
        model: atoms -> raw atomic numbers of order one.
        isolated: energies of isolated atoms by symbol, eV, which training leaves as they are; fitted to the training
            data when not given.
        loss: what an error costs, a name in surrogates.blocks.losses.
        baseline: atoms -> atomic energies in eV that are known already (ZBL, a pair potential); the model learns the
            rest (delta learning), and only the model's part is scaled. A `Sum` as model is taken apart into the two.
    Labels weigh in the loss as weights["energy"] (eV/atom), weights["forces"] (eV/Å), weights["stress"] (eV/Å^3), each
    times the mean cost of errors in that unit.
    """

    loss_parts: ClassVar = ("energy", "forces", "stress")  # words that a plan's weights may have
    default_weights: ClassVar = {"energy": 1.0, "forces": 100.0, "stress": 100.0}

    def __init__(
        self,
        model: nn.Module,
        *,
        isolated: Mapping[str, float | int] | None = None,
        loss: str = "squared",
        baseline: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise DomainError(f"loss={loss!r} is unknown; choose one of {', '.join(LOSSES)}")
        model, baseline = taken_apart(model, baseline)
        self._isolated = None if isolated is None else dict(isolated)
        self._pinned = isolated is not None  # the closing refit leaves energies of isolated atoms alone
        self.arguments = {"model": model, "isolated": self._isolated, "loss": loss, "baseline": baseline}
        self.model = model
        self.baseline = None if baseline is None else baseline.requires_grad_(False)
        self.normalise = ScaleShift().to(dtype=_precision(model))
        self._cost = LOSSES[loss]

    @property
    def r_max(self) -> float:
        """Cutoff that the edges of a batch need, Å."""
        return max(float(part.r_max) for part in self._parts())  # type: ignore[arg-type]

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that the model knows, () for any."""
        known = [set(part.elements) for part in self._parts() if part.elements]  # type: ignore[arg-type]
        return tuple(sorted(set.intersection(*known))) if known else ()

    @property
    def trained(self) -> bool:
        """Whether it has a normalisation from earlier training or from a file, which `prepare` would overwrite."""
        return self.normalise.known

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        return self.normalise.isolated.index_select(0, atoms.numbers) + self._interaction(atoms)

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> EnergyForcesResult:
        """Energy, forces, atomic energies and, if asked, stress; one model has no spread, its `_std` are None."""
        return energy_forces(self, self._ready(atoms), stress=stress)

    def hessian(self, atoms: AtomsBatch) -> Float[Tensor, "dof dof"]:
        """Second derivatives of the energy, (3N, 3N) in eV/Å^2; zero between different structures."""
        return hessian(self, self._ready(atoms))

    def prepare(self, train: Any) -> None:
        """Normalisation and the model's statistics from the training data: `set_normalisation`, `set_statistics`."""
        samples = [train[i] for i in range(len(train))]
        self.set_normalisation(samples)
        self.set_statistics(samples)

    def set_normalisation(self, samples: Sequence[Any]) -> None:
        """Isolated-atom energies, scale = RMS force component, shift = mean interaction energy per atom.

        Raises DomainError for data without energies and forces, values that are not finite, or unknown elements.
        """
        check(samples, self.elements)
        self._check_states(samples)
        elements = sorted({int(z) for s in samples for z in np.unique(s.numbers)})
        labelled = [s for s in samples if s.energy is not None]
        energy = np.array([s.energy for s in labelled])
        forces = [np.ravel(s.forces) for s in samples if s.forces is not None]
        counts = compositions([s.numbers for s in labelled], elements)
        if self.baseline is not None:
            energy = energy - np.array([self._said_by_baseline(s).energy.item() for s in labelled])
            forces = [
                np.ravel(s.forces - self._said_by_baseline(s).forces.numpy()) for s in samples if s.forces is not None
            ]
        isolated = self._atoms_alone(energy, counts, elements)
        rest = (
            (energy - counts @ np.array([isolated[z] for z in elements])) / counts.sum(axis=1)
            if labelled
            else np.zeros(1)
        )
        scale = float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else float(rest.std())
        self.normalise.set(isolated, scale if scale > 1e-9 else 1.0, float(rest.mean()))

    def set_statistics(self, samples: Sequence[Any]) -> None:
        """What the model itself wants to know of its data before training: the mean number of neighbours."""
        if hasattr(self.model, "set_statistics"):
            neighbors = mean_neighbors(samples[:1000], float(self.model.r_max))  # type: ignore[arg-type]
            self.model.set_statistics(avg_num_neighbors=neighbors)  # type: ignore[operator]

    def restart(self, train: Any, isolated: Isolated = None) -> dict[str, Any]:
        """Go on from trained weights: scale, shift and statistics stay; for isolated atoms see `level.adopt`.

        Returns what was done, as JSON. Raises DomainError as `prepare`, for elements that the model does not know, and
        for energies of another level of theory when `isolated` says nothing.
        """
        samples = [train[i] for i in range(len(train))]
        check(samples, self.elements, remedy="fine-tuning adds no elements: leave these rows out or train a new model")
        self._check_states(samples)
        done = adopt(self, samples, isolated)
        self._pinned = done["isolated"] != "refit"
        if done["isolated"] != "keep":
            self._isolated = dict(isolated) if isinstance(isolated, Mapping) else None
            self.arguments["isolated"] = self._isolated
        return done

    def count_labels(self, train: Any, weights: Mapping[str, float | int]) -> dict[str, int]:
        """How many structures have each label. Raises DomainError when none that is there weighs anything."""
        counts = count_labels(train[i] for i in range(len(train)))
        check_something_to_learn(counts, weights)
        return counts

    def energy_errors(self, samples: Sequence[Any]) -> np.ndarray:
        """Label minus prediction of each sample's energy, eV."""
        if not samples:
            return np.zeros(0)
        return np.concatenate([self._residual(batch) for batch in batches(self, samples)])

    def collate(self, samples: Sequence[Any]) -> LabelledAtoms:
        """A batch with edges in the model's precision; labels stay float64, since total energies are large.

        A label that some of the samples have is NaN in the others, and `loss` leaves those out.
        """
        batch = collate(filled(samples), r_max=self.r_max, dtype=torch.float64)
        return replace(batch, atoms=batch.atoms.to(dtype=self.normalise.scale.dtype))

    def loss(self, batch: LabelledAtoms, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """weights["energy"] cost(dE/N) + weights["forces"] cost(dF) + weights["stress"] cost(dsigma), where labelled.

        The parts come back unweighted, detached, as costs of errors in eV/atom, eV/Å and eV/Å^3.
        """
        atoms, labels, errors = batch.atoms, batch.labels, {}
        stress = labels.stress is not None and weights.get("stress", 0.0) > 0
        forces = labels.forces is not None and weights.get("forces", 0.0) > 0
        if stress or forces:
            result = energy_forces(self._interaction, atoms, stress=stress, create_graph=torch.is_grad_enabled())
            energy = result.energy
        else:
            energy = total(self._interaction(atoms), atoms)
        if labels.energy is not None:
            errors["energy"] = _known((energy - self._interaction_label(batch)) / _count(atoms), labels.energy)
        if forces and labels.forces is not None:
            errors["forces"] = _known(result.forces - labels.forces.to(energy.dtype), labels.forces)
        if stress and labels.stress is not None and result.stress is not None:
            errors["stress"] = _known(result.stress - labels.stress.to(energy.dtype), labels.stress)
        costs = {name: self._cost(error) for name, error in errors.items()}
        whole = sum((weights.get(name, 0.0) * cost for name, cost in costs.items()), start=energy.new_zeros(()))
        return whole, {name: cost.detach() for name, cost in costs.items()}

    def refit(self, train: Any) -> None:
        """Move shift and isolated-atom energies to where they explain the training energies best, in closed form.

        Gradient steps leave the offset of large energies 5-12 meV/atom wrong; this is the last step of training.
        Energies of isolated atoms that were given, or are kept in fine-tuning, stay: then the shift alone moves.
        """
        rows = [i for i in range(len(train)) if train[i].energy is not None]
        if not rows:
            return
        elements = sorted({int(z) for i in rows for z in np.unique(train[i].numbers)})
        counts = compositions([train[i].numbers for i in rows], elements)
        rest = self.energy_errors([train[i] for i in rows])
        self.normalise.correct({}, float(np.mean(rest / counts.sum(axis=1))))
        if not self._pinned and len(np.unique(counts, axis=0)) > 1 and len(rows) > 3 * len(elements):
            rest = rest - counts.sum(axis=1) * np.mean(rest / counts.sum(axis=1))
            values, _ = least_squares(rest, counts)
            self.normalise.correct({z: float(v) for z, v in zip(elements, values, strict=True)}, 0.0)

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> EnergyForcesScores:
        """Errors on held-out data beside those of trivial predictions.

        `predict` is what is scored: an ensemble's or a calibrated model's; this task's own unless given.
        """
        return score(predict or self.predict, batches(self, data))

    def card(self) -> dict[str, Any]:
        """Units, elements, cutoff and normalisation, for the card of a saved model; plain JSON."""
        known = [z for z in self.elements or range(119) if self.normalise.isolated[z] != 0]
        return {
            "units": {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å^3", "length": "Å"},
            "elements": [chemical_symbols[z] for z in self.elements],
            "r_max": self.r_max,
            "normaliser": {
                "isolated": {chemical_symbols[z]: self.normalise.isolated[z].item() for z in known},
                "scale": self.normalise.scale.item(),
                "shift": self.normalise.shift.item(),
            },
        }

    def _ready(self, atoms: AtomsBatch) -> AtomsBatch:
        here = self.normalise.scale
        atoms = atoms.to(here.device, here.dtype)
        return atoms if atoms.r_max >= self.r_max else atoms.with_edges(self.r_max)

    @torch.no_grad()
    def _check_states(self, samples: Sequence[Any]) -> None:
        states = mixed_states(samples)
        if states:
            here = self.normalise.scale.device
            atoms = self.collate(samples[:1]).atoms.to(here)
            other = replace(atoms, charge=atoms.charge + 1, multiplicity=atoms.multiplicity + 1)
            if torch.equal(self(atoms), self(other)):
                warn_of_mixed_states(states)

    def _atoms_alone(self, energy: np.ndarray, counts: np.ndarray, elements: Sequence[int]) -> dict[int, float]:
        if self._isolated is not None:
            return by_number(self._isolated, elements)
        return fit_isolated(energy, counts, elements) if len(energy) else dict.fromkeys(elements, 0.0)

    def _said_by_baseline(self, sample: Any) -> EnergyForcesResult:
        """What the baseline says of a sample, on the CPU."""
        assert self.baseline is not None
        here = self.normalise.scale
        result = energy_forces(self.baseline, self.collate([sample]).atoms.to(here.device))
        return EnergyForcesResult(result.energy.cpu(), result.forces.cpu())

    def _interaction(self, atoms: AtomsBatch) -> Tensor:
        if self.baseline is None:
            return self.normalise.interaction(self.model(atoms))
        learnt = self.normalise.interaction(self.model(within(atoms, self.model.r_max)))  # type: ignore[arg-type]
        return learnt + self.baseline(within(atoms, self.baseline.r_max))  # type: ignore[arg-type]

    def _parts(self) -> list[nn.Module]:
        return [self.model] if self.baseline is None else [self.model, self.baseline]

    def _interaction_label(self, batch: LabelledAtoms) -> Tensor:
        assert batch.labels.energy is not None
        own = self.normalise.isolated.to(torch.float64).index_select(0, batch.atoms.numbers)
        return (batch.labels.energy.double() - total(own, batch.atoms)).to(self.normalise.scale.dtype)

    @torch.no_grad()
    def _residual(self, batch: LabelledAtoms) -> np.ndarray:
        predicted = total(self._interaction(batch.atoms), batch.atoms)
        return (self._interaction_label(batch) - predicted).double().cpu().numpy()


def batches(task: EnergyForces, data: Any, atoms: int = 600) -> Iterator[LabelledAtoms]:
    """The rows of `data` in order, in batches of about `atoms` atoms, on the task's device."""
    chunk: list[Any] = []
    device = task.normalise.scale.device
    for i in range(len(data)):
        chunk.append(data[i])
        if i + 1 == len(data) or sum(len(s.numbers) for s in chunk) >= atoms:
            yield task.collate(chunk).to(device)
            chunk = []


def _precision(model: nn.Module) -> torch.dtype:
    """That of the model's first floating-point weight or buffer: a task computes in the precision of its potential."""
    own = (t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point())
    return next(own, torch.get_default_dtype())


def _known(error: Tensor, label: Tensor) -> Tensor:
    """The rows of `error` whose label is there."""
    missing = label.isnan()
    if not missing.any():
        return error
    return error[~(missing if label.dim() == 1 else missing.any(dim=1))]


def _count(atoms: AtomsBatch) -> Tensor:
    return total(torch.ones_like(atoms.positions[:, 0]), atoms)
