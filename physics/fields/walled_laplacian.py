"""The Laplacian of cells with walls, and the solution of u - c Lap(u) = f with it.

On a box without a mask the matrix is a sum over the axes, so the eigenvectors of each axis solve it: R. E. Lynch,
J. R. Rice and D. H. Thomas, Direct solution of partial difference equations by tensor product methods
(doi:10.1007/BF01386067). With a mask, sparse factorisations are kept for each c.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from surrogates.physics.fields.direct import Array, Pattern, matrix, pattern, sparse_lu
from surrogates.physics.fields.finite_volume import FiniteVolumes, finite_volumes
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.walls import Condition, Robin, Walls, on_every_wall

KEPT = 24  # factorisations kept for one mask


@dataclass(frozen=True)
class BoxLaplacian:
    """On a box: x = V ((V^T f) / (1 + c eigenvalue)), for any c per row at no cost.

    Args:
        volumes: the finite volumes of a = 1; their `source` is what the walls add.
        vectors: orthonormal eigenvectors of each axis, in columns. values: of -Lap, (*space), not negative.
    """

    volumes: FiniteVolumes
    vectors: tuple[Tensor, ...]
    values: Tensor

    def apply(self, u: Tensor) -> Tensor:
        """Lap(u) of (rows, *space), what the walls add included."""
        return self.volumes.source - self.volumes.apply(u)

    def shifted(self, right: Tensor, c: Tensor) -> Tensor:
        """x with x - c Lap(x) = right, walls included; c (rows,), not negative."""
        c = c.reshape(-1, *[1] * self.values.dim())
        x = right + c * self.volumes.source
        for vectors in self.vectors:  # contracts the first axis of space and appends it as the last
            x = torch.tensordot(x, vectors, dims=([1], [0]))
        x = x / (1 + c * self.values)
        for vectors in self.vectors:
            x = torch.tensordot(x, vectors, dims=([1], [1]))
        return x


@dataclass(frozen=True)
class MaskedLaplacian:
    """On the inside of a mask, by sparse factorisations that are kept; 0 outside.

    Args:
        volumes: the finite volumes of a = 1. shape: their unknowns. system: matrix of -Lap. kept: solver of each c.
    """

    volumes: FiniteVolumes
    shape: Pattern
    system: scipy.sparse.csr_array
    kept: dict[float, Callable[[Array], Array]] = field(default_factory=dict)

    def apply(self, u: Tensor) -> Tensor:
        """Lap(u) of (rows, *space), what the walls add included; 0 outside."""
        value = self.volumes.source - self.volumes.apply(u)
        return value if self.volumes.mask is None else torch.where(self.volumes.mask, value, 0.0)

    def shifted(self, right: Tensor, c: Tensor) -> Tensor:
        """x with x - c Lap(x) = right, walls included; c (rows,), not negative; 0 outside."""
        rows = (right + c.reshape(-1, *[1] * (right.dim() - 1)) * self.volumes.source).reshape(len(right), -1)
        b = rows.cpu().numpy().astype(np.float64)[:, self.shape.cells]
        coefficients = c.cpu().numpy()
        out = np.zeros((len(right), rows.shape[1]))
        for value in np.unique(coefficients):
            some = np.flatnonzero(coefficients == value)
            inverse = self._inverse(float(value))
            out[some[:, None], self.shape.cells] = inverse(np.ascontiguousarray(b[some].T)).T
        return torch.as_tensor(out, dtype=right.dtype, device=right.device).reshape(right.shape)

    def _inverse(self, c: float) -> Callable[[Array], Array]:
        if c not in self.kept:
            while len(self.kept) >= KEPT:
                self.kept.pop(next(iter(self.kept)))
            one = scipy.sparse.eye_array(self.shape.size, format="csr")
            self.kept[c] = sparse_lu((one + c * self.system).tocsr())
        return self.kept[c]


WalledLaplacian = BoxLaplacian | MaskedLaplacian


def walled_laplacian(grid: Grid, walls: Walls | Condition, mask: Tensor | None, like: Tensor) -> WalledLaplacian:
    """The Laplacian with these walls, in the dtype and on the device of `like`; conditions are on du/dn.

    Raises DomainError for walls or a mask that do not fit the grid.
    """
    ones = torch.ones((1, *grid.shape), dtype=torch.float64, device=like.device)
    volumes = finite_volumes(ones, grid, walls, mask)
    if mask is None and not _varies(walls, grid):
        axes = [torch.linalg.eigh(_matrix_of_axis(grid, walls, axis).to(like.device)) for axis in range(grid.dim)]
        values = torch.zeros([1] * grid.dim, dtype=torch.float64, device=like.device)
        for axis, (value, _) in enumerate(axes):
            values = values + value.clamp_min(0.0).reshape([-1 if a == axis else 1 for a in range(grid.dim)])
        vectors = tuple(v.to(like.dtype) for _, v in axes)
        return BoxLaplacian(_cast(volumes, like.dtype), vectors, values.to(like.dtype))
    unknowns = pattern(volumes)
    return MaskedLaplacian(_cast(volumes, like.dtype), unknowns, matrix(volumes, unknowns))


def _matrix_of_axis(grid: Grid, walls: Walls | Condition, axis: int) -> Tensor:
    """-Lap of one axis alone, dense."""
    line = Grid(grid.shape[axis], grid.lengths[axis], grid.periodic[axis])
    pairs, _ = on_every_wall(walls, grid)
    pair = pairs[axis]
    ends = None if pair is None else tuple(_plain(c) for c in pair)
    volumes = finite_volumes(torch.ones((1, *line.shape), dtype=torch.float64), line, Walls((ends,)))  # type: ignore[arg-type]
    return volumes.apply(torch.eye(line.shape[0], dtype=torch.float64))


def _plain(condition: Condition) -> Condition:
    """The same kind with no drive, for the linear part."""
    return Robin(float(condition.transfer)) if isinstance(condition, Robin) else type(condition)()


def _varies(walls: Walls | Condition, grid: Grid) -> bool:
    """Whether a Robin transfer changes along its wall, so that the axes no longer separate."""
    pairs, _ = on_every_wall(walls, grid)
    return any(
        isinstance(c, Robin) and isinstance(c.transfer, Tensor) and math.prod(c.transfer.shape) > 1
        for pair in pairs
        for c in pair or ()
    )


def _cast(volumes: FiniteVolumes, dtype: torch.dtype) -> FiniteVolumes:
    faces = tuple(
        replace(f, inner=f.inner.to(dtype), wall=f.wall.to(dtype), drive=f.drive.to(dtype), into=f.into.to(dtype))
        for f in volumes.faces
    )
    return FiniteVolumes(volumes.grid, volumes.mask, faces, volumes.diagonal.to(dtype), volumes.source.to(dtype))
