"""What is claimed of an operator between fields: which laws it owes, and how strictly they are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.equation import Equation

KINDS = {"scalar": 0, "pseudoscalar": 0, "vector": 1, "tensor": 2}
"""What channels may be, with the rank: a field of rank r fills dim^r neighbouring channels."""
SYMMETRIES = ("translation", "rotation", "reflection")
Quantity = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Claims:
    """The problem that an operator is to solve, as far as laws need to know it.

    Args:
        symmetry: what it commutes with: "translation" along periodic axes, "rotation" by 90 degrees in planes of equal
            axes, "reflection" along any axis.
        inputs, outputs: kinds of fields that fill the channels, in order; () for scalars. A vorticity in two dimensions
            is a "pseudoscalar".
        centre: of rotations and reflections: "grid", the middle of the array (torch.rot90, flip), or "origin", the
            point 0 of a periodic grid, which a forcing such as cos x is symmetric about.
        conserved: name -> quantity, (batch, channels, *space) -> (batch,), that the output has as the input has it; or
            a pair, the quantity of the input and that of the output.
        linear: whether the output is linear in the input.
        lengths: of the domain along each axis; () for 1.
        reach: distance beyond which the input has no influence, None for no such claim.
        equation: whose solution the output is, `step` later than the input; its components are the channels.
            `parameters` are its numbers by name, of each sample or of all.
    """

    symmetry: Sequence[str] = ("translation",)
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    centre: str = "grid"
    conserved: Mapping[str, Quantity | tuple[Quantity, Quantity]] = field(default_factory=dict)
    linear: bool = False
    lengths: Sequence[float | int] = ()
    reach: float | int | None = None
    equation: Equation | None = None
    step: float | int | None = None
    parameters: Mapping[str, float | int | Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [s for s in self.symmetry if s not in SYMMETRIES]
        if wrong or isinstance(self.symmetry, str):
            raise DomainError(f"symmetry={self.symmetry!r}; list some of {', '.join(SYMMETRIES)}")
        unknown = [k for k in (*self.inputs, *self.outputs) if k not in KINDS]
        if unknown:
            raise DomainError(f"a field of kind {unknown[0]!r}; choose among {', '.join(KINDS)}")
        if self.centre not in ("grid", "origin"):
            raise DomainError(f"centre={self.centre!r}; write 'grid' or 'origin'")
        if (self.equation is None) != (self.step is None):
            raise DomainError("an equation and the time step between input and output are claimed together; give both")


@dataclass(frozen=True)
class Tolerance:
    """What the laws of fields allow. The defaults are for float64.

    Args:
        relative: to the largest output, for symmetries, batches, conservation and linearity.
        resolution: of a band-limited input on half the points, relative to how much the output varies.
        reach: of the largest influence, beyond the distance claimed.
        residual: relative to the rate of change, beyond three times what a solver's frames of that spacing have.
        order: share of the stated order by which a measured one may fall short.
    """

    relative: float = 1e-10
    resolution: float = 2e-2
    reach: float = 1e-3
    residual: float = 1e-2
    order: float = 0.075


EXACT = Tolerance()
SINGLE = Tolerance(relative=1e-4)


@dataclass(frozen=True)
class Question:
    """Inputs that laws are measured with, and what is claimed of the answers.

    Args:
        values: of order one or whatever the data's units are. parameters: (batch, n), None for none.
        mask: True inside the domain, None where all is.
        points: where the points of each axis lie: "periodic" i/n, "cells" (i+1/2)/n, or "ends" i/(n-1).
    """

    values: Float[Tensor, "batch channels *space"]
    parameters: Float[Tensor, "batch parameters"] | None
    mask: Bool[Tensor, "batch *space"] | None
    points: tuple[str, ...]
    claims: Claims

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each axis closes on itself."""
        return tuple(kind == "periodic" for kind in self.points)

    @property
    def dim(self) -> int:
        """Axes of space."""
        return self.values.ndim - 2

    @property
    def space(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(self.values.shape[2:])

    @property
    def lengths(self) -> tuple[float, ...]:
        """Of the domain along each axis."""
        return tuple(float(x) for x in self.claims.lengths) or (1.0,) * self.dim

    def inputs(self) -> tuple[str, ...]:
        """Kinds of the input's fields. Raises DomainError where they do not fill its channels."""
        return kinds(self.claims.inputs, self.values.shape[1], self.dim, "inputs")

    def outputs(self, channels: int) -> tuple[str, ...]:
        """Kinds of the output's fields; those of the input where none are claimed and it has as many channels."""
        claimed = self.claims.outputs or (self.claims.inputs if channels == self.values.shape[1] else ())
        return kinds(claimed, channels, self.dim, "outputs")

    def asked(self, **changes: Tensor | None) -> Question:
        """The same with other values, parameters or mask."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def rows(self, index: slice) -> Question:
        """Some samples."""
        parameters = None if self.parameters is None else self.parameters[index]
        claims = replace(self.claims, parameters={k: _row(v, index) for k, v in self.claims.parameters.items()})
        mask = None if self.mask is None else self.mask[index]
        return replace(self, values=self.values[index], parameters=parameters, mask=mask, claims=claims)


def kinds(claimed: Sequence[str], channels: int, dim: int, name: str) -> tuple[str, ...]:
    """Kinds that fill `channels`; scalars where none are claimed. Raises DomainError."""
    found = tuple(claimed) or ("scalar",) * channels
    filled = sum(dim ** KINDS[k] for k in found)
    if filled != channels:
        raise DomainError(f"{name}={list(found)} fill {filled} channels in {dim} dimensions, and there are {channels}")
    return found


def _row(value: float | int | Tensor, index: slice) -> float | int | Tensor:
    return value[index] if isinstance(value, torch.Tensor) and value.ndim and len(value) > 1 else value
