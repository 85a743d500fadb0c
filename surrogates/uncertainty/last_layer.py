"""Gaussian posterior of the last linear layer: a spread from one trained model.

Papers: Laplace Redux (arXiv:2106.14806), last-layer case; Gaussian regression on fixed features, equations 3.51-3.59 of
Bishop's Pattern Recognition and Machine Learning.

A potential with `features` is E = w . Phi(x) with Phi = sum of the atoms' features, so its forces are linear in w as
well: F = -w . dPhi/dx. Training energies and forces are linear data for w. Their posterior covariance S gives

    var E = Phi S Phi^T,   cov F = J S J^T,   J = dPhi/dx,

and only products J d with columns d of a root of S are needed: one backward pass each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch, LabelledAtoms
from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class LastLayer:
    """Posterior of the last layer's weights, in eV per feature.

    Args:
        root: R with posterior covariance R R^T; the first columns already are a fair, rescaled sample of it.
    """

    root: Float[Tensor, "n n"]

    def energy_std(self, task: Any, atoms: AtomsBatch) -> Float[Tensor, "structures"]:
        """sqrt(Phi S Phi^T) of each structure, eV."""
        with torch.no_grad():
            phi = structure_features(task, atoms)
        return (phi @ self.root.to(phi)).norm(dim=1)

    def forces_std(self, task: Any, atoms: AtomsBatch, *, directions: int = 8) -> Float[Tensor, "atoms"]:
        """sqrt(trace J S J^T) of each atom, eV/Å, from `directions` backward passes; exact with as many as features."""
        count = min(directions, self.root.shape[1])
        forces = force_design(task, atoms, self.root[:, :count])
        return forces.square().sum(dim=(1, 2)).mul(self.root.shape[1] / count).sqrt()


def fit_last_layer(task: Any, data: Iterable[LabelledAtoms], *, seed: int = 0) -> LastLayer:
    """Posterior of `task`'s last layer from labelled structures.

    The noise of energies and of forces is the task's own mean squared error on `data`; the prior is a Gaussian around
    zero with the mean square of the trained weights, as far as `data` fixes them.
    """
    blocks, noise = [], []
    for batch in data:
        phi, jacobian, energy_error, force_error = _linear_data(task, batch)
        blocks.append((phi, jacobian))
        noise.append((energy_error, force_error))
    if not blocks:
        raise DomainError("no structures to learn the last layer's posterior from; give some of the training data")
    phi = torch.cat([b[0] for b in blocks])
    jacobian = torch.cat([b[1] for b in blocks])
    energy_noise = torch.cat([n[0] for n in noise]).square().mean()
    force_noise = torch.cat([n[1] for n in noise]).square().mean()
    floor = torch.finfo(phi.dtype).tiny
    gram = phi.T @ phi / energy_noise.clamp_min(floor) + jacobian.T @ jacobian / force_noise.clamp_min(floor)
    prior = 1e-9 * gram.diagonal().mean() + 1.0 / _weight_square(task, phi)
    return LastLayer(mixed(posterior_root(gram, prior), seed))


def posterior_root(gram: Float[Tensor, "n n"], prior: float | Tensor) -> Float[Tensor, "n n"]:
    """R with R R^T = (gram + prior)^-1; `gram` = X^T X / noise variance, `prior` = 1 / prior variance."""
    values, vectors = torch.linalg.eigh(gram)
    return vectors * (values.clamp_min(0.0) + prior).rsqrt()


def mixed(root: Float[Tensor, "n n"], seed: int) -> Float[Tensor, "n n"]:
    """The same covariance with columns turned at random, so that few of them stand for all."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(root.shape, generator=generator, dtype=torch.float64)
    return root @ torch.linalg.qr(noise)[0].to(root)


def structure_features(task: Any, atoms: AtomsBatch) -> Float[Tensor, "structures n"]:
    """Phi of each structure in eV per unit weight: what the energies are linear in."""
    phi = task.model.features(_like(task, atoms)) * task.normalise.scale
    return phi.new_zeros(atoms.n_structures, phi.shape[1]).index_add(0, atoms.structure, phi)


def force_design(task: Any, atoms: AtomsBatch, weights: Float[Tensor, "n count"]) -> Float[Tensor, "atoms 3 count"]:
    """-dPhi/dx @ weights: the forces that each column of last-layer weights would give, eV/Å."""
    atoms = _like(task, atoms)
    leaf = atoms.positions.detach().requires_grad_()
    with torch.enable_grad():
        phi = structure_features(task, replace(atoms, positions=leaf)).sum(dim=0)
        if not phi.requires_grad:
            return leaf.new_zeros(*leaf.shape, weights.shape[1])
        energies = phi @ weights.to(phi)
        columns = _gradients(energies, leaf)
    return -columns.movedim(0, -1)


def has_features(task: Any) -> bool:
    """Whether the task's model offers `features`, which the last layer is linear in."""
    return callable(getattr(getattr(task, "model", None), "features", None))


def _like(task: Any, atoms: AtomsBatch) -> AtomsBatch:
    scale = task.normalise.scale
    return atoms.to(scale.device, scale.dtype)


def _gradients(energies: Tensor, leaf: Tensor) -> Tensor:
    """d energies / d leaf, (count, atoms, 3); one at a time where a part of the model cannot be batched."""
    seeds = torch.eye(len(energies), dtype=energies.dtype, device=energies.device)
    try:
        return torch.autograd.grad(energies, leaf, seeds, is_grads_batched=True, retain_graph=True)[0]
    except RuntimeError:
        return torch.stack([torch.autograd.grad(energies, leaf, s, retain_graph=True)[0] for s in seeds])


def _linear_data(task: Any, batch: LabelledAtoms) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Design rows of energies and of force components, float64, and the errors of what the task predicts."""
    atoms, labels = batch.atoms, batch.labels
    result = task.predict(atoms)
    with torch.no_grad():
        phi = structure_features(task, atoms).double()
    n = phi.shape[1]
    jacobian = force_design(task, atoms, torch.eye(n, dtype=atoms.positions.dtype)).double().reshape(-1, n)
    none = phi.new_zeros(0)
    energy_error = none if labels.energy is None else (result.energy - labels.energy).double()
    force_error = none if labels.forces is None else (result.forces - labels.forces).double().flatten()
    known, seen = ~energy_error.isnan(), ~force_error.isnan()  # a row without a label is no data
    phi, jacobian = phi[: len(energy_error)], jacobian[: len(force_error)]
    return phi[known], jacobian[seen], energy_error[known], force_error[seen]


def _weight_square(task: Any, phi: Tensor) -> Tensor:
    """Mean square of the trained last-layer weights, or of what the features need for energies of order one eV."""
    layer = getattr(task.model, "last_layer", None)
    weight = getattr(layer, "weight", layer)
    if isinstance(weight, Tensor) and weight.numel() == phi.shape[1]:
        return weight.detach().double().square().mean().clamp_min(1e-12)
    return 1.0 / phi.square().mean().clamp_min(1e-12)
