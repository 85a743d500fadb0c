"""A perceptron for points of the unit ball in many dimensions, whose coordinates are small.

In d dimensions coordinates of points with |x| of order one are of order 1/sqrt(d). Glorot's weights then leave a first
layer in its linear regime, and gradients move it slowly; scaling what it sees to order one makes the curvature of the
solution learnable. The factor stands behind the linear map, so that exact Laplacians by the first layer go on
working.
"""

from __future__ import annotations

import math
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.pinns.activations import activation as named_activation
from surrogates.pinns.mlp import glorot


class ScaledMLP(nn.Module):
    """`depth` hidden layers on scale * x; Glorot-normal weights, zero biases.

    Args:
        inputs: coordinates of a point. outputs: fields. width, depth: of the hidden layers.
        activation: by name, see activations; silu and softplus bend at 0 already, tanh does not.
        scale: None for sqrt(inputs).
    """

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int = 1,
        width: int = 128,
        depth: int = 1,
        activation: str = "silu",
        scale: float | int | None = None,
    ) -> None:
        super().__init__()
        if min(inputs, outputs, width, depth) < 1 or (scale is not None and not scale > 0):
            raise DomainError(
                f"inputs={inputs}, outputs={outputs}, width={width}, depth={depth}, scale={scale}; give at least 1 of "
                "each, and a positive scale"
            )
        self.inputs, self.outputs = inputs, outputs
        self.arguments = {"inputs": inputs, "outputs": outputs, "width": width, "depth": depth}
        self.arguments |= {"activation": activation, "scale": scale}  # type: ignore[dict-item]
        self.scale = math.sqrt(inputs) if scale is None else float(scale)
        self._activation = named_activation(activation)
        sizes = [inputs, *[width] * depth, outputs]
        self.layers = nn.ModuleList(glorot(n_in, n_out) for n_in, n_out in pairwise(sizes))

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        first, *others = self.layers
        assert isinstance(first, nn.Linear)
        h = self.scale * nn.functional.linear(x, first.weight) + first.bias
        for layer in others:
            h = layer(self._activation(h))
        return h
