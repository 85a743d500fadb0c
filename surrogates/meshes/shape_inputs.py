"""What the Gaussian processes of MMGP see of a sample: its shape in a few numbers, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.pod import Modes, snapshot_pod
from surrogates.physics.errors import DomainError

Array = np.ndarray
_LEFT = 1e-3  # of the shapes' spread that "auto" may leave out
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class ShapeInputs:
    """Standardised shape coefficients, then parameters.

    Args:
        shape: modes of the images of the common mesh's nodes. parameters: names of those that vary. constant: values of
            the others. center, scale: of coefficients and parameters over the training samples.
    """

    shape: Modes
    parameters: tuple[str, ...]
    constant: dict[str, float]
    center: Float[np.ndarray, "d"]
    scale: Float[np.ndarray, "d"]

    def __call__(
        self, images: Float[np.ndarray, "n nodes d"], samples: Sequence[MeshSample]
    ) -> Float[np.ndarray, "n k"]:
        """Inputs of samples. Raises DomainError for parameters that are missing, new, or no longer constant."""
        return (
            _raw(self.shape, self.parameters, images, [self._checked(s) for s in samples]) - self.center
        ) / self.scale

    def _checked(self, sample: MeshSample) -> MeshSample:
        known = {*self.parameters, *self.constant}
        if set(sample.parameters) != known:
            missing, more = sorted(known - set(sample.parameters)), sorted(set(sample.parameters) - known)
            raise DomainError(
                f"this mesh has the parameters {', '.join(sample.parameters) or 'none'}; the training meshes "
                f"had {', '.join(sorted(known)) or 'none'} (missing: {missing}, new: {more})"
            )
        for name, value in self.constant.items():
            if abs(sample.parameters[name] - value) > _SAME * max(abs(value), 1e-300):
                raise DomainError(
                    f"{name} is {sample.parameters[name]}, and was {value} in all training meshes, so its effect "
                    "is not known; train on meshes in which it varies"
                )
        return sample


def fit_inputs(
    images: Float[np.ndarray, "n nodes d"], samples: Sequence[MeshSample], mass: Any, *, modes: int | None
) -> ShapeInputs:
    """Inputs of training samples; `modes` of the shape, None for as many as its spread needs, at most n / 5 or 20."""
    shape = snapshot_pod(images, mass, modes=modes, tolerance=_LEFT)
    size = float(np.ptp(images[0], axis=0).max()) * float(np.sqrt(mass.sum()))
    real = int((np.sqrt(shape.spectrum[: len(shape)]) > 1e-7 * size).sum())  # meshes of one shape have none
    shape = shape.first(min(real, len(shape) if modes is not None else max(2, min(len(samples) // 5, 20))))
    names = tuple(samples[0].parameters)
    values = np.array([[s.parameters[n] for n in names] for s in samples]).reshape(len(samples), len(names))
    spread = np.ptp(values, axis=0) > _SAME * np.maximum(np.abs(values).max(0, initial=0.0), 1e-300)
    varying = tuple(n for n, v in zip(names, spread, strict=True) if v)
    constant = {n: float(values[0, k]) for k, n in enumerate(names) if not spread[k]}
    raw = _raw(shape, varying, images, samples)
    if not raw.shape[1]:
        raise DomainError("all training meshes have one shape and equal parameters: there is nothing to learn from")
    return ShapeInputs(shape, varying, constant, raw.mean(0), raw.std(0))


def _raw(shape: Modes, names: Sequence[str], images: Array, samples: Sequence[MeshSample]) -> Array:
    values = np.array([[s.parameters[n] for n in names] for s in samples], dtype=float)
    return np.hstack([shape.coefficients(images), values.reshape(len(samples), len(names))])
