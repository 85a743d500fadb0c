"""Radial functions of every edge as a part: a basis of (transformed) distances, and a polynomial cutoff.

Papers: Directional Message Passing for Molecular Graphs (arXiv:2003.03123), eq. 7 and 8, Bessel functions and cutoff;
SchNet (arXiv:1706.08566), eq. 4, Gaussians.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.blocks.radial import bessel, polynomial_cutoff


class RadialEmbedding(nn.Module):
    """basis(t) f(r) of each edge, t = r or a transform of it, f the polynomial cutoff of the distance itself.

    Args:
        basis: distances -> (edges, n). r_max: cutoff in Å. cutoff_p: exponent of the polynomial cutoff.
        transform: (r, z_i, z_j) -> t; r itself unless given.
        cut: multiply by the cutoff; else `forward` gives both apart.
    """

    def __init__(
        self,
        basis: nn.Module,
        *,
        r_max: float | int,
        cutoff_p: int = 5,
        transform: nn.Module | None = None,
        cut: bool = True,
    ) -> None:
        super().__init__()
        self.arguments = dict(basis=basis, r_max=r_max, cutoff_p=cutoff_p, transform=transform, cut=cut)
        self.basis, self.transform = basis, transform
        self.r_max, self.cutoff_p, self.cut = float(r_max), cutoff_p, cut

    def forward(
        self, r: Float[Tensor, "edges"], z_i: Int[Tensor, "edges"], z_j: Int[Tensor, "edges"]
    ) -> tuple[Float[Tensor, "edges n"], Float[Tensor, "edges 1"] | None]:
        """Radial functions, and the cutoff where they do not have it."""
        cutoff = polynomial_cutoff(r, self.r_max, self.cutoff_p)[:, None]
        radial = self.basis(r if self.transform is None else self.transform(r, z_i, z_j))
        return (radial * cutoff, None) if self.cut else (radial, cutoff)


class Bessel(nn.Module):
    """sqrt(2/r_max) sin(k pi r / r_max) / r, k = 1..n, from exact numbers. r_max in Å."""

    def __init__(self, r_max: float | int, n: int = 8) -> None:
        super().__init__()
        self.arguments = {"r_max": r_max, "n": n}
        self.r_max, self.n = float(r_max), n

    def forward(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges n"]:
        return bessel(r, self.r_max, self.n)


class StoredBessel(nn.Module):
    """prefactor sin(w_k t) / t with wave numbers that are stored: trained ones, or rounded ones of an older model."""

    prefactor: Tensor
    wave_numbers: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.arguments = {"n": n}
        self.register_buffer("prefactor", torch.ones(()))
        self.register_buffer("wave_numbers", torch.arange(1.0, n + 1))

    def forward(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges n"]:
        return self.prefactor * torch.sin(r[:, None] * self.wave_numbers) / r[:, None]


class Gaussians(nn.Module):
    """exp(-(t - mu_k)^2 / (2 spacing^2)), n means mu_k spread evenly from 0 to r_max (Å)."""

    means: Tensor

    def __init__(self, r_max: float | int, n: int) -> None:
        super().__init__()
        self.arguments = {"r_max": r_max, "n": n}
        self.exponent = -0.5 / (r_max / (n - 1)) ** 2
        self.register_buffer("means", torch.linspace(0.0, float(r_max), n))

    def forward(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges n"]:
        return torch.exp(self.exponent * (r[:, None] - self.means) ** 2)


class Chebyshev(nn.Module):
    """Chebyshev polynomials T_1 .. T_n of t as it is (not scaled to [-1, 1]), by their recursion; differentiable."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.arguments = {"n": n}
        self.n = n

    def forward(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges n"]:
        found = [torch.ones_like(r), r]
        while len(found) <= self.n:
            found.append(2 * r * found[-1] - found[-2])
        return torch.stack(found[1 : self.n + 1], dim=1)
