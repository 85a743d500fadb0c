"""The three-body test function of Stochastic Taylor Derivative Estimator (arXiv:2412.00088) and of arXiv:2312.14499.

u = (1 - |x|^2) sum_i c_i exp(x_i x_(i+1) x_(i+2)), i = 1..d-2, c_i standard normal. The program published with the
paper leaves the inner derivatives (x_(i+1) x_(i+2) and so on) out of this function's Laplacian, so that its source
belongs to another solution; here they are in.

For large d each product is of order d^(-3/2): u is (1 - |x|^2) sum_i c_i but for a part in d. Judge errors by that.
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
class ThreeBody:
    """w = sum_i c_i exp(x_i x_(i+1) x_(i+2)).

    Args:
        coefficients: c, one for each three neighbours.
    """

    coefficients: Float[Tensor, "triples"]

    @classmethod
    def draw(cls, dim: int, seed: int = 0) -> ThreeBody:
        """Standard normal coefficients, the same on every machine. Raises DomainError below three dimensions."""
        if dim < 3:
            raise DomainError(f"a three-body function in {dim} dimensions has no triple; give dim of at least 3")
        generator = torch.Generator().manual_seed(seed)
        return cls(torch.randn(dim - 2, generator=generator, dtype=torch.float64))

    @property
    def dim(self) -> int:
        return len(self.coefficients) + 2

    def pieces(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
        """w, x . grad w, Lap w; temporary memory does not grow with d."""
        totals: list[Tensor] = [x.new_zeros(len(x)) for _ in range(3)]
        for c, p, q, r in self._triples(x):
            product = p * q * r
            bump = product.exp()
            totals[0] = totals[0] + bump @ c
            totals[1] = totals[1] + (3 * product * bump) @ c
            totals[2] = totals[2] + (((q * r) ** 2 + (p * r) ** 2 + (p * q) ** 2) * bump) @ c
        return totals[0], totals[1], totals[2]

    def gradient(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        p, q, r = x[:, :-2], x[:, 1:-1], x[:, 2:]
        bump = self.coefficients.to(x) * torch.exp(p * q * r)
        pad = torch.nn.functional.pad
        return pad(bump * q * r, (0, 2)) + pad(bump * p * r, (1, 1)) + pad(bump * p * q, (2, 0))

    def _triples(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        width = max(1, _CHUNK // max(1, len(x)))
        c = self.coefficients.to(x)
        for first in range(0, self.dim - 2, width):
            last = min(first + width, self.dim - 2)
            yield c[first:last], x[:, first:last], x[:, first + 1 : last + 1], x[:, first + 2 : last + 2]


def three_body(dim: int, seed: int = 0) -> OnBall:
    """u = (1 - |x|^2) w on the unit ball."""
    return OnBall(ThreeBody.draw(dim, seed))
