"""What all products promise."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from surrogates.equivariance.irreps import ChannelIrreps, Irrep


@runtime_checkable
class Product(Protocol):
    """An nn.Module made as P(inputs, l_max, outputs, ...), channel by channel bilinear in features and harmonics.

    Called with features (edges, components, channels), harmonics of unit vectors (edges, (l_max + 1)^2) and weights
    (edges, n_weights), it returns (edges, rows, channels), rows ordered by output irrep, component, path.
    """

    inputs: ChannelIrreps
    l_max: int
    outputs: tuple[tuple[Irrep, int], ...]
    n_weights: int
    arguments: dict[str, Any]

    @property
    def expressivity(self) -> int:
        """Dimension of the set of bilinear maps of one channel that the weights of an edge reach."""

    def __call__(self, x1: Tensor, x2: Tensor, weights: Tensor) -> Tensor: ...
