"""What is claimed of a surrogate on meshes: which laws it owes, and how strictly they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from surrogates.physics.errors import DomainError

KINDS = ("scalar", "vector")
SYMMETRIES = ("translation", "rotation")


@dataclass(frozen=True)
class MeshClaims:
    """The promises of a surrogate on meshes, as far as laws need to know them.

    Args:
        symmetry: "translation", moved meshes have the same answer; "rotation", turned ones the turned answer.
        kinds: of fields that turn with the mesh, {"displacement": "vector"}; all others are scalars. Fields of `dim`
            components may be vectors.
        row_stochastic: whether messages are averages (attention whose rows sum to 1), so that a constant input has a
            constant answer whatever the mesh.
        reach: hops beyond which the input has no influence; None for no such claim.
        remeshing: how much the answer may change, relative to its size, where the same mesh is refined once; None for
            no such claim.
    """

    symmetry: Sequence[str] = ("translation",)
    kinds: Mapping[str, str] = field(default_factory=dict)
    row_stochastic: bool = False
    reach: int | None = None
    remeshing: float | None = None

    def __post_init__(self) -> None:
        """Raises DomainError for words that are unknown."""
        wrong = [s for s in self.symmetry if s not in SYMMETRIES]
        if wrong or isinstance(self.symmetry, str):
            raise DomainError(f"symmetry={self.symmetry!r}; list some of {', '.join(SYMMETRIES)}")
        unknown = [k for k in self.kinds.values() if k not in KINDS]
        if unknown:
            raise DomainError(f"a field of kind {unknown[0]!r}; choose among {', '.join(KINDS)}")

    @classmethod
    def of(cls, thing: Any) -> MeshClaims:
        """What a task's network promises in its attributes `symmetry`, `row_stochastic` and `reach` (hops), as far as
        the task does not tell it where the nodes are."""
        places = getattr(getattr(thing, "told", None), "places", ())
        network = getattr(thing, "model", thing)
        reach = getattr(network, "reach", None)
        kept = () if "points" in places else ("translation",) if "centred" in places else SYMMETRIES
        return cls(
            symmetry=tuple(s for s in getattr(network, "symmetry", ()) if s in kept),
            row_stochastic=bool(getattr(network, "row_stochastic", False)),
            reach=reach if isinstance(reach, int) else None,
        )


@dataclass(frozen=True)
class MeshTolerance:
    """What the laws of meshes allow: relative to the largest answer. The default is for float64."""

    relative: float = 1e-10


EXACT = MeshTolerance()
SINGLE = MeshTolerance(relative=1e-4)


def by_precision(dtype: torch.dtype) -> MeshTolerance:
    """For answers of this precision."""
    return EXACT if dtype == torch.float64 else SINGLE
