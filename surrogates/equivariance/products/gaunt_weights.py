"""Which Clebsch-Gordan weights a product of functions on the sphere stands for.

Paper: Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor Products (arXiv:2401.10216):
Gaunt coefficients are Clebsch-Gordan coefficients times a number for each (l1, l2, l3).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.equivariance.products.clebsch_gordan import ClebschGordan
from surrogates.equivariance.products.gaunt import Gaunt
from surrogates.equivariance.products.grid import SphericalGrid
from surrogates.equivariance.products.sphere_functions import gaunt_ratio
from surrogates.physics.errors import DomainError


def gaunt_to_clebsch_gordan(
    product: Gaunt | SphericalGrid, full: ClebschGordan, weights: Float[Tensor, "edges weights"]
) -> Float[Tensor, "edges path_weights"]:
    """Weights with which the sum over all paths of `full` is `product` with `weights`: w1 w2 w3 times Gaunt numbers.

    There is no way back: the full product has more weights. Raises DomainError for products of different irreps.
    """
    functions, channels = product.functions, product.inputs.channels
    if product.inputs != full.inputs or product.l_max > full.l_max:
        raise DomainError(
            f"'{product.inputs}' with l_max={product.l_max} and '{full.inputs}' with l_max={full.l_max}: "
            "make both products with the same arguments"
        )
    w1, w2, w3 = weights.view(len(weights), sum(functions.counts), channels).split(functions.counts, dim=1)
    targets = {irrep: o for o, (irrep, _) in enumerate(product.outputs)}
    found = []
    for irrep, _ in full.outputs:
        for k, l2 in full.paths[irrep]:
            if (k, l2) in functions.paths.get(irrep, ()):
                o = targets[irrep]
                number = gaunt_ratio(full.inputs.irreps[k][0], l2, irrep[0]) * functions.scales[o]
                found.append(w1[:, k] * w2[:, l2] * w3[:, o] * number)
            else:
                found.append(torch.zeros_like(w1[:, 0]))
    return torch.cat(found, dim=1)
