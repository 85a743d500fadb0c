"""How the neighbourhood of each atom looks, and how far that is from what training saw.

The description is the radial part of Behler's symmetry functions (J. Chem. Phys. 134, 074106 (2011), eq. 6): for each
neighbouring element a histogram of distances, smeared and cut off. It needs no model, is invariant, and costs a small
part of a potential. Distances are Mahalanobis distances to the training atoms of the same element.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.radial import cosine_cutoff
from surrogates.datasets.batch import AtomsBatch

SHELLS = 12  # smeared distances per neighbouring element
FIRST = 0.7  # Å, the innermost shell
SHRINK = 1e-3  # of the mean variance, added to every direction so that a frozen one does not dominate


def neighbour_density(atoms: AtomsBatch, elements: tuple[int, ...], r_max: float) -> Float[Tensor, "atoms n"]:
    """sum_j exp(-(r_ij - mu_k)^2 / 2 w^2) f_c(r_ij) over neighbours j of each element, for shells mu_k up to r_max.

    n = (len(elements) + 1) SHELLS; the last block is for neighbours of any other element.
    Edges may be longer than r_max.
    """
    receiver, sender = atoms.edges
    r = atoms.vectors().norm(dim=1)
    mu = torch.linspace(FIRST, 0.9 * r_max, SHELLS, dtype=r.dtype, device=r.device)
    width = 0.75 * (mu[1] - mu[0])
    shells = torch.exp(-((r[:, None] - mu) ** 2) / (2 * width**2)) * cosine_cutoff(r, r_max)[:, None]
    kinds = len(elements) + 1
    kind = element_row(atoms.numbers, elements)
    out = r.new_zeros(atoms.numbers.shape[0] * kinds, SHELLS)
    out = out.index_add(0, receiver * kinds + kind.index_select(0, sender), shells)
    return out.reshape(-1, kinds * SHELLS)


def element_row(numbers: Tensor, elements: tuple[int, ...]) -> Tensor:
    """Place of each atomic number in `elements`; len(elements) for any other."""
    known = torch.tensor(elements, device=numbers.device)
    same = numbers[:, None] == known
    return torch.where(same.any(dim=1), same.to(torch.int8).argmax(dim=1), len(elements))


@dataclass(frozen=True)
class Environments:
    """Mean and whitening of the training atoms' neighbourhoods, by element.

    Args:
        elements: atomic numbers seen in training, ascending.
        r_max: Å, the radius of a neighbourhood.
        mean, whiten: per element; (x - mean) @ whiten has mean square one over training atoms, summed over n.
    """

    elements: tuple[int, ...]
    r_max: float
    mean: Float[Tensor, "elements n"]
    whiten: Float[Tensor, "elements n n"]

    def distance(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Distance of each atom's neighbourhood, about 1 inside the training data; infinite for an unknown element."""
        atoms = atoms if atoms.r_max >= self.r_max else atoms.with_edges(self.r_max)
        atoms = atoms.to(dtype=self.mean.dtype)
        x = neighbour_density(atoms, self.elements, self.r_max)
        row = element_row(atoms.numbers, self.elements)
        out = x.new_full((len(x),), torch.inf)
        for k in range(len(self.elements)):
            mine = (row == k).nonzero()[:, 0]
            white = (x[mine] - self.mean[k].to(x)) @ self.whiten[k].to(x)
            out[mine] = white.norm(dim=1)
        return out

    def around(self, atoms: AtomsBatch, value: Float[Tensor, "atoms"]) -> Float[Tensor, "atoms"]:
        """Mean of `value` over each atom and its neighbours, weighted by the cutoff function (the atom by 1)."""
        atoms = atoms if atoms.r_max >= self.r_max else atoms.with_edges(self.r_max)
        receiver, sender = atoms.edges
        weight = cosine_cutoff(atoms.vectors().norm(dim=1), self.r_max).to(value)
        value_sum = value.index_add(0, receiver, weight * value.index_select(0, sender))
        return value_sum / torch.ones_like(value).index_add(0, receiver, weight)


def fit_environments(batches: list[AtomsBatch], r_max: float) -> Environments:
    """Learn what neighbourhoods training atoms have; `batches` with edges up to `r_max` or beyond."""
    numbers = torch.cat([b.numbers for b in batches])
    elements = tuple(int(z) for z in torch.unique(numbers))
    x = torch.cat([neighbour_density(b.to(dtype=torch.float64), elements, r_max) for b in batches])
    row = element_row(numbers, elements)
    moments = [_whitening(x[row == k]) for k in range(len(elements))]
    return Environments(elements, r_max, torch.stack([m for m, _ in moments]), torch.stack([w for _, w in moments]))


def _whitening(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean(dim=0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values = values.clamp_min(0.0)
    floor = SHRINK * values.mean() + 1e-12
    whiten = vectors * (values + floor).rsqrt()
    scale = ((x - mean) @ whiten).square().sum(dim=1).mean().sqrt().clamp_min(1e-6)
    return mean, whiten / scale
