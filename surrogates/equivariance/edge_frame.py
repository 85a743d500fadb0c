"""Rotations into frames whose polar axis is an edge, differentiable at every direction and to every order.

The turn about the edge (roll) is arbitrary, so no smooth choice of frame exists on the whole sphere: angles, or any
other coordinates, have infinite derivatives somewhere. But what is computed through a frame must not depend on its
roll, and then only the derivative along the shortest turn counts: dD = (w . L) D with w = u x du and constant L. That
rule is finite everywhere; applied to itself it gives the higher derivatives of whatever is independent of the roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.equivariance.wigner_zjz import generators, tilt_table
from surrogates.kernels.constant import Constant


class EdgeFrame(nn.Module):
    """D_l(R) with u = R e_y for l = 0..l_max, each (edges, 2l + 1, 2 min(l, m_max) + 1): columns |m| <= m_max only.

    D^T x are the components of x in the edge's frame, D x' turns them back. Derivatives by u are right for results that
    do not depend on the roll, and only for those.

    Args:
        l_max: highest degree.
        m_max: highest |m| of the columns, l_max unless given.
    """

    def __init__(self, l_max: int, m_max: int | None = None) -> None:
        super().__init__()
        self.l_max = l_max
        self.columns = [min(l, l_max if m_max is None else m_max) for l in range(l_max + 1)]
        self.tilts = [Constant(_padded(tilt_table(l, n), l_max)) for l, n in enumerate(self.columns)]
        self.generators = [Constant(generators(l).reshape(3, -1).T) for l in range(l_max + 1)]

    def forward(
        self, unit: Float[Tensor, "edges 3"], roll: Float[Tensor, "edges"] | None = None
    ) -> tuple[Float[Tensor, "edges _ _"], ...]:
        """`roll` turns the frames about their edges, in radians; results of models must not notice."""
        return _Frames.apply(unit, roll, self)  # type: ignore[no-any-return, no-untyped-call]


class _Frames(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(unit: Tensor, roll: Tensor | None, frame: EdgeFrame) -> tuple[Tensor, ...]:
        return tuple(_matrices(unit, roll, frame))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.frame = inputs[2]
        ctx.save_for_backward(inputs[0], *output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        unit, *matrices = ctx.saved_tensors
        torque = torch.zeros_like(unit)
        for l in range(1, len(matrices)):  # df = sum (w . L D) * grad = w . torque
            turned = torch.bmm(grads[l], matrices[l].transpose(1, 2)).reshape(len(unit), (2 * l + 1) ** 2)
            torque = torque + turned @ ctx.frame.generators[l].like(unit)
        return torch.linalg.cross(torque, unit), None, None


def _matrices(unit: Tensor, roll: Tensor | None, frame: EdgeFrame) -> list[Tensor]:
    """X(azimuth) J X(polar angle) J, and X(roll) where given; from cosines and sines, so no angle is taken."""
    x, y, z = unit.unbind(1)
    rho = torch.sqrt(x * x + z * z)
    pole = rho == 0
    safe = torch.where(pole, 1.0, rho)
    turn = _multiples(torch.where(pole, 1.0, z / safe), x / safe, frame.l_max)
    polar = torch.cat(_multiples(y, rho, frame.l_max), dim=1)
    found = []
    for l, (tilt, n) in enumerate(zip(frame.tilts, frame.columns, strict=True)):
        tilted = (polar @ tilt.like(unit).flatten(1)).view(len(unit), 2 * l + 1, 2 * n + 1)
        matrix = _turned(tilted, turn)
        if roll is not None:
            spin = _multiples(torch.cos(roll), -torch.sin(roll), frame.l_max)
            matrix = _turned(matrix.transpose(1, 2), spin).transpose(1, 2)
        found.append(matrix.contiguous())
    return found


def _multiples(cosine: Tensor, sine: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """cos(m a) for m = 0..n and sin(m a) for m = 1..n, side by side, by repeated turns."""
    cosines, sines = [torch.ones_like(cosine)], [torch.zeros_like(sine)]
    for _ in range(n):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * cosine - s * sine)
        sines.append(s * cosine + c * sine)
    return torch.stack(cosines, dim=1), torch.stack(sines[1:], dim=1) if n else cosine[:, None][:, :0]


def _turned(matrix: Tensor, multiples: Sequence[Tensor]) -> Tensor:
    """X(a) @ matrix for rows m = -n..n: row -m is cos(m a) row -m + sin(m a) row m."""
    n = matrix.shape[1] // 2
    if n == 0:
        return matrix
    cosines, sines = multiples[0][:, : n + 1], multiples[1][:, :n]
    even = torch.cat([cosines[:, 1:].flip(1), cosines], dim=1)
    odd = torch.cat([sines.flip(1), torch.zeros_like(sines[:, :1]), -sines], dim=1)
    return even[:, :, None] * matrix + odd[:, :, None] * matrix.flip(1)


def _padded(table: Tensor, l_max: int) -> Tensor:
    """Rows of `tilt_table` at the places of the multiples up to l_max: cosines 0..l_max, then sines 1..l_max."""
    l = len(table) // 2
    full = table.new_zeros(2 * l_max + 1, *table.shape[1:])
    full[: l + 1] = table[: l + 1]
    full[l_max + 1 : l_max + 1 + l] = table[l + 1 :]
    return full
