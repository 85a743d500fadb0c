"""The Price of Freedom: Exploring Expressivity and Runtime Tradeoffs in Equivariant Tensor Products (arXiv:2506.13523).

The Gaunt product on a grid of the sphere itself, section 4: values at the points of an exact quadrature are multiplied
one by one. It is the same map as `Gaunt`, with transforms that are a fraction of the size.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products.paths import (
    Outputs,
    check_degrees,
    check_reached,
    irreps_text,
    read_inputs,
    read_outputs,
)
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
        self.inputs, self.l_max, wanted = read_inputs(inputs), l_max, read_outputs(outputs)
        check_degrees(self.inputs, l_max, wanted)
        self.arguments = dict(inputs=str(self.inputs), l_max=l_max, outputs=irreps_text(wanted))
        self.functions = SphereFunctions(self.inputs, l_max, wanted)
        self.outputs, self.n_weights = self.functions.outputs, self.functions.n_weights
        check_reached(self.inputs, wanted, self.outputs)
        self.transform = SphereGrid(
            max(l for l, _ in self.inputs.irreps) + l_max + max(l for (l, _), _ in self.outputs)
        )

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
