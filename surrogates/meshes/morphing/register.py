"""A sample's mesh laid on the common mesh, and fields carried both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.interpolation import interpolation
from surrogates.meshes.morphing.correspondence import Correspondence
from surrogates.meshes.morphing.disc import on_disc
from surrogates.meshes.morphing.extension import Elasticity, RadialFunctions, folded
from surrogates.meshes.morphing.landmarks import Landmarks
from surrogates.meshes.shape_functions import oriented
from surrogates.physics.errors import DomainError

Array = np.ndarray
MORPHS = ("rbf", "elastic", "tutte")


class Morphing:
    """Lays meshes on a common one.

    Args:
        common: the common mesh. morph: "rbf" (radial functions through boundary points or landmarks), "elastic", or
            "tutte" (both meshes on the disc; no holes). closed: "angle" or "arc_length", how points of closed curves
            correspond. landmarks: name of a field with numbers of corresponding nodes, in place of the boundary; with
            "rbf" only, and needed in three dimensions.
    Raises DomainError for a common mesh that the morph cannot start from.
    """

    def __init__(
        self, common: MeshSample, *, morph: str = "rbf", closed: str = "angle", landmarks: str | None = None
    ) -> None:
        if morph not in MORPHS:
            raise DomainError(f"morph={morph!r}; give one of {', '.join(MORPHS)}")
        self.cells = oriented(common.points, common.cells)
        self.common = replace(common, cells=self.cells, cell_fields={}, cell_tags={}, fields=_kept(common, landmarks))
        self.morph, self.closed, self.landmarks = morph, closed, landmarks
        points = common.points
        if landmarks is not None:
            if morph != "rbf":
                raise DomainError(f"morph={morph!r} follows whole boundaries; landmarks need morph='rbf'")
            self.controls: Any = Landmarks(common.fields, landmarks)
        elif common.dim != 2:
            raise DomainError(
                f"a mesh in {common.dim} dimensions has no boundary curves to follow; number corresponding nodes in a "
                "field and give landmarks='its name'"
            )
        else:
            self.controls = Correspondence(points, self.cells, common.tags, closed=closed)
        self.extension: Any = None
        if morph == "rbf":
            self.extension = RadialFunctions(points, self.controls.nodes)
        elif morph == "elastic":
            self.extension = Elasticity(points, self.cells, self.controls.nodes)
        else:
            if len(self.controls.loops) != 1:
                raise DomainError(
                    f"the holes do not fit the morph: 'tutte' is for meshes without holes, this one has "
                    f"{len(self.controls.loops) - 1}; take morph='rbf'"
                )
            starts = np.cumsum([0.0, *(c.starts[-1] for c in self.controls.loops[0].curves)])
            self.shares = starts[:-1] / starts[-1]
            self.disc = self._flat(points, self.cells, self.controls.loops[0])

    def moved(self, points: Array) -> Morphing:
        """The same on the common mesh with its nodes elsewhere."""
        made = replace(self.common, points=points)
        return Morphing(made, morph=self.morph, closed=self.closed, landmarks=self.landmarks)

    def controls_of(self, sample: MeshSample) -> Array:
        """Images (b, d) of the control points in a sample."""
        if self.landmarks is not None:
            return np.asarray(self.controls(sample.points, sample.fields))
        return np.asarray(self.controls(sample.points, sample.cells, sample.tags))

    def __call__(self, sample: MeshSample) -> Registration:
        """Raises DomainError where the sample does not fit the common mesh, or a cell folds on the way."""
        if sample.dim != self.common.dim:
            raise DomainError(f"a mesh in {sample.dim} dimensions; the common mesh has {self.common.dim}")
        if self.morph == "tutte":
            return self._through_disc(sample)
        images = self.extension(self.controls_of(sample))
        count = folded(images, self.cells)
        if count:
            raise DomainError(
                f"the morph folds {count} of {sum(map(len, self.cells.values()))} cells of the common mesh: this shape "
                "is too far from the others; take morph='elastic', or leave it out"
            )
        return Registration(images, sample, self.cells, images, sample.points)

    def _through_disc(self, sample: MeshSample) -> Registration:
        loops = self.controls.matched(sample.points, sample.cells, sample.tags)
        cells = oriented(sample.points, sample.cells)
        flat = self._flat(sample.points, cells, loops[0])
        count = folded(flat, cells)
        if count:
            raise DomainError(
                f"the morph folds {count} cells on the disc: two sides of a corner cell lie on the boundary; mesh anew"
            )
        images = interpolation(flat, cells, self.disc) @ sample.points
        return Registration(images, sample, self.cells, self.disc, flat)

    def _flat(self, points: Array, cells: Any, loop: Any) -> Array:
        return on_disc(points, cells, loop, self.shares, self.controls.origin(loop))


@dataclass(frozen=True, eq=False)
class Registration:
    """Where the common mesh's nodes lie in a sample: `images` (nodes of the common mesh, d).

    `there` and `here` are the places of the common nodes and of the sample's in the space where both meshes coincide.
    """

    images: Array
    sample: MeshSample
    cells: Any
    there: Array
    here: Array

    @cached_property
    def to_common(self) -> csr_matrix:
        """From values at the sample's nodes to values at the common mesh's."""
        return interpolation(self.here, self.sample.cells, self.there)

    @cached_property
    def to_sample(self) -> csr_matrix:
        """From values at the common mesh's nodes to values at the sample's."""
        return interpolation(self.there, self.cells, self.here)


def _kept(common: MeshSample, landmarks: str | None) -> dict[str, Array]:
    return {} if landmarks is None else {landmarks: common.fields[landmarks]} if landmarks in common.fields else {}
