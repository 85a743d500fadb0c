"""Physics-informed neural networks (doi:10.1016/j.jcp.2018.10.045): the network, a multi-layer perceptron.

Glorot-normal weights and zero biases, as its authors start them.
"""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.pinns.activations import activation as named_activation


class PINN(nn.Module):
    """Points -> fields: `depth` hidden layers of `width`, an activation after each, a linear layer at the end.

    Args:
        inputs: coordinates of a point. outputs: fields. activation: "tanh", "sin", "silu", ..., see activations.
        features: what the first layer sees of a point, a module with `width(inputs)`; see surrogates.pinns.features.
    """

    def __init__(
        self,
        *,
        inputs: int,
        outputs: int = 1,
        width: int = 50,
        depth: int = 4,
        activation: str = "tanh",
        features: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.arguments = {
            "inputs": inputs,
            "outputs": outputs,
            "width": width,
            "depth": depth,
            "activation": activation,
            "features": features,
        }
        self.features = features
        self._activation = named_activation(activation)
        widths = [first_width(inputs, outputs, width, depth, features), *[width] * depth, outputs]
        self.layers = nn.ModuleList(glorot(n_in, n_out) for n_in, n_out in pairwise(widths))

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        h = x if self.features is None else self.features(x)
        *hidden, last = self.layers
        for layer in hidden:
            h = self._activation(layer(h))
        out: Tensor = last(h)
        return out


def first_width(inputs: int, outputs: int, width: int, depth: int, features: nn.Module | None) -> int:
    """What the first layer takes. Raises DomainError for sizes below one, or features that do not tell theirs."""
    if min(inputs, outputs, width, depth) < 1:
        raise DomainError(f"inputs={inputs}, outputs={outputs}, width={width}, depth={depth}; give at least 1 of each")
    if features is None:
        return inputs
    if not hasattr(features, "width"):
        raise DomainError(f"features={type(features).__name__} has no `width(inputs)`; see surrogates.pinns.features")
    return int(features.width(inputs))  # type: ignore[operator]


def glorot(n_in: int, n_out: int) -> nn.Linear:
    """A linear layer with Glorot-normal weights and zero bias."""
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
