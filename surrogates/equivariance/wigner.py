"""How components of irreps change under rotations and reflections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.equivariance.irreps import Irrep


def wigner_d(irreps: Sequence[Irrep], turn: Float[Tensor, "3 3"]) -> Float[Tensor, "dim dim"]:
    """D(turn) of a direct sum of irreps, for any orthogonal matrix `turn`, accurate to rounding.

    Y_l(turn u) = D_l(turn) Y_l(u) at enough directions u determines D_l; an irrep of the parity that harmonics do not
    have differs by the sign of det(turn).
    """
    l_max = max(l for l, _ in irreps)
    points = torch.randn(8 * (l_max + 1), 3, dtype=turn.dtype, generator=torch.Generator().manual_seed(0)).to(turn)
    unit = torch.nn.functional.normalize(points, dim=1)
    harmonics = SphericalHarmonics(l_max).to(turn.device)
    before, after = harmonics(unit), harmonics(unit @ turn.T)
    blocks = []
    for l, p in irreps:
        columns = slice(l * l, (l + 1) ** 2)
        block = torch.linalg.lstsq(before[:, columns], after[:, columns]).solution.T
        blocks.append(block if p == (-1) ** l else block * torch.linalg.det(turn))
    return torch.block_diag(*blocks)
