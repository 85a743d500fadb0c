"""Real spherical harmonics as one product of monomials and a table.

Convention of e3nn: Y_1 is (x, y, z), |Y_l(u)|^2 = 2l + 1 on the unit sphere ("component" normalisation).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.kernels.constant import Constant


class SphericalHarmonics(nn.Module):
    """Y_0 .. Y_l_max of unit vectors, (edges, (l_max + 1)^2).

    Each Y_l is a homogeneous polynomial of degree l, so all of them are monomials of (1, x, y, z) of degree l_max times
    a constant matrix: l_max gathers and one matrix product, whatever l_max is.
    """

    factors: Tensor

    def __init__(self, l_max: int) -> None:
        super().__init__()
        self.table = Constant(_table(l_max))
        monomials = list(combinations_with_replacement(range(4), l_max))
        factors = torch.tensor(monomials, dtype=torch.long).reshape(len(monomials), l_max).T.contiguous()
        self.register_buffer("factors", factors, persistent=False)

    def forward(self, unit: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges components"]:
        if len(self.factors) == 0:
            return torch.ones_like(unit[:, :1])
        x = torch.cat([torch.ones_like(unit[:, :1]), unit], dim=1)
        monomials = x.index_select(1, self.factors[0])
        for factor in self.factors[1:]:
            monomials = monomials * x.index_select(1, factor)
        return monomials @ self.table.like(unit)


@cache
def _table(l_max: int) -> Tensor:
    """Coefficients (monomials, components) in float64, by least squares at random points, where the fit is exact."""
    generator = torch.Generator().manual_seed(0)
    columns = []
    monomials = list(combinations_with_replacement(range(4), l_max))
    for l in range(l_max + 1):
        rows = [k for k, m in enumerate(monomials) if sum(i > 0 for i in m) == l]
        points = torch.randn(4 * len(rows) + 4, 3, dtype=torch.float64, generator=generator)
        x = torch.cat([torch.ones_like(points[:, :1]), points], dim=1)
        powers = torch.stack([x[:, list(monomials[k])].prod(dim=1) for k in rows], dim=1)
        harmonics = o3.spherical_harmonics(l, points, normalize=False, normalization="component")
        column = torch.zeros(len(monomials), 2 * l + 1, dtype=torch.float64)
        column[rows] = torch.linalg.lstsq(powers, harmonics).solution
        columns.append(column)
    return torch.cat(columns, dim=1)
