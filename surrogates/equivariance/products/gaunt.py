"""Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor Products (arXiv:2401.10216).

Kept: features and harmonics as functions on the sphere with weights by degree before and after (section 3.3), products
as convolutions of Fourier series (section 3.2), and products of many factors without leaving Fourier space.
Changed: nothing is left out, but paths of odd l1 + l2 + l3, such as the cross product, cannot be had this way at all.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products.paths import Outputs
from surrogates.equivariance.products.sphere_functions import SphereFunctions
from surrogates.equivariance.torus_fourier import TorusFourier


class Gaunt(nn.Module):
    """Products of functions by fast Fourier transforms on the torus; see `SphereFunctions` for what it computes.

    Aligned with the edge, the same map is an SO(2) product: `so2_weights` of `gaunt_to_clebsch_gordan`.

    Args:
        inputs: irreps of the features, or text such as "32x0e + 32x1o".
        l_max: highest degree of the harmonics.
        outputs: wanted irreps; those that no path reaches are left out.

    Attributes: `outputs`, pairs (irrep, 1); `n_weights`: for each block of the features, each degree of the harmonics
    and each output, channels innermost.
    """

    def __init__(self, inputs: ChannelIrreps | str = "1x0e", l_max: int = 1, outputs: Outputs = "0e") -> None:
        super().__init__()
        self.functions = SphereFunctions(inputs, l_max, outputs)
        self.inputs, self.l_max, self.arguments = self.functions.inputs, l_max, self.functions.arguments
        self.outputs, self.n_weights = self.functions.outputs, self.functions.n_weights
        self.transform = TorusFourier(self.functions.degree)

    @property
    def expressivity(self) -> int:
        """Dimension of the set of bilinear maps of one channel that the weights reach, at a generic point."""
        return self.functions.expressivity

    def forward(
        self,
        x1: Float[Tensor, "edges components channels"],
        x2: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
    ) -> Float[Tensor, "edges rows channels"]:
        return self.functions(self.transform, x1, x2, weights)
