"""Darcy flow: -div(a grad u) = f on boxes and masks, by finite volumes and a sparse direct solver.

The benchmark's coefficients: Fourier Neural Operator for Parametric Partial Differential Equations
(arXiv:2010.08895), section 5.2 and appendix A.3.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.direct import Array, Pattern, factorise, matrix, needs_pinning, pattern
from surrogates.physics.fields.finite_volume import FiniteVolumes, finite_volumes
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.random_field import gaussian_random_field
from surrogates.physics.fields.sparse_spd import Iterated, Preconditioner, conjugate_gradients, incomplete_cholesky
from surrogates.physics.fields.walls import Condition, Dirichlet, Walls

COMPATIBLE = 1e-10  # a closed domain's total source, over the sum of its absolute values, may miss zero by this much


@torch.no_grad()
def solve(
    a: Float[Tensor, "#samples *space"],
    forcing: Tensor | float | int,
    grid: Grid,
    *,
    walls: Walls | Condition = Dirichlet(0.0),
    mask: Tensor | None = None,
) -> Float[Tensor, "samples *space"]:
    """u in the centres of the cells, to round-off of the discrete equations; no gradients pass through.

    Where no wall holds u (all Neumann, or periodic) the u of zero mean is returned. Outside the mask u is 0.

    Args:
        a: permeability, positive; one sample serves all forcings. Equal permeabilities are factorised once.
        forcing: f, one number, (*space) or (samples, *space).
        walls: of the box and of the mask's edges. mask: True inside; holes and any outline along cell faces.
    Raises:
        DomainError: shapes that do not fit, permeability not positive (names sample and cell), forcing not finite,
            a closed domain whose sources do not add to zero, a part of the domain that no wall holds.
    """
    operator = finite_volumes(a.double(), grid, walls, mask)
    right = right_hand_side(operator, forcing)
    shape = pattern(operator)
    b = right.reshape(len(right), -1).cpu().numpy().astype(np.float64)[:, shape.cells]
    pinned = needs_pinning(operator, shape)
    if pinned:
        check_compatible(b)
        b = b - b.mean(axis=1, keepdims=True)
    inside = _solve_groups(operator, shape, b, pinned)
    u = np.zeros((len(right), right[0].numel()))
    u[:, shape.cells] = inside
    return torch.as_tensor(u.reshape(right.shape), dtype=a.dtype, device=a.device)


@torch.no_grad()
def refine(
    start: Tensor | None,
    a: Float[Tensor, "#samples *space"],
    forcing: Tensor | float | int,
    grid: Grid,
    *,
    walls: Walls | Condition = Dirichlet(0.0),
    mask: Tensor | None = None,
    preconditioner: Preconditioner = incomplete_cholesky,
    tolerance: float = 1e-8,
) -> Iterated:
    """The same solution by conjugate gradients from a first guess (None: from zero), which a surrogate may give.

    Args:
        start: (samples, *space); what it holds outside the mask is not looked at.
        preconditioner: incomplete_cholesky, ssor or jacobi of `sparse_spd`.
        tolerance: of |residual| / |right-hand side|, recomputed at the end.
    Raises: as `solve`; and where the start is not finite (names the sample) or of another shape.
    """
    operator = finite_volumes(a.double(), grid, walls, mask)
    right = right_hand_side(operator, forcing)
    shape = pattern(operator)
    inside = torch.as_tensor(shape.cells, device=right.device)
    pinned = needs_pinning(operator, shape)
    flat = right.reshape(len(right), -1)
    if pinned:
        check_compatible(flat[:, inside].cpu().numpy())
        flat[:, inside] -= flat[:, inside].mean(dim=1, keepdim=True)
    if start is not None and start.shape != right.shape:
        raise DomainError(
            f"a start of shape {tuple(start.shape)} for solutions of {tuple(right.shape)}; make them equal"
        )
    first = torch.zeros_like(right) if start is None else _inside(operator, start.double())
    n = len(operator.diagonal)
    correct = preconditioner([matrix(operator, shape, k) for k in range(n)])

    def precondition(r: Tensor) -> Tensor:
        rows = r.reshape(len(r), -1)[:, inside].cpu().numpy()
        out = torch.zeros_like(r).reshape(len(r), -1)
        corrected = np.stack([correct(k if n > 1 else 0, row) for k, row in enumerate(rows)])
        out[:, inside] = torch.as_tensor(corrected, device=r.device)
        return out.reshape(r.shape)

    found = conjugate_gradients(operator.apply, right, start=first, precondition=precondition, tolerance=tolerance)
    values = found.values
    if pinned:
        level = values.reshape(len(values), -1)[:, inside].mean(dim=1)
        values = _inside(operator, values - level.reshape(-1, *[1] * grid.dim))
    return replace(found, values=values.to(a.dtype))


def right_hand_side(operator: FiniteVolumes, forcing: Tensor | float | int) -> Float[Tensor, "samples *space"]:
    """f + what the walls add, 0 outside; broadcast over the samples of permeability and forcing."""
    like = operator.source
    f = torch.as_tensor(forcing, dtype=like.dtype, device=like.device)
    try:
        right = like + f
    except RuntimeError as error:
        raise DomainError(
            f"a forcing of shape {tuple(f.shape)} for {len(like)} permeabilities on a grid of {operator.grid.shape}; "
            "give one number, (*space), (1, *space) or (samples, *space)"
        ) from error
    if right.dim() != like.dim() or right.shape[1:] != like.shape[1:]:
        raise DomainError(f"a forcing of shape {tuple(f.shape)} on a grid of {operator.grid.shape}; they must agree")
    if operator.mask is not None:
        right = torch.where(operator.mask, right, 0.0)
    if not bool(right.isfinite().all()):
        sample, *cell = (~right.isfinite()).nonzero()[0].tolist()
        raise DomainError(f"sample {sample}: the forcing at cell {tuple(cell)} is not finite; it must be a number")
    return right


def residual(
    u: Float[Tensor, "samples *space"],
    a: Float[Tensor, "#samples *space"],
    forcing: Tensor | float | int,
    grid: Grid,
    *,
    walls: Walls | Condition = Dirichlet(0.0),
    mask: Tensor | None = None,
) -> Float[Tensor, "samples *space"]:
    """f + div(a grad u) of each cell, in the units of f, walls included; 0 outside the mask. Gradients pass to u."""
    operator = finite_volumes(a, grid, walls, mask)
    inside = u if mask is None else torch.where(mask, u, 0.0)
    return right_hand_side(operator, forcing) - _inside(operator, operator.apply(inside))


def fluxes(
    u: Float[Tensor, "samples *space"],
    a: Float[Tensor, "#samples *space"],
    grid: Grid,
    *,
    walls: Walls | Condition = Dirichlet(0.0),
    mask: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Darcy's velocity -a du/dx through every face across each axis, (samples, ..., n + 1, ...), walls included.

    Its sum over a cell's faces, with areas and outward signs, is f times the cell's volume for a solution.
    """
    return finite_volumes(a, grid, walls, mask).fluxes(u)


