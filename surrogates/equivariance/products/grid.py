"""The Price of Freedom: Exploring Expressivity and Runtime Tradeoffs in Equivariant Tensor Products (arXiv:2506.13523).

The Gaunt product on a grid of the sphere itself, section 4: values at the points of an exact quadrature are multiplied
one by one. It is the same map as `Gaunt`, with transforms that are a fraction of the size.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products.paths import Outputs
from surrogates.equivariance.products.sphere_functions import SphereFunctions
from surrogates.equivariance.sphere_grid import SphereGrid


class SphericalGrid(nn.Module):
    """Products of functions by their values on a grid; see `SphereFunctions` for what it computes.

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
        self.transform = SphereGrid(self.functions.degree + self.functions.degree_out)

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
