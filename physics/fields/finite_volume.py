"""Cell-centred finite volumes for -div(a grad u) on boxes and masks, with walls; symmetric, conservative, 2nd order.

The flow through the face of cells i and j is k (u_i - u_j) with k = 2 a_i a_j / (h (a_i + a_j)), the harmonic mean:
what two slabs in series let through, so a jump of a at the face costs no accuracy in one dimension. A wall is half a
cell away. Two-point flux finite volumes: R. Eymard, T. Gallouët and R. Herbin, Finite volume methods,
doi:10.1016/S1570-8659(00)07005-8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.walls import Condition, Walls, coupling, on_every_wall


@dataclass(frozen=True)
class Faces:
    """What all faces across one axis let through; face i is the lower side of cell i, the last one the upper side.

    Args:
        inner: conductance between the two cells of a face, 0 where one of them is missing; a / length.
        wall: conductance from the only cell of a face to the wall behind it. drive: flow per area that the wall sends
            in at u = 0. Both are 0 on inner faces. Shapes (samples, ..., n + 1, ...).
        into: +1 where that cell is the upper one of the face, -1 where it is the lower one, 0 on inner faces;
            shape (1, ..., n + 1, ...).
        closed: whether the axis is periodic (the last face is the first).
    """

    inner: Tensor
    wall: Tensor
    drive: Tensor
    into: Tensor
    closed: bool


@dataclass(frozen=True)
class FiniteVolumes:
    """The operator u -> -div(a grad u) with its walls, for samples of a.

    Args:
        grid: cells. mask: True inside, (*space); None where all cells are inside.
        faces: for each axis.
        diagonal: of the matrix, (samples, *space); 1 outside the mask.
        source: what the walls add to the right-hand side, (samples, *space).
    """

    grid: Grid
    mask: Bool[Tensor, "*space"] | None
    faces: tuple[Faces, ...]
    diagonal: Float[Tensor, "samples *space"]
    source: Float[Tensor, "samples *space"]

    def apply(self, u: Float[Tensor, "samples *space"]) -> Float[Tensor, "samples *space"]:
        """The symmetric linear part A u; `apply(u) - source` is -div(a grad u). Outside cells give u itself."""
        out = self.diagonal * u
        for axis, (faces, h) in enumerate(zip(self.faces, self.grid.spacing, strict=True), start=1):
            n = self.grid.shape[axis - 1]
            between = faces.inner.narrow(axis, 1, n - 1) / h
            lower, upper = u.narrow(axis, 0, n - 1), u.narrow(axis, 1, n - 1)
            out.narrow(axis, 0, n - 1).sub_(between * upper)
            out.narrow(axis, 1, n - 1).sub_(between * lower)
            if faces.closed:
                seam = faces.inner.narrow(axis, 0, 1) / h
                out.narrow(axis, 0, 1).sub_(seam * u.narrow(axis, n - 1, 1))
                out.narrow(axis, n - 1, 1).sub_(seam * u.narrow(axis, 0, 1))
        return out

    def fluxes(self, u: Float[Tensor, "samples *space"]) -> tuple[Tensor, ...]:
        """-a du/dx through every face of each axis, counted along the axis, (samples, ..., n + 1, ...); walls too."""
        flows = []
        for axis, faces in enumerate(self.faces, start=1):
            n = u.shape[axis]
            first, last = u.narrow(axis, 0, 1), u.narrow(axis, n - 1, 1)
            lower = torch.cat([last if faces.closed else torch.zeros_like(first), u], dim=axis)
            upper = torch.cat([u, first if faces.closed else torch.zeros_like(last)], dim=axis)
            own = torch.where(faces.into > 0, upper, lower)
            flows.append(faces.inner * (lower - upper) + faces.into * (faces.drive - faces.wall * own))
        return tuple(flows)

    def divergence(self, u: Float[Tensor, "samples *space"]) -> Float[Tensor, "samples *space"]:
        """What flows out of each cell per volume, -div(a grad u), from the face fluxes; 0 outside the mask."""
        out = torch.zeros_like(u)
        for axis, (flow, h) in enumerate(zip(self.fluxes(u), self.grid.spacing, strict=True), start=1):
            out = out + flow.diff(dim=axis) / h
        return out if self.mask is None else out * self.mask


def finite_volumes(
    a: Float[Tensor, "samples *space"],
    grid: Grid,
    walls: Walls | Condition,
    mask: Tensor | None = None,
) -> FiniteVolumes:
    """Assemble the operator; values of `a` outside the mask are not looked at.

    Raises DomainError: `a` or the mask not of the grid's shape, `a` not positive and finite inside (names sample and
    cell), an empty mask, walls that do not fit the grid.
    """
    sides, edge = on_every_wall(walls, grid)
    _check(a, grid, mask)
    inside = torch.ones(grid.shape, dtype=torch.bool, device=a.device) if mask is None else mask
    a = torch.where(inside, a, torch.ones((), dtype=a.dtype, device=a.device))
    faces = tuple(_faces(a, grid, axis, sides[axis], edge, inside) for axis in range(grid.dim))
    diagonal, source = torch.zeros_like(a), torch.zeros_like(a)
    for axis, (face, h) in enumerate(zip(faces, grid.spacing, strict=True), start=1):
        n = grid.shape[axis - 1]
        for start, sign in ((0, 1), (1, -1)):
            owned = face.into.narrow(axis, start, n) == sign
            side = [x.narrow(axis, start, n) / h for x in (face.inner, face.wall, face.drive)]
            diagonal = diagonal + side[0] + torch.where(owned, side[1], 0.0)
            source = source + torch.where(owned, side[2], 0.0)
    diagonal = torch.where(inside, diagonal, 1.0)
    return FiniteVolumes(grid, mask, faces, diagonal, source)


def _faces(
    a: Tensor, grid: Grid, axis: int, ends: tuple[Condition, Condition] | None, edge: Condition, inside: Tensor
) -> Faces:
    dim, n, h = axis + 1, grid.shape[axis], grid.spacing[axis]
    a_lower, a_upper = _both_sides(a, dim, ends is None)
    in_lower, in_upper = _both_sides(inside[None], dim, ends is None)
    pair, alone = in_lower & in_upper, in_lower ^ in_upper
    inner = torch.where(pair, 2 * a_lower * a_upper / (h * (a_lower + a_upper)), 0.0)
    half = torch.where(in_lower, a_lower, a_upper) * (2 / h)
    wall, drive = coupling(_spread(edge, half.dim()), half)
    wall, drive = wall.clone(), drive.clone()
    for position, condition in zip((0, n), ends or (), strict=False):
        try:
            end = coupling(condition, half.select(dim, position))
            wall.select(dim, position).copy_(end[0])
            drive.select(dim, position).copy_(end[1])
        except RuntimeError as error:
            raise DomainError(
                f"axis {axis}: the numbers of {type(condition).__name__} do not broadcast to (samples, *cells of the "
                f"wall) = {tuple(half.select(dim, position).shape)}"
            ) from error
    into = alone * (in_upper.to(a.dtype) - in_lower.to(a.dtype))
    return Faces(inner, torch.where(alone, wall, 0.0), torch.where(alone, drive, 0.0), into, ends is None)


def _both_sides(x: Tensor, dim: int, closed: bool) -> tuple[Tensor, Tensor]:
    """The lower and the upper cell of all n + 1 faces; a missing one is the nearest for numbers, False for masks."""
    first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
    none = (torch.zeros_like(first), torch.zeros_like(last)) if x.dtype == torch.bool else (first, last)
    before, after = (last, first) if closed else none
    return torch.cat([before, x], dim=dim), torch.cat([x, after], dim=dim)


def _spread(condition: Condition, ndim: int) -> Condition:
    """Numbers per sample on the edges of a mask, shaped to broadcast over cells."""
    numbers = {name: getattr(condition, name) for name in condition.__dataclass_fields__}
    return type(condition)(
        **{k: v.reshape(-1, *[1] * (ndim - 1)) if isinstance(v, Tensor) else v for k, v in numbers.items()}
    )


def _check(a: Tensor, grid: Grid, mask: Tensor | None) -> None:
    if tuple(a.shape[1:]) != grid.shape or a.dim() != grid.dim + 1 or len(a) == 0:
        raise DomainError(f"a field of shape {tuple(a.shape)} on a grid of {grid.shape}; give (samples, *grid.shape)")
    if mask is not None:
        if mask.dtype != torch.bool or tuple(mask.shape) != grid.shape:
            raise DomainError(
                f"a mask of {mask.dtype} and shape {tuple(mask.shape)} on a grid of {grid.shape}; give booleans of "
                "the grid's shape, True inside"
            )
        if not bool(mask.any()):
            raise DomainError("the mask has no cell inside; True means inside")
    wrong = ~(a.isfinite() & (a > 0))
    if mask is not None:
        wrong &= mask
    if bool(wrong.any()):
        sample, *cell = wrong.nonzero()[0].tolist()
        raise DomainError(
            f"sample {sample}: the permeability at cell {tuple(cell)} is {a[(sample, *cell)].item():g}; it must be "
            "positive and finite in every cell inside"
        )
