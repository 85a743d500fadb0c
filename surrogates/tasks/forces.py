"""Energies, forces, stress and Hessians from atomic energies, by differentiation.

F = -dE/dx, stress = (1/V) dE/d(strain) with the symmetric part of the strain (ASE's sign and Voigt order),
Hessian = d²E/dx² by batched vector products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.interfaces import Potential
from surrogates.physics.errors import DomainError

AtomicEnergies = Potential | Callable[[AtomsBatch], Tensor]


@dataclass(frozen=True)
class EnergyForcesResult:
    """What a potential says of a batch.

    Args:
        energy: eV. forces: eV/Å. energies: eV per atom, summing to `energy`.
        stress: eV/Å^3, Voigt xx yy zz yz xz xy; None unless asked for, NaN of a structure without a cell.
        energy_std, forces_std: calibrated spread, eV and eV/Å; None where the surrogate has none.
    """

    energy: Float[Tensor, "structures"]
    forces: Float[Tensor, "atoms 3"]
    energies: Float[Tensor, "atoms"] | None = None
    stress: Float[Tensor, "structures 6"] | None = None
    energy_std: Float[Tensor, "structures"] | None = None
    forces_std: Float[Tensor, "atoms 3"] | None = None


def total(energies: Float[Tensor, "atoms"], atoms: AtomsBatch) -> Float[Tensor, "structures"]:
    """Sum of atomic energies over each structure, eV."""
    return energies.new_zeros(atoms.n_structures).index_add(0, atoms.structure, energies)


def energy_forces(
    potential: AtomicEnergies, atoms: AtomsBatch, *, stress: bool = False, create_graph: bool = False
) -> EnergyForcesResult:
    """Energy (structures,), forces (atoms, 3) and, if asked, stress (structures, 6) of a batch with edges.

    With `create_graph` the forces can be differentiated again, as training and Hessians need; DomainError where the
    potential is a compiled one (torch.compile), whose forces cannot.
    """
    with torch.enable_grad():
        leaf = atoms.positions if atoms.positions.requires_grad else atoms.positions.detach().requires_grad_()
        moved = replace(atoms, positions=leaf)
        inputs = [leaf]
        if stress:
            strain = torch.zeros_like(atoms.cell).requires_grad_()
            moved = moved.strained((strain + strain.mT) / 2)
            inputs.append(strain)
        energies = potential(moved)
        energy = total(energies, atoms)
        if energies.requires_grad:
            grads = _gradients(energy.sum(), inputs, create_graph)
        else:  # no edges at all: nothing depends on the positions
            grads = tuple(torch.zeros_like(x) for x in inputs)
    if not create_graph:
        energies, energy = energies.detach(), energy.detach()
    return EnergyForcesResult(energy, -grads[0], energies, _voigt(grads[1], atoms.cell) if stress else None)


def hessian(potential: AtomicEnergies, atoms: AtomsBatch) -> Float[Tensor, "dof dof"]:
    """Second derivatives of the energy, (3N, 3N) in eV/Å^2; zero between different structures.

    The k-th coordinates of all structures are differentiated together, so a batch costs as much as its largest member.
    """
    leaf = atoms.positions.detach().requires_grad_()
    forces = energy_forces(potential, replace(atoms, positions=leaf), create_graph=True).forces
    n = 3 * leaf.shape[0]
    if not forces.requires_grad:
        return leaf.new_zeros(n, n)
    structure = atoms.structure.repeat_interleave(3)
    first = torch.searchsorted(structure, torch.arange(atoms.n_structures, device=structure.device))
    place = torch.arange(n, device=leaf.device) - first[structure]  # which coordinate of its structure
    seeds = torch.nn.functional.one_hot(place).T.to(leaf.dtype)
    rows = -_vector_products(forces, leaf, seeds.reshape(-1, *forces.shape)).reshape(len(seeds), n)
    full = rows[place] * (structure[:, None] == structure[None, :])
    return (full + full.T) / 2


def _gradients(energy: Tensor, inputs: list[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    try:
        return torch.autograd.grad(
            energy, inputs, create_graph=create_graph, materialize_grads=True, retain_graph=create_graph
        )
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        raise DomainError(
            "forces of a model that torch.compile has compiled cannot be differentiated, as training and Hessians need "
            "(no setting of torch changes that); train and differentiate the model itself, and compile it to predict"
        ) from error


def _voigt(virial: Tensor, cell: Tensor) -> Tensor:
    volume = torch.linalg.det(cell).abs()[:, None]
    six = torch.stack([virial[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))], dim=1)
    solid = volume > 0  # dividing by the zero volume of a molecule would put NaN into the gradients of the whole batch
    return torch.where(solid, six / volume.where(solid, 1.0), torch.nan)


def _vector_products(forces: Tensor, leaf: Tensor, seeds: Tensor) -> Tensor:
    """d(seed . forces)/d(leaf) for each seed; one at a time where a part of the model cannot be batched."""
    try:
        return torch.autograd.grad(
            forces, leaf, seeds, is_grads_batched=True, retain_graph=True, materialize_grads=True
        )[0]
    except RuntimeError:
        single = [torch.autograd.grad(forces, leaf, s, retain_graph=True, materialize_grads=True)[0] for s in seeds]
        return torch.stack(single)
