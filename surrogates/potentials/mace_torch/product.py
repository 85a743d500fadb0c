"""Symmetric products of a mace-torch model: its coupling tensors as polynomials, its weights, in our order."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from surrogates.equivariance.irreps import Irrep
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.linear import blocks
from surrogates.potentials.mace_torch.stubs import Stub


def contractions(product: Stub) -> dict[Irrep, Stub]:
    """The contraction of each irrep that the product gives."""
    inner = product.module("symmetric_contractions")
    outs = [irrep for _, irrep in blocks(inner.get("irreps_out"))]
    return dict(zip(outs, inner.modules("contractions"), strict=True))


def weights(contraction: Stub, degree: int) -> Tensor:
    """Weights (elements, paths, channels) of one degree."""
    highest = int(contraction.number("correlation"))
    if degree == highest:
        return contraction.tensor("weights_max")
    found = contraction.module("weights").tensor(str(highest - 1 - degree))
    return found


def coefficients(contraction: Stub, degree: int, components: np.ndarray) -> np.ndarray:
    """Polynomials (paths, 2L + 1, monomials) of one degree; `components` are their rows of A for each of ours.

    A coupling tensor is contracted with equal factors, so only its symmetric part counts: the coefficient of a monomial
    is the sum over all orders of its factors.
    """
    tensor = contraction.tensor(f"U_matrix_{degree}").numpy()
    if tensor.ndim == degree + 1:
        tensor = tensor[None]
    if tensor.ndim != degree + 2 or len(set(tensor.shape[1:-1])) != 1:
        raise FileError("a coupling tensor of this model has an unknown shape; the file is damaged")
    for axis in range(1, degree + 1):
        tensor = tensor.take(components, axis=axis)
    n = len(components)
    index = {monomial: k for k, monomial in enumerate(combinations_with_replacement(range(n), degree))}
    every = np.indices((n,) * degree).reshape(degree, -1).T
    place = np.array([index[tuple(sorted(i))] for i in every.tolist()])
    rows = tensor.reshape(tensor.shape[0], n**degree, tensor.shape[-1]).transpose(2, 0, 1)
    found = np.zeros((*rows.shape[:2], len(index)))
    np.add.at(np.moveaxis(found, 2, 0), place, np.moveaxis(rows, 2, 0))
    return found


def born_in_float32(product: Stub) -> bool:
    """Whether the couplings are those of a network constructed in float32, whatever precision it has now."""
    for contraction in contractions(product).values():
        found = contraction.get("U_matrix_2", contraction.get("U_matrix_3"))
        if isinstance(found, Tensor) and found.numel() and float(found.abs().max()) > 0:
            return bool(torch.equal(found.double(), found.float().double()))
    return False
