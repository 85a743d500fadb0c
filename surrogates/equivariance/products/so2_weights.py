"""Weights of the SO(2) product that make it a given sum of Clebsch-Gordan paths, and back.

Paper: Reducing SO(3) Convolutions to SO(2) for Efficient Equivariant GNNs (arXiv:2302.03655), section 3: in the frame
of the edge Y_l2 is sqrt(2 l2 + 1) at m = 0, so w[l3, l1, m] is a sum over l2 of w[l1 l2 l3] times constants.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import Irrep
from surrogates.equivariance.products.clebsch_gordan import ClebschGordan
from surrogates.equivariance.products.paths import naturalness
from surrogates.equivariance.products.so2 import SO2
from surrogates.physics.errors import DomainError


def so2_weights(
    product: SO2, full: ClebschGordan, weights: Float[Tensor, "edges weights"]
) -> Float[Tensor, "edges so2_weights"]:
    """Weights with which `product` is the sum over all paths of `full` with `weights`.

    Raises DomainError where `product` cuts |m| or misses an irrep, so that no weights can do it.
    """
    if product.inputs != full.inputs or any(output not in product.outputs for output, _ in _single(full)):
        raise DomainError(f"products of '{full.inputs}' and '{product.inputs}' with different outputs share no weights")
    if product.m_max is not None and product.m_max < _largest_order(full):
        raise DomainError(
            f"m_max={product.m_max} leaves out couplings that the full product has; use SO2 with m_max=None"
        )
    return _apply(weight_matrix(product, full), weights, product.inputs.channels)


def clebsch_gordan_weights(
    full: ClebschGordan, product: SO2, weights: Float[Tensor, "edges so2_weights"]
) -> Float[Tensor, "edges weights"]:
    """Weights with which the sum over all paths of `full` is `product` with `weights`.

    Raises DomainError unless `full` has all harmonics up to l1 + l3: with fewer there is no such sum.
    """
    matrix = weight_matrix(product, full)
    needed = max(l1 + l3 for l1, _ in product.inputs.irreps for (l3, _), _ in product.outputs)
    if product.inputs != full.inputs or matrix.shape[0] != matrix.shape[1]:
        raise DomainError(
            f"{matrix.shape[0]} SO(2) weights, {matrix.shape[1]} Clebsch-Gordan paths with l_max={full.l_max}: the "
            f"mapping is one to one for equal inputs and outputs, l_max={needed} and m_max=None"
        )
    return _apply(torch.linalg.inv(matrix), weights, product.inputs.channels)


def weight_matrix(product: SO2, full: ClebschGordan) -> Float[Tensor, "terms paths"]:
    """SO(2) weights per Clebsch-Gordan weight, the same for all channels; float64."""
    column, found = 0, []
    place = {irrep: o for o, (irrep, _) in enumerate(product.outputs)}
    row = {term: i for i, term in enumerate(product.terms)}
    for irrep, _ in full.outputs:
        for k, l2 in full.paths[irrep]:
            values = _orders(full.inputs.irreps[k], l2, irrep)
            o = place.get(irrep, -1)
            found += [
                (row[o, k, m], column, value / product.scales[o]) for m, value in values.items() if (o, k, m) in row
            ]
            column += 1
    matrix = torch.zeros(len(row), column, dtype=torch.float64)
    for i, j, value in found:
        matrix[i, j] = value
    return matrix


def _orders(block: Irrep, l2: int, output: Irrep) -> dict[int, float]:
    """What a path with unit weight does at each |m|: x_m -> out_m, or x_-m -> out_m between different parities."""
    (l1, _), (l3, _) = block, output
    coupling = wigner_3j(l1, l2, l3)[:, l2] * math.sqrt((2 * l3 + 1) * (2 * l2 + 1))
    sign = 1 if naturalness(block) == naturalness(output) else -1
    return {m: float(coupling[l1 + sign * m, l3 + m]) for m in range(min(l1, l3) + 1)}


def _largest_order(full: ClebschGordan) -> int:
    return min(max(l for l, _ in full.inputs.irreps), max(l for (l, _), _ in full.outputs))


def _single(full: ClebschGordan) -> list[tuple[tuple[Irrep, int], int]]:
    return [((irrep, 1), n) for irrep, n in full.outputs]


def _apply(matrix: Tensor, weights: Tensor, channels: int) -> Tensor:
    per_path = weights.view(len(weights), -1, channels)
    return torch.einsum("tp,epc->etc", matrix.to(weights), per_path).flatten(1)
