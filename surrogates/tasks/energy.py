"""Energies, forces and stress from atomic energies, by differentiation.

F = -dE/dx, stress = (1/V) dE/d(strain) with the symmetric part of the strain (ASE's sign and Voigt order).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.interfaces import Potential


@dataclass(frozen=True)
class EnergyForcesResult:
    """What a potential says of a batch.

    Args:
        energy: eV. forces: eV/Å. energies: eV per atom, summing to `energy`.
        stress: eV/Å^3, Voigt xx yy zz yz xz xy; None unless asked for.
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
    potential: Potential, atoms: AtomsBatch, *, stress: bool = False, create_graph: bool = False
) -> EnergyForcesResult:
    """Energy (structures,), forces (atoms, 3) and, if asked, stress (structures, 6) of a batch with edges.

    With `create_graph` the forces can be differentiated again, as training and Hessians need.
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
            grads = torch.autograd.grad(
                energy.sum(), inputs, create_graph=create_graph, materialize_grads=True, retain_graph=create_graph
            )
        else:  # no edges at all: nothing depends on the positions
            grads = tuple(torch.zeros_like(x) for x in inputs)
    if not create_graph:
        energies, energy = energies.detach(), energy.detach()
    return EnergyForcesResult(energy, -grads[0], energies, _voigt(grads[1], atoms.cell) if stress else None)


def _voigt(virial: Tensor, cell: Tensor) -> Tensor:
    volume = torch.linalg.det(cell).abs()[:, None]
    six = torch.stack([virial[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))], dim=1)
    return six / volume
