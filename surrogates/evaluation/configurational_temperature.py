"""The temperature that forces alone reveal: k T = <|grad E|^2> / <laplacian E> in a canonical ensemble.

Paper: Dynamical Approach to Temperature, H. H. Rugh, Phys. Rev. Lett. 78, 772 (1997), doi:10.1103/PhysRevLett.78.772;
for atoms: B. D. Butler et al., J. Chem. Phys. 109, 6519 (1998), doi:10.1063/1.477301.

Numerator from the labels, denominator from the surrogate: a wrong energy unit, or forces that do not belong to these
positions, shows as an impossible temperature, with no reference calculation at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.units import KB


def laplacian(
    predict: Callable[..., Any], atoms: AtomsBatch, *, generator: torch.Generator, probes: int = 2, step: float = 1e-3
) -> Float[Tensor, "structures"]:
    """Hutchinson's estimate of the sum of d2E/dx2 over all coordinates, eV/Å^2, by central differences of forces.

    Probes have entries +-1, so each is exact for a diagonal Hessian; `step` in Å. Edges of `atoms` must reach `step`
    times 2 sqrt(3) beyond the model's cutoff for full accuracy; the plain cutoff errs by far less than the estimate.
    """
    total = atoms.positions.new_zeros(atoms.n_structures)
    for _ in range(probes):
        sign = torch.randint(0, 2, atoms.positions.shape, generator=generator).to(atoms.positions) * 2 - 1
        ahead = predict(replace(atoms, positions=atoms.positions + step * sign)).forces
        behind = predict(replace(atoms, positions=atoms.positions - step * sign)).forces
        curvature = ((behind - ahead) * sign).sum(dim=1) / (2 * step)
        total = total.index_add(0, atoms.structure, curvature)
    return total / probes


def configurational_temperature(
    predict: Callable[..., Any],
    atoms: AtomsBatch,
    forces: Float[Tensor, "atoms 3"],
    *,
    generator: torch.Generator,
    probes: int = 2,
) -> float:
    """Temperature in K of a batch of canonical samples from their reference `forces` (eV/Å).

    Meaningful for samples of one temperature; for other data it is a check of orders of magnitude. Negative where the
    surrogate's mean curvature is negative.
    """
    curvature = laplacian(predict, atoms, generator=generator, probes=probes).sum()
    return float(forces.square().sum() / curvature / KB)
