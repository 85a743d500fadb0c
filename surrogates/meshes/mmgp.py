"""MMGP: a Mesh Morphing Gaussian Process-based machine learning method for regression of physical problems under non-parameterized geometrical variability (arXiv:2305.12871).

Kept: every mesh is morphed to a common support, coordinates and fields are interpolated there by finite elements, shapes
and fields are reduced by snapshot POD, Gaussian processes (anisotropic Matern-5/2) go from shape coefficients and
parameters to field coefficients, and fields are carried back (sections 3.1 to 3.4).
Changed: the common mesh is moved onto each sample, boundary on boundary, so that one matrix morphs all and holes are
allowed; the paper's morph to the disc is there too. The common mesh has the mean shape of the training meshes. One process
with its own lengths and noise for each coefficient. The band holds what modes and morph leave out, and leave-one-out
errors calibrate it.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets import Meshes, MeshPrediction
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.field_process import FieldProcess, FieldSummary, fit_field
from surrogates.meshes.mmgp_scores import MMGPScores, scores
from surrogates.meshes.morphing.align import Turned, align
from surrogates.meshes.morphing.common_mesh import common_mesh
from surrogates.meshes.morphing.register import MORPHS, Morphing, Registration
from surrogates.meshes.shape_inputs import ShapeInputs, fit_inputs
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.physics.meshes.mass import consistent_mass

Array = np.ndarray
_LEAST = 8


class MMGP:
    """Fields on any mesh of a kind of shape, with standard deviations, from a few dozen solved ones.

    Args:
        fields: names of the fields to predict, (nodes, *components) each.
        modes: of each field: a count, a tolerance (relative, of its spread), or "auto".
        shape_modes: numbers that describe the shape, "auto" for as many as the meshes differ in.
        morph: "rbf", "elastic", "tutte" (meshes without holes), or "auto": the first of rbf and elastic that folds no
            training mesh. closed: how points of closed curves such as holes correspond, "angle" or "arc_length".
        landmarks: field with numbers of corresponding nodes, in place of boundary curves; needed in three dimensions.
        align: meshes may lie anywhere, turned and shifted; loads turn with them. vectors, tensors: names of fields
            that turn too; tensors are (xx, yy, xy) in a plane, (xx, yy, zz, yz, xz, xy) in space.
        restarts: starts of the search for each process's lengths. seed: of the starts.
    Raises DomainError for arguments that are not as described.
    """

    def __init__(
        self,
        fields: Sequence[str],
        *,
        modes: str | int | float = "auto",
        shape_modes: str | int = "auto",
        morph: str = "auto",
        closed: str = "angle",
        landmarks: str | None = None,
        align: bool = False,
        vectors: Sequence[str] = (),
        tensors: Sequence[str] = (),
        restarts: int = 2,
        seed: int = 0,
    ) -> None:
        _check(fields, modes, shape_modes, morph, restarts)
        self.arguments: dict[str, Any] = {
            "fields": list(fields),
            "modes": modes,
            "shape_modes": shape_modes,
            "morph": morph,
            "closed": closed,
            "landmarks": landmarks,
            "align": align,
            "vectors": list(vectors),
            "tensors": list(tensors),
            "restarts": restarts,
            "seed": seed,
        }
        self.names = tuple(fields)
        self.morphing: Morphing | None = None
        self.inputs: ShapeInputs | None = None
        self.processes: dict[str, FieldProcess] = {}
        self.components: dict[str, tuple[int, ...]] = {}
        self.facts: dict[str, Any] = {}
        self._known: tuple[Any, Registration, Turned] | None = None

    def fit(self, train: Meshes) -> MMGP:
        """Learn from solved meshes, and calibrate the band by leave-one-out; returns itself.

        Raises TrainingError for too few meshes and for histories, DomainError for missing fields, and for meshes that
        the morph cannot lay on a common one, naming the first.
        """
        samples = [_static(sample, k) for k, sample in enumerate(train)]
        if len(samples) < _LEAST:
            raise TrainingError(f"{len(samples)} training meshes; give at least {_LEAST}, better a hundred")
        for name in self.names:
            if name not in samples[0].fields:
                raise DomainError(f"there is no field {name!r} in the meshes; there are {', '.join(samples[0].fields)}")
        own = self.arguments
        self.components = {name: samples[0].fields[name].shape[1:] for name in self.names}
        if own["align"]:
            self._check_kinds()
        self._known = None
        chosen = ("rbf", "elastic") if own["morph"] == "auto" else (own["morph"],)
        if own["landmarks"] is not None and own["morph"] == "auto":
            chosen = ("rbf",)
        self.morphing, turned, registrations = common_mesh(
            samples, chosen, closed=own["closed"], landmarks=own["landmarks"], aligned=own["align"]
        )
        mass = consistent_mass(self.morphing.common.points, self.morphing.cells)
        images = np.stack([r.images for r in registrations])
        shape_modes = None if own["shape_modes"] == "auto" else own["shape_modes"]
        self.inputs = fit_inputs(images, samples, mass, modes=shape_modes)
        at = self.inputs(images, samples)
        self.processes = {}
        for name in self.names:
            truths = [
                t.forward(s.fields[name], self._kind(name)).reshape(len(s), -1)
                for t, s in zip(turned, samples, strict=True)
            ]
            self.processes[name] = fit_field(
                truths, registrations, at, mass, modes=own["modes"], restarts=own["restarts"], seed=own["seed"]
            )
        self.facts = _facts(train, samples)
        return self

    def predict(self, sample: MeshSample) -> MeshPrediction:
        """Fields and their standard deviations at the nodes of a mesh; quantities "peak NAME", the largest length.

        Raises DomainError for a mesh whose tags, parameters, units or holes are not those of the training meshes.
        """
        registration, turned = self.registered(sample)
        inputs = self._fitted().inputs(registration.images[None], [sample])  # type: ignore[union-attr, misc]
        fields, std, quantities = {}, {}, {}
        for name, process in self.processes.items():
            said, width, peak = process.predict(inputs, registration.to_sample)
            shape = (len(sample), *self.components[name])
            fields[name] = turned.back(said.reshape(shape), self._kind(name))
            std[name] = turned.back_std(width.reshape(shape), self._kind(name))
            if peak is not None:
                quantities[f"peak {name}"] = peak
        return MeshPrediction(sample, fields, std, quantities)

    def registered(self, sample: MeshSample) -> tuple[Registration, Turned]:
        """The mesh laid on the common one, as `predict` sees it; the newest is kept."""
        morphing = self._fitted().morphing
        if self._known is None or self._known[0] is not sample:
            self._check_sample(sample)
            plain = _static(sample)
            turned = align(plain, morphing) if self.arguments["align"] else Turned.identity(plain)  # type: ignore[arg-type]
            self._known = (sample, morphing(turned.sample), turned)  # type: ignore[misc]
        return self._known[1], self._known[2]

    def evaluate(self, test: Any) -> MMGPScores:
        """Errors and coverage on held-out meshes. Raises DomainError where they lack the fields."""
        return scores(self, test)

    @property
    def summary(self) -> dict[str, FieldSummary]:
        """Modes and floors by field."""
        return {name: process.summary for name, process in self._fitted().processes.items()}

    @property
    def shape_modes(self) -> int:
        """Numbers that describe a shape."""
        return len(self._fitted().inputs.shape)  # type: ignore[union-attr]

    @property
    def nodes(self) -> int:
        """Nodes of the common mesh."""
        return len(self._fitted().morphing.common)  # type: ignore[union-attr]

    def save(self, path: str | Path) -> Path:
        """Write one checkpoint (.safetensors), atomically; `surrogates.training.load` and `MMGP.load` read it."""
        from surrogates.meshes.mmgp_file import save

        return save(self._fitted(), path)

    @classmethod
    def load(cls, path: str | Path) -> MMGP:
        """Read a checkpoint. Raises FileError for a missing, damaged or foreign file."""
        from surrogates.meshes.mmgp_file import load

        return load(path)

    def _fitted(self) -> MMGP:
        if self.morphing is None:
            raise TrainingError("this MMGP has learned nothing yet; call .fit(meshes) first")
        return self

    def _kind(self, name: str) -> str:
        return "vector" if name in self.arguments["vectors"] else "tensor" if name in self.arguments["tensors"] else ""

    def _check_kinds(self) -> None:
        for name, components in self.components.items():
            if components and not self._kind(name):
                raise DomainError(
                    f"{name} has {components} components; with align=True name it in vectors=[...] or tensors=[...]"
                )

    def _check_sample(self, sample: MeshSample) -> None:
        tags = set(self.morphing.common.tags)  # type: ignore[union-attr]
        if set(sample.tags) != tags:
            missing, more = sorted(tags - set(sample.tags)), sorted(set(sample.tags) - tags)
            raise DomainError(
                f"this mesh has the tags {', '.join(sample.tags) or 'none'}; the training meshes had "
                f"{', '.join(sorted(tags)) or 'none'} (missing: {missing}, new: {more})"
            )
        for name, unit in self.facts["units"].items():
            if sample.units.get(name, unit) != unit:
                raise DomainError(
                    f"{name} is in {sample.units[name]}; the training meshes had it in {unit}: convert it"
                )


def _static(sample: MeshSample, row: int | None = None) -> MeshSample:
    if sample.times is not None:
        raise TrainingError(
            f"mesh {'' if row is None else row} is a history of {len(sample.times)} frames; MMGP predicts steady "
            "fields: give one frame a mesh, with its time as a parameter, or train a network on steps"
        )
    return sample


def _facts(train: Meshes, samples: Sequence[MeshSample]) -> dict[str, Any]:
    units = {**samples[0].units, **getattr(train, "units", {})}
    return {
        "rows": len(samples),
        "hash": getattr(train, "hash", None),
        "description": getattr(train, "description", ""),
        "units": {str(k): str(v) for k, v in units.items()},
        "row_hashes": train.row_hashes() if hasattr(train, "row_hashes") else [],
    }


def _check(fields: Any, modes: Any, shape_modes: Any, morph: str, restarts: int) -> None:
    if isinstance(fields, str) or not len(fields) or len(set(fields)) < len(fields):
        raise DomainError(f"fields={fields!r}; give a list of different names such as ['von_mises']")
    number = isinstance(modes, int | float) and not isinstance(modes, bool)
    good = modes == "auto" or (number and (modes >= 1 if isinstance(modes, int) else 0 < modes < 1))
    if not good:
        raise DomainError(f"modes={modes!r}; give a count, a tolerance between 0 and 1, or 'auto'")
    if shape_modes != "auto" and (not isinstance(shape_modes, int) or isinstance(shape_modes, bool) or shape_modes < 1):
        raise DomainError(f"shape_modes={shape_modes!r}; give a count or 'auto'")
    if morph not in ("auto", *MORPHS):
        raise DomainError(f"morph={morph!r}; give one of auto, {', '.join(MORPHS)}")
    if restarts < 1:
        raise DomainError(f"restarts={restarts}; give at least 1")
