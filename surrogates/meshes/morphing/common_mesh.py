"""The common mesh of a set of meshes: the most typical one, moved to their mean shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.morphing.align import Turned, align
from surrogates.meshes.morphing.extension import folded
from surrogates.meshes.morphing.register import Morphing, Registration
from surrogates.physics.errors import DomainError

Array = np.ndarray


def common_mesh(
    samples: Sequence[MeshSample], morphs: Sequence[str], *, closed: str, landmarks: str | None, aligned: bool
) -> tuple[Morphing, list[Turned], list[Registration]]:
    """The morph onto a common mesh, and each sample turned and laid on it, by the first of `morphs` that folds none.

    Raises DomainError where all fold or meshes do not fit each other, naming the first that does not.
    """
    problem: DomainError | None = None
    for morph in morphs:
        try:
            return _fitting(samples, morph, closed, landmarks, aligned)
        except _MisfitError as misfit:
            problem = misfit
    assert problem is not None
    raise DomainError(str(problem)) from problem


class _MisfitError(DomainError):
    """Some samples do not go onto the common mesh."""


def _fitting(
    samples: Sequence[MeshSample], morph: str, closed: str, landmarks: str | None, aligned: bool
) -> tuple[Morphing, list[Turned], list[Registration]]:
    first = Morphing(_bare(samples[0], landmarks), morph=morph, closed=closed, landmarks=landmarks)
    turned = [align(s, first) if aligned else Turned.identity(s) for s in _tagged(samples)]
    controls = np.stack([_controls(first, t.sample, k) for k, t in enumerate(turned)])
    typical = int(np.square(controls - controls.mean(0)).sum((1, 2)).argmin())
    morphing = Morphing(_bare(turned[typical].sample, landmarks), morph=morph, closed=closed, landmarks=landmarks)
    if morphing.extension is not None:
        mean = np.stack([morphing.controls_of(t.sample) for t in turned]).mean(0)
        points = morphing.extension(mean)
        if not folded(points, morphing.cells):
            morphing = morphing.moved(points)
    if aligned:
        turned = [align(s, morphing) for s in samples]
    registrations, failed = [], []
    for k, t in enumerate(turned):
        try:
            registrations.append(morphing(t.sample))
        except DomainError as error:
            failed.append((k, error))
    if failed:
        raise _MisfitError(
            f"{len(failed)} of {len(samples)} training meshes do not fit; mesh {failed[0][0]}: {failed[0][1]}"
        )
    return morphing, turned, registrations


def _controls(morphing: Morphing, sample: MeshSample, row: int) -> Array:
    try:
        return morphing.controls_of(sample)
    except DomainError as error:
        raise DomainError(f"training mesh {row}: {error}") from error


def _tagged(samples: Sequence[MeshSample]) -> Sequence[MeshSample]:
    """Samples of equal tags. Raises DomainError for others."""
    for k, sample in enumerate(samples):
        if set(sample.tags) != set(samples[0].tags):
            raise DomainError(
                f"training mesh {k} has the tags {', '.join(sample.tags) or 'none'}, the first "
                f"{', '.join(samples[0].tags) or 'none'}; give meshes with equal tags"
            )
    return samples


def _bare(sample: MeshSample, landmarks: str | None) -> MeshSample:
    """The mesh and its tags."""
    fields = {} if landmarks is None else {landmarks: sample.fields[landmarks]} if landmarks in sample.fields else {}
    return replace(sample, fields=fields, cell_fields={}, cell_tags={}, parameters={}, group="", row=-1)
