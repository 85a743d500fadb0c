"""What an interaction knows of the edges, computed once for all layers."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Surroundings:
    """Edges with what depends on their vectors only.

    Args:
        edges: (i, j), i receives.
        harmonics: of the unit vectors. radial: radial functions.
        cutoff: what the weights of edges are still to be multiplied by; None where `radial` is cut off already.
        element: row of each atom in tables of elements.
    """

    edges: Int[Tensor, "2 edges"]
    harmonics: Float[Tensor, "edges harmonics"]
    radial: Float[Tensor, "edges n_radial"]
    cutoff: Float[Tensor, "edges 1"] | None
    element: Int[Tensor, "atoms"]

    def cut(self, values: Float[Tensor, "edges n"]) -> Float[Tensor, "edges n"]:
        """`values` times the cutoff, where the radial functions do not have it."""
        return values if self.cutoff is None else values * self.cutoff
