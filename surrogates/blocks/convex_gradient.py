"""Input Convex Gradient Networks (arXiv:2111.12187): a vector field that is exactly the gradient of a convex function.

G(x) = int_0^1 J(s x)^T J(s x) x ds is such a gradient when J^T J is itself a Hessian. One layer with
J(x) = diag(sqrt(sigma'(W x + b))) W always is one, of sum_i S(w_i . x + b_i) with S' = sigma, and the integral has the
closed form G(x) = W^T (sigma(W x + b) - sigma(b)). Deeper J need a differential condition that ordinary layers do not
meet, so this is the one layer. Sums of convex functions of one direction each do not reach every convex function.
Uses: monotone constitutive laws, optimal transport maps (Brenier).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": nn.functional.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
"""Rising functions, whose slope is nowhere negative."""


class ConvexGradient(nn.Module):
    """x (batch, dim) -> gradient of a convex function (batch, dim), with a symmetric, positive semi-definite Jacobian.

    Args:
        dim, width: of the space, and rows of W. activation: "softplus", "sigmoid" or "tanh".
        strong: least curvature, added as strong * x; above zero the map is invertible.
    Raises DomainError for an unknown activation or a negative `strong`.
    """

    def __init__(self, *, dim: int, width: int = 64, activation: str = "softplus", strong: float | int = 0.0) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise DomainError(f"activation={activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
        if strong < 0:
            raise DomainError(f"strong={strong} would bend the function down; give a number of at least 0")
        self.arguments: dict[str, Any] = {"dim": dim, "width": width, "activation": activation, "strong": strong}
        self.strong = strong
        self.activation = ACTIVATIONS[activation]
        self.weight = nn.Parameter(torch.randn(width, dim) / width**0.5)
        self.bias = nn.Parameter(torch.randn(width))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """W^T (sigma(W x + b) - sigma(b)) + strong x + shift."""
        rise = self.activation(nn.functional.linear(x, self.weight, self.bias)) - self.activation(self.bias)
        return rise @ self.weight + self.strong * x + self.shift

    def root(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch width dim"]:
        """J(x) = diag(sqrt(sigma'(W x + b))) W, whose square J^T J is the Jacobian of the map (without `strong`)."""
        z = nn.functional.linear(x, self.weight, self.bias)
        slope = torch.func.jvp(self.activation, (z,), (torch.ones_like(z),))[1]
        return slope.sqrt().unsqueeze(-1) * self.weight