def fno_permeability(
    grid: Grid,
    samples: int,
    *,
    generator: torch.Generator,
    high: float | int = 12.0,
    low: float | int = 3.0,
) -> Float[Tensor, "samples *space"]:
    """Two-phase permeability of the paper: `high` where a Gaussian field is not negative, `low` elsewhere.

    The field is N(0, (-Laplace + 9)^-2) with Neumann conditions on the unit square; f = 1 and u = 0 on the walls go
    with it. The paper keeps points on the walls (421 x 421), here values are in the centres of cells.
    """
    if any(grid.periodic):
        raise DomainError("the paper's permeability has Neumann conditions; give a grid with periodic=False")
    field = gaussian_random_field(grid, samples, alpha=2.0, tau=3.0, sigma=1.0, generator=generator)
    return torch.where(field >= 0, float(high), float(low)).to(field.dtype)


def check_compatible(b: Float[np.ndarray, "samples cells"]) -> None:
    """DomainError where the sources of a closed domain do not add to zero."""
    total, scale = b.sum(axis=1), np.abs(b).sum(axis=1)
    wrong = np.abs(total) > COMPATIBLE * scale
    if wrong.any():
        sample = int(np.flatnonzero(wrong)[0])
        raise DomainError(
            f"sample {sample}: no wall holds u, so what the forcing and the walls bring in must add to zero, but its "
            f"mean is {total[sample] / b.shape[1]:g}; take the mean off the forcing, or give a wall Dirichlet or Robin"
        )


def _solve_groups(operator: FiniteVolumes, shape: Pattern, b: Array, pinned: bool) -> Array:
    """Solve each distinct permeability once for all its right-hand sides."""
    n = len(operator.diagonal)
    groups: dict[bytes, list[int]] = {}
    if n == 1:
        groups[b""] = list(range(len(b)))
    else:
        for sample in range(n):
            parts = [faces.inner[sample].cpu().numpy().tobytes() for faces in operator.faces]
            key = b"".join([*parts, operator.diagonal[sample].cpu().numpy().tobytes()])
            groups.setdefault(key, []).append(sample)
    out = np.empty_like(b)
    for rows in groups.values():
        inverse = factorise(matrix(operator, shape, 0 if n == 1 else rows[0]), shape, pinned=pinned)
        out[rows] = inverse(np.ascontiguousarray(b[rows].T)).T
    return out


def _inside(operator: FiniteVolumes, values: Tensor) -> Tensor:
    return values if operator.mask is None else torch.where(operator.mask, values, 0.0)
