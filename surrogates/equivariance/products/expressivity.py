"""What a product can express, measured: how many bilinear maps its weights reach, and which degrees it lets interact.

Paper: The Price of Freedom: Exploring Expressivity and Runtime Tradeoffs in Equivariant Tensor Products
(arXiv:2506.13523), section 3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import Irrep
from surrogates.equivariance.products.paths import LARGEST_L
from surrogates.equivariance.products.signature import Product
from surrogates.equivariance.wigner_zjz import exact_harmonics

Triple = tuple[int, int, int]


def expressivity(product: Product) -> int:
    """Dimension of the set of equivariant bilinear maps of one channel that the weights of an edge reach.

    It is the rank of the derivative of the map by the weights, at random weights. Paths to the same output irrep that
    have rows of their own count by themselves, as they do in a model that mixes them afterwards. Each product states
    the same number in closed form as its `expressivity`.
    """
    weights, n = _weights(product), _directions(2 * (product.l_max + 1) ** 2 + 8)
    base, channels = _map(product, weights, n), product.inputs.channels
    own = weights.view(-1, channels)
    columns = []
    for i in range(len(own)):
        moved = own.clone()
        moved[i, 0] += 1  # every product is linear in each single weight, so the difference is exact
        columns.append((_map(product, moved.flatten(), n) - base)[..., 0].flatten())
    values = torch.linalg.svdvals(torch.stack(columns))
    return int((values > 1e-9 * values[0]).sum())


def interactions(product: Product) -> set[Triple]:
    """The (l1 of features, l2 of harmonics, l3) that interact at random weights, irreps of equal degree merged.

    The map of features is a function of the direction; its harmonics tell l2, which may be larger than `l_max`.
    """
    highest = min(max(l for l, _ in product.inputs.irreps) + max(l for (l, _), _ in product.outputs), LARGEST_L)
    directions = _directions(2 * (highest + 1) ** 2 + 8)
    values = _map(product, _weights(product), directions)[..., 0]
    tensor = torch.linalg.lstsq(exact_harmonics(highest, directions), values.flatten(1)).solution
    tensor = tensor.view(-1, *values.shape[1:])
    starts = torch.tensor([0, *product.inputs.sizes]).cumsum(0).tolist()
    found, threshold = set(), 1e-9 * float(tensor.abs().max())
    for k, (l1, _) in enumerate(product.inputs.irreps):
        for l2 in range(highest + 1):
            part = tensor[l2 * l2 : (l2 + 1) ** 2, starts[k] : starts[k + 1]]
            found |= {(l1, l2, l3) for (l3, _), rows in _rows(product) if part[:, :, rows].abs().max() > threshold}
    return found


def allowed(l_in: int, l_max: int, l_out: int, *, even: bool = False) -> set[Triple]:
    """Triples that the selection rules allow, of even l1 + l2 + l3 only where asked."""
    return {
        (l1, l2, l3)
        for l1 in range(l_in + 1)
        for l2 in range(l_max + 1)
        for l3 in range(abs(l1 - l2), min(l1 + l2, l_out) + 1)
        if not (even and (l1 + l2 + l3) % 2)
    }


def matrix_couplings() -> dict[Triple, float]:
    """What the product of 3 x 3 matrices, as in TensorNet, does to parts of degree 0, 1, 2, as multiples of paths.

    Matrices are scalar, antisymmetric and traceless symmetric parts; X Y has every path up to degree 2, odd ones too,
    with fixed numbers: weights scale parts before and after only.
    """
    basis = [part / part.norm(dim=(1, 2), keepdim=True) for part in _matrix_parts()]
    found = {}
    for l1, l2, l3 in sorted(allowed(2, 2, 2)):
        product = torch.einsum("iab,jbc,kac->ijk", basis[l1], basis[l2], basis[l3])
        found[l1, l2, l3] = float((product * torch.from_numpy(wigner_3j(l1, l2, l3))).sum())
    return found


def _matrix_parts() -> list[Float[Tensor, "components 3 3"]]:
    """Matrices that transform like the harmonics of degree 0, 1, 2, by coupling two vectors."""
    return [torch.from_numpy(wigner_3j(1, 1, l).transpose(2, 0, 1).copy()) for l in range(3)]


def _map(product: Product, weights: Tensor, directions: Tensor) -> Tensor:
    """The linear maps of features at some directions, (directions, components in, rows, channels)."""
    dim, channels = product.inputs.dim, product.inputs.channels
    n = len(directions)
    x = torch.eye(dim, dtype=torch.float64)[None, :, :, None].expand(n, dim, dim, channels).flatten(0, 1)
    y = exact_harmonics(product.l_max, directions).repeat_interleave(dim, dim=0)
    out = product(x, y, weights.expand(n * dim, -1))
    return out.detach().view(n, dim, *out.shape[1:])


def _weights(product: Product) -> Tensor:
    return torch.randn(product.n_weights, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _directions(n: int) -> Tensor:
    points = torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(points, dim=1)


def _rows(product: Product) -> list[tuple[Irrep, slice]]:
    found, row = [], 0
    for irrep, n in product.outputs:
        found.append((irrep, slice(row, row + (2 * irrep[0] + 1) * n)))
        row += (2 * irrep[0] + 1) * n
    return found
