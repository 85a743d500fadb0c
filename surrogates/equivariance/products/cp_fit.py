"""The Clebsch-Gordan tensor of all paths, its canonical decomposition, and how equivariant a tensor is.

Paper: Tensor Decomposition Networks for Fast Machine Learning Interatomic Potential Computations (arXiv:2507.01131).
Its fit to random features and harmonics of random directions is the least-squares fit of the tensor, for both have unit
covariance; so it is made here by alternating least squares instead of gradient steps.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.products.paths import paths_to

Factors = tuple[Tensor, Tensor, Tensor]  # (components of features, harmonics, outputs) x rank

_SWEEPS = 300
_RIDGE = (1e-1, 1e-6)  # first and last, relative to the normal equations; the first ones avoid degenerate factors


@cache
def coupling_tensor(irreps: tuple[Irrep, ...], l_max: int, outputs: tuple[Irrep, ...]) -> Tensor:
    """Sum of all Clebsch-Gordan paths with equal weights, components of unit variance, (dim_in, harmonics, dim_out)."""
    paths = path_tensors(irreps, l_max, outputs)
    return torch.stack([path for group in paths for path in group]).sum(0)


@cache
def path_tensors(irreps: tuple[Irrep, ...], l_max: int, outputs: tuple[Irrep, ...]) -> tuple[tuple[Tensor, ...], ...]:
    """The paths to each output, each divided by the square root of their number; orthogonal to each other, float64."""
    inputs = ChannelIrreps(irreps, 1)
    starts = torch.tensor([0, *inputs.sizes]).cumsum(0).tolist()
    width = sum(2 * l + 1 for l, _ in outputs)
    found, column = [], 0
    for output in outputs:
        paths, rows = paths_to(inputs, l_max, output), slice(column, column + 2 * output[0] + 1)
        group = []
        for k, l2 in paths:
            tensor = torch.zeros(inputs.dim, (l_max + 1) ** 2, width, dtype=torch.float64)
            coupling = torch.from_numpy(wigner_3j(irreps[k][0], l2, output[0]))
            scaled = coupling * math.sqrt((2 * output[0] + 1) / len(paths))
            tensor[starts[k] : starts[k + 1], l2 * l2 : (l2 + 1) ** 2, rows] = scaled
            group.append(tensor)
        found.append(tuple(group))
        column = rows.stop
    return tuple(found)


@cache
def cp_factors(irreps: tuple[Irrep, ...], l_max: int, outputs: tuple[Irrep, ...], rank: int) -> Factors:
    """Factors A, B, C with sum_r A[i, r] B[j, r] C[k, r] close to `coupling_tensor`; float64, the same every time.

    From the product of the two smaller dimensions on it is exact: one term for each pair of their components.
    """
    target = coupling_tensor(irreps, l_max, outputs)
    return _exact(target, rank) if rank >= full_rank(tuple(target.shape)) else _alternating(target, rank)


def full_rank(shape: tuple[int, ...]) -> int:
    """The rank at which any tensor of this shape has an exact decomposition."""
    return math.prod(sorted(shape)[:2])


def assembled(factors: Factors) -> Float[Tensor, "d1 d2 d3"]:
    """sum_r A[i, r] B[j, r] C[k, r]."""
    return torch.einsum("ir,jr,kr->ijk", *factors)


def equivariant_part(
    tensor: Float[Tensor, "d1 d2 d3"], irreps: tuple[Irrep, ...], l_max: int, outputs: tuple[Irrep, ...]
) -> Float[Tensor, "d1 d2 d3"]:
    """The nearest equivariant tensor: the projection on all paths, which is the average over rotations, reflections."""
    nearest = torch.zeros_like(tensor)
    for group in path_tensors(irreps, l_max, outputs):
        for path in group:
            nearest = nearest + path * ((path * tensor).sum() / path.square().sum())
    return nearest


def largest_gain(tensor: Float[Tensor, "d1 d2 d3"]) -> float:
    """A number that |sum t[i, j, k] x_i y_j| / (|x| |y|) never exceeds: the smallest of the three unfoldings' norms."""
    unfoldings = [tensor.movedim(k, 0).flatten(1) for k in range(3)]
    return min(float(torch.linalg.matrix_norm(u @ u.T, 2).sqrt()) for u in unfoldings)


def _alternating(target: Tensor, rank: int) -> Factors:
    """Least squares for one factor at a time, with a ridge towards its last value that fades."""
    generator = torch.Generator().manual_seed(0)
    factors = [torch.randn(n, rank, dtype=target.dtype, generator=generator) * rank ** (-1 / 3) for n in target.shape]
    unfolded = [target.movedim(k, 0).flatten(1) for k in range(3)]
    identity, (first, last) = torch.eye(rank, dtype=target.dtype), _RIDGE
    for sweep in range(_SWEEPS):
        ridge = first * (last / first) ** (sweep / (_SWEEPS - 1))
        for k in range(3):
            a, b = (factors[j] for j in range(3) if j != k)
            normal = (a.T @ a) * (b.T @ b)
            weight = ridge * normal.diagonal().mean()
            seen = unfolded[k] @ (a[:, None] * b[None]).flatten(0, 1)
            factors[k] = torch.linalg.solve(normal + weight * identity, (seen + weight * factors[k]).T).T
        norms = [factor.norm(dim=0).clamp(min=1e-30) for factor in factors]
        mean = (norms[0] * norms[1] * norms[2]) ** (1 / 3)
        factors = [factor / norm * mean for factor, norm in zip(factors, norms, strict=True)]
    return factors[0], factors[1], factors[2]


def _exact(target: Tensor, rank: int) -> Factors:
    """One term for each pair of components of the two smaller dimensions; terms beyond those are zero."""
    first, second, last = sorted(range(3), key=lambda k: target.shape[k])
    n, m = target.shape[first], target.shape[second]
    eye = [torch.eye(n, dtype=target.dtype).repeat_interleave(m, dim=1), torch.eye(m, dtype=target.dtype).repeat(1, n)]
    rows = target.permute(last, first, second).flatten(1)
    found = {first: eye[0], second: eye[1], last: rows}
    padded = [torch.nn.functional.pad(found[k], (0, rank - n * m)) for k in range(3)]
    return padded[0], padded[1], padded[2]
