"""Second derivatives of one structure's energy by strain and by some of its coordinates, by differentiation.

Strain is Lagrangian, eta = (F^T F - 1)/2 with symmetric F = 1 + eta - eta²/2 + ..., in Voigt order xx yy zz yz xz xy
with engineering shears; atoms and cell move with F. Displacements are those of the undeformed crystal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.tasks.forces import AtomicEnergies, energy_forces

_PLACE = torch.tensor([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
_SHEAR = (1.0, 1.0, 1.0, 2.0, 2.0, 2.0)
_TOGETHER = 12  # vector products at a time, so that memory stays that of a dozen backward passes


@dataclass(frozen=True)
class StrainDerivatives:
    """Derivatives of the energy of one structure at zero strain, atoms carried along (clamped ions).

    Args:
        first: dE/d(eta), eV. second: d²E/d(eta)², eV. mixed: d²E/d(eta)dx, eV/Å.
    """

    first: Float[Tensor, "6"]
    second: Float[Tensor, "6 6"]
    mixed: Float[Tensor, "6 coordinates"]


def strain_derivatives(potential: AtomicEnergies, atoms: AtomsBatch) -> StrainDerivatives:
    """First, second and mixed derivatives by strain of a batch that holds one periodic structure with its edges."""
    with torch.enable_grad():
        x = atoms.positions.detach().requires_grad_()
        eta = x.new_zeros(6).requires_grad_()
        matrix = (eta / eta.new_tensor(_SHEAR))[_PLACE.to(eta.device)]
        moved = replace(atoms, positions=x).strained((matrix - matrix @ matrix / 2)[None])
        energies = potential(moved)
        if not energies.requires_grad:  # no edges: nothing depends on anything
            return StrainDerivatives(eta.detach(), eta.new_zeros(6, 6).detach(), x.new_zeros(6, x.numel()).detach())
        (first,) = torch.autograd.grad(energies.sum(), eta, create_graph=True, materialize_grads=True)
        seeds = torch.eye(6, dtype=x.dtype, device=x.device)
        second, mixed = _products(first, (eta, x), seeds)
    return StrainDerivatives(first.detach(), (second + second.T) / 2, mixed.reshape(6, -1))


def hessian_rows(
    potential: AtomicEnergies, atoms: AtomsBatch, coordinates: Integer[Tensor, "rows"]
) -> Float[Tensor, "rows dof"]:
    """Rows of d²E/dx² (eV/Å^2) for some `coordinates` (3 * atom + axis) of a batch that holds one structure."""
    leaf = atoms.positions.detach().requires_grad_()
    forces = energy_forces(potential, replace(atoms, positions=leaf), create_graph=True).forces
    if not forces.requires_grad:
        return leaf.new_zeros(len(coordinates), leaf.numel())
    found = []
    for some in coordinates.split(_TOGETHER):
        seeds = leaf.new_zeros(len(some), leaf.numel())
        seeds[torch.arange(len(some), device=leaf.device), some.to(leaf.device)] = -1.0
        (rows,) = _products(forces, (leaf,), seeds.reshape(-1, *forces.shape))
        found.append(rows.reshape(len(some), -1))
    return torch.cat(found)


def _products(value: Tensor, inputs: tuple[Tensor, ...], seeds: Tensor) -> tuple[Tensor, ...]:
    """d(seed . value)/d(inputs) for each seed; one at a time where a part of the model cannot be batched."""
    ask: Callable[..., tuple[Tensor, ...]] = torch.autograd.grad
    keep = {"retain_graph": True, "materialize_grads": True}
    try:
        return ask(value, inputs, seeds, is_grads_batched=True, **keep)
    except RuntimeError:
        single = [ask(value, inputs, seed, **keep) for seed in seeds]
        return tuple(torch.stack(parts) for parts in zip(*single, strict=True))
