"""Tensor Decomposition Networks for Fast Machine Learning Interatomic Potential Computations (arXiv:2507.01131).

The tensor of all Clebsch-Gordan paths is replaced by a sum of R products of vectors, and all paths share one weight.
Kept: factors fitted to the exact tensor and then trained, ranks of the paper, path-weight sharing, channels as 'uvu'.
Changed: paths of the wrong parity are no part of the fitted tensor, so that reflections count; the fit is by
alternating least squares. Equivariance is approximate only: `equivariance_error` says how well, at any time.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.orders import repeated
from surrogates.equivariance.products.cp_fit import (
    assembled,
    cp_factors,
    equivariant_part,
    full_rank,
    largest_gain,
)
from surrogates.equivariance.products.paths import (
    Outputs,
    check_degrees,
    check_reached,
    irreps_text,
    paths_to,
    read_inputs,
    read_outputs,
)
from surrogates.physics.errors import DomainError

RANKS = ("quadratic", "linear", "log", "full")


class CPDecomposed(nn.Module):
    """out[k, c] = w[c] sum_r C[k, r] (sum_i A[i, r] x[i, c]) (sum_j B[j, r] Y[j]).

    Args:
        inputs: irreps of the features, or text such as "32x0e + 32x1o".
        l_max: highest degree of the harmonics.
        outputs: wanted irreps; those that no path reaches are left out.
        rank: a number, or one of the paper's rules with L the highest degree: "quadratic" 7 L^2, "linear" 7 L, "log"
            16 floor(ln(L + 1)^2), "full" for an exact product.
        frozen: keep the factors as fitted; else they are trained with the model, and the error of equivariance with
            them.

    Attributes: `outputs`, pairs (irrep, 1); `n_weights`, one a channel; `rank`.
    """

    def __init__(
        self,
        inputs: ChannelIrreps | str = "1x0e",
        l_max: int = 1,
        outputs: Outputs = "0e",
        rank: int | str = "quadratic",
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.l_max, wanted = read_inputs(inputs), l_max, read_outputs(outputs)
        check_degrees(self.inputs, l_max, wanted)
        self.arguments = dict(
            inputs=str(self.inputs), l_max=l_max, outputs=irreps_text(wanted), rank=rank, frozen=frozen
        )
        reached = tuple(irrep for irrep in wanted if paths_to(self.inputs, l_max, irrep))
        check_reached(self.inputs, wanted, reached)
        self.outputs = tuple((irrep, 1) for irrep in reached)
        self.n_weights = self.inputs.channels
        shape = (self.inputs.dim, (l_max + 1) ** 2, sum(2 * l + 1 for l, _ in reached))
        self.rank = _rank(rank, max(l_max, *(l for l, _ in (*self.inputs.irreps, *reached))), shape)
        self.spaces = (self.inputs.irreps, l_max, reached)
        factors = [factor.to(torch.get_default_dtype()) for factor in cp_factors(*self.spaces, self.rank)]
        self.a, self.b, self.c = (nn.Parameter(factor.clone(), requires_grad=not frozen) for factor in factors)

    @property
    def expressivity(self) -> int:
        """Dimension of the space of bilinear maps of one channel that the weights of an edge reach."""
        return 1

    @property
    def equivariance_error(self) -> float:
        """Root mean square of D m(x, y) - m(D x, D y) over rotations and reflections, relative to that of m(x, y).

        For features of unit covariance and harmonics of directions of any distribution that turns with D.
        """
        tensor, apart = self._parts()
        return float(math.sqrt(2) * apart.norm() / tensor.norm())

    @property
    def equivariance_bound(self) -> float:
        """|D m(x, y) - m(D x, D y)| <= bound |x| |y| for each channel, with unit weight, whatever D, x and y."""
        return 2 * largest_gain(self._parts()[1])

    def forward(
        self,
        x1: Float[Tensor, "edges components channels"],
        x2: Float[Tensor, "edges harmonics"],
        weights: Float[Tensor, "edges weights"],
    ) -> Float[Tensor, "edges rows channels"]:
        terms = repeated(self.a.T, x1) * (x2 @ self.b)[:, :, None]
        return repeated(self.c, terms) * weights[:, None, :]

    def extra_repr(self) -> str:
        return f"rank={self.rank}, equivariance_error={self.equivariance_error:.1e}"

    def _parts(self) -> tuple[Tensor, Tensor]:
        """The tensor of the factors, and what of it is not equivariant; float64."""
        factors = [factor.detach().double().cpu() for factor in (self.a, self.b, self.c)]
        tensor = assembled((factors[0], factors[1], factors[2]))
        return tensor, tensor - equivariant_part(tensor, *self.spaces)


def _rank(rank: int | str, largest: int, shape: tuple[int, int, int]) -> int:
    rules = {
        "quadratic": 7 * largest**2,
        "linear": 7 * largest,
        "log": 16 * int(math.log(largest + 1) ** 2),
        "full": full_rank(shape),
    }
    found = rules.get(rank, 0) if isinstance(rank, str) else rank
    if isinstance(rank, str) and rank in rules:
        found = max(found, 1)
    if found < 1:
        raise DomainError(f"rank={rank!r}: a whole number from 1 up, or one of {', '.join(RANKS)}")
    return min(found, full_rank(shape))
