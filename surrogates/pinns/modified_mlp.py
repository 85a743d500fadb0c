"""Understanding and mitigating gradient pathologies in physics-informed neural networks (arXiv:2001.04536).

Kept: the network; two encodings U and V of the point mix into every layer, H <- (1 - Z) U + Z V, Z = act(W H + b).
Left out: the annealing of loss weights by gradient statistics of the same paper; weights are those of the plan.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.pinns.activations import activation as named_activation
from surrogates.pinns.mlp import first_width, glorot


class ModifiedMLP(nn.Module):
    """Points -> fields through `depth` layers of `width`, each mixed with two encodings of the point.

    Args:
        inputs, outputs, width, depth, activation, features: as in PINN.
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
        seen = first_width(inputs, outputs, width, depth, features)
        self.u, self.v, self.first = glorot(seen, width), glorot(seen, width), glorot(seen, width)
        self.layers = nn.ModuleList(glorot(width, width) for _ in range(depth))
        self.last = glorot(width, outputs)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        x = x if self.features is None else self.features(x)
        u, v = self._activation(self.u(x)), self._activation(self.v(x))
        difference = v - u
        h = self._activation(self.first(x))
        for layer in self.layers:
            h = u + self._activation(layer(h)) * difference
        out: Tensor = self.last(h)
        return out
