"""Real spherical harmonics as homogeneous polynomials.

Convention of e3nn: Y_1 is (x, y, z), |Y_l(u)|^2 = 2l + 1 on the unit sphere ("component" normalisation).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import torch
from e3nn import o3
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.kernels.constant import Constant
from surrogates.kernels.native import usable
from surrogates.kernels.symmetric_contraction import Polynomials, symmetric_contraction

_NATIVE = 6  # degree above which compiling takes longer than it can save


class SphericalHarmonics(nn.Module):
    """Y_0 .. Y_l_max of unit vectors, (edges, (l_max + 1)^2).

    Native code evaluates their few terms edge by edge. Its eager twin: all monomials of (1, x, y, z) of degree l_max,
    l_max gathers, times a constant matrix.
    """

    factors: Tensor

    def __init__(self, l_max: int) -> None:
        super().__init__()
        self.table = Constant(_table(l_max))
        monomials = list(combinations_with_replacement(range(4), l_max))
        factors = torch.tensor(monomials, dtype=torch.long).reshape(len(monomials), l_max).T.contiguous()
        self.register_buffer("factors", factors, persistent=False)
        self.polynomials = _polynomials(l_max) if 0 < l_max <= _NATIVE else None

    def forward(self, unit: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges components"]:
        if len(self.factors) == 0:
            return torch.ones_like(unit[:, :1])
        return self._native(unit) if self.polynomials is not None and usable(unit) else self._eager(unit)

    def _native(self, unit: Tensor) -> Tensor:
        """The kernel of symmetric contractions, for which edges are atoms of one channel and one element."""
        assert self.polynomials is not None
        coefficients = self.polynomials.table.like(unit).sum(dim=1)[None, :, None]
        element = torch.zeros(len(unit), dtype=torch.long)
        found = symmetric_contraction(unit.T[:, :, None], coefficients, element, self.polynomials)
        return torch.cat([torch.ones_like(unit[:, :1]), found[:, :, 0].T], dim=1)

    def _eager(self, unit: Tensor) -> Tensor:
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


@cache
def _polynomials(l_max: int) -> Polynomials:
    """The same as polynomials in x, y, z of degree 1 to l_max, Y_1 first; Y_0 is 1 and is left out."""
    rows = {m: k for k, m in enumerate(combinations_with_replacement(range(4), l_max))}
    monomials = [list(combinations_with_replacement(range(3), n)) for n in range(1, l_max + 1)]
    coefficients = []
    for l in range(1, l_max + 1):
        at = [rows[(0,) * (l_max - l) + tuple(i + 1 for i in m)] for m in monomials[l - 1]]
        own = _table(l_max)[at, l * l : (l + 1) ** 2].T.numpy()[None]
        none = [np.zeros((0, 2 * l + 1, len(m))) for m in monomials]
        coefficients.append([np.where(np.abs(own) > 1e-10, own, 0.0) if n == l - 1 else none[n] for n in range(l_max)])
    return Polynomials(coefficients, [np.array(m).reshape(len(m), -1) for m in monomials])
