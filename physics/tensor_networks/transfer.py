"""Transfer matrices: what one stretch of a chain does to overlaps, and the correlation length it leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse.linalg as sla
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError

_DENSE = 1024  # numbers in an environment up to which the matrix is made


class TransferMatrix:
    """E = prod over a stretch of sites of sum_p conj(A_p) x B_p, applied to matrices (bra, ket) from either side.

    Args:
        tensors: (left, physical, right) of the ket. bra: of the bra, the same unless given. Raises DomainError for
            stretches of different lengths.
    """

    def __init__(self, tensors: Sequence[Tensor], bra: Sequence[Tensor] | None = None) -> None:
        kind = torch.promote_types(tensors[0].dtype, (bra or tensors)[0].dtype)
        self.ket = [t.to(kind) for t in tensors]
        self.bra = self.ket if bra is None else [t.to(kind) for t in bra]
        if len(self.ket) != len(self.bra):
            raise DomainError(f"{len(self.ket)} sites above {len(self.bra)}; give equal stretches")

    def from_left(self, x: Tensor) -> Tensor:
        """(bra, ket) left of the stretch -> right of it."""
        if x.is_complex() and not self.ket[0].is_complex():
            return torch.complex(self.from_left(x.real), self.from_left(x.imag))
        for a, b in zip(self.ket, self.bra, strict=True):
            x = torch.tensordot(b.conj(), torch.tensordot(x.to(a), a, dims=1), dims=([0, 1], [0, 1]))
        return x

    def from_right(self, x: Tensor) -> Tensor:
        """(bra, ket) right of the stretch -> left of it."""
        if x.is_complex() and not self.ket[0].is_complex():
            return torch.complex(self.from_right(x.real), self.from_right(x.imag))
        for a, b in zip(reversed(self.ket), reversed(self.bra), strict=True):
            x = torch.tensordot(b.conj(), torch.tensordot(a, x.to(a), dims=([2], [1])), dims=([1, 2], [1, 2]))
        return x

    def matrix(self) -> Tensor:
        """(bra ket left, bra ket right), for small bonds."""
        rows = self.bra[0].shape[0] * self.ket[0].shape[0]
        basis = torch.eye(rows, dtype=self.ket[0].dtype).view(rows, self.bra[0].shape[0], -1)
        return torch.stack([self.from_left(x).flatten() for x in basis])

    def spectrum(self, count: int = 2) -> Tensor:
        """The largest eigenvalues by modulus (count,) complex; both ends of the stretch need equal bonds."""
        shape = (self.bra[0].shape[0], self.ket[0].shape[0])
        if shape != (self.bra[-1].shape[2], self.ket[-1].shape[2]):
            raise DomainError(f"bonds {shape[1]} and {self.ket[-1].shape[2]} at the ends; eigenvalues need equal ones")
        size = shape[0] * shape[1]
        if size <= max(_DENSE, count + 2):
            values = torch.linalg.eigvals(self.matrix().cpu()).numpy()
        else:

            def step(x: np.ndarray) -> np.ndarray:
                given = torch.from_numpy(np.ascontiguousarray(x).reshape(shape)).to(torch.complex128)
                return self.from_left(given).flatten().numpy()

            start = np.random.default_rng(0).standard_normal(size) + 0j
            linear = sla.LinearOperator((size, size), matvec=step, dtype=complex)
            values = sla.eigs(linear, k=count, v0=start, return_eigenvectors=False)
        order = np.argsort(-np.abs(values))[:count]
        return torch.from_numpy(values[order].astype(complex))

    def correlation_length(self) -> float:
        """In sites: -n / log |second / first eigenvalue| for n sites; 0 for a product, inf for a broken symmetry."""
        first, *rest = self.spectrum(2).abs().tolist()
        ratio = rest[0] / first if rest else 0.0
        if ratio <= 1e-15:
            return 0.0
        return math.inf if ratio >= 1 - 1e-14 else -len(self.ket) / math.log(ratio)
