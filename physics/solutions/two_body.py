"""The two-body test function of Stochastic Taylor Derivative Estimator (arXiv:2412.00088) and of arXiv:2312.14499.

u = (1 - |x|^2) sum_i c_i sin(x_i + cos x_(i+1) + x_(i+1) cos x_i), i = 1..d-1, c_i standard normal: neighbouring
coordinates do not separate. It makes exact solutions of Poisson's, Allen-Cahn's and the sine-Gordon equation on the
ball: `OnBall(TwoBody.draw(dim, seed)).source(x, sine_gordon)`.

For large d each x_i is of order 1/sqrt(d), so that u is close to (1 - |x|^2)(a + b . x), with a = sin(1) sum_i c_i and
b_i = cos(1)(c_i + c_(i-1)): a small relative error in u alone says little. Look at what that fit leaves, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.on_ball import OnBall

_CHUNK = 1 << 22  # numbers in a temporary tensor


@dataclass(frozen=True)
class TwoBody:
    """w = sum_i c_i sin(theta_i), theta_i = x_i + cos x_(i+1) + x_(i+1) cos x_i.

    Args:
        coefficients: c, one for each pair of neighbours.
    """

    coefficients: Float[Tensor, "pairs"]

    @classmethod
    def draw(cls, dim: int, seed: int = 0) -> TwoBody:
        """Standard normal coefficients, the same on every machine. Raises DomainError below two dimensions."""
        if dim < 2:
            raise DomainError(f"a two-body function in {dim} dimensions has no pair; give dim of at least 2")
        generator = torch.Generator().manual_seed(seed)
        return cls(torch.randn(dim - 1, generator=generator, dtype=torch.float64))

    @property
    def dim(self) -> int:
        return len(self.coefficients) + 1

    def pieces(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
        """w, x . grad w, Lap w; temporary memory does not grow with d."""
        totals: list[Tensor] = [x.new_zeros(len(x)) for _ in range(3)]
        for c, a, b in self._pairs(x):
            sin_a, cos_a, sin_b, cos_b = a.sin(), a.cos(), b.sin(), b.cos()
            theta, theta_a, theta_b = a + cos_b + b * cos_a, 1 - b * sin_a, cos_a - sin_b
            sine, cosine = theta.sin(), theta.cos()
            totals[0] = totals[0] + sine @ c
            totals[1] = totals[1] + (cosine * (a * theta_a + b * theta_b)) @ c
            totals[2] = totals[2] - (sine * (theta_a**2 + theta_b**2) + cosine * (b * cos_a + cos_b)) @ c
        return totals[0], totals[1], totals[2]

    def gradient(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        a, b, c = x[:, :-1], x[:, 1:], self.coefficients.to(x)
        slope = c * torch.cos(a + b.cos() + b * a.cos())
        first, second = slope * (1 - b * a.sin()), slope * (a.cos() - b.sin())
        return torch.nn.functional.pad(first, (0, 1)) + torch.nn.functional.pad(second, (1, 0))

    def _pairs(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        width = max(1, _CHUNK // max(1, len(x)))
        c = self.coefficients.to(x)
        for first in range(0, self.dim - 1, width):
            last = min(first + width, self.dim - 1)
            yield c[first:last], x[:, first:last], x[:, first + 1 : last + 1]


def two_body(dim: int, seed: int = 0) -> OnBall:
    """u = (1 - |x|^2) w on the unit ball."""
    return OnBall(TwoBody.draw(dim, seed))
