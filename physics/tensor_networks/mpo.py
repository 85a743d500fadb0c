"""Matrix product operators: a Hamiltonian's list of terms as a chain of small tensors.

Axes (left, right, out, in). The terms run through a finite-state automaton: state "ready" before a term begins, "done"
after its end, and one state between for each distinct beginning that is still open, so that terms which begin alike
share it. What is left over is compressed by SVD, which finds exponentially decaying couplings by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian

_SMALL = 1e-13


@dataclass(frozen=True)
class MPO:
    """Tensors (left, right, out, in); the outer bonds have size 1. float64 or complex128."""

    tensors: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def bonds(self) -> tuple[int, ...]:
        """Sizes of the bonds between sites."""
        return tuple(w.shape[1] for w in self.tensors[:-1])

    @property
    def dtype(self) -> torch.dtype:
        """float64 for a real operator, complex128 otherwise."""
        return self.tensors[0].dtype

    def to(self, *args: object) -> MPO:
        """Elsewhere, or in another precision."""
        return MPO(tuple(w.to(*args) for w in self.tensors))  # type: ignore[call-overload]

    def dense(self) -> Tensor:
        """The matrix, first site slowest, for short chains. Raises DomainError above 2^12 states."""
        size = int(np.prod([w.shape[2] for w in self.tensors]))
        if size > 2**12:
            raise DomainError(f"{len(self)} sites have {size} states, too many for a dense matrix")
        found = torch.ones(1, 1, 1, dtype=self.dtype)
        for w in self.tensors:
            found = torch.einsum("oib,bcpq->opiqc", found, w).flatten(0, 1).flatten(1, 2)
        return found[..., 0]

    def hermitian(self, tol: float = 1e-7) -> bool:
        """Whether it equals its adjoint, by the norm of the difference (known to 1e-8 of its own norm)."""
        return self._distance_to_adjoint() <= tol * max(1.0, self._norm())

    def _norm(self) -> float:
        return float(abs(_inner(self, self)) ** 0.5)

    def _distance_to_adjoint(self) -> float:
        adjoint = MPO(tuple(w.transpose(2, 3).conj() for w in self.tensors))
        square = 2 * _inner(self, self).real - 2 * _inner(adjoint, self).real
        return float(max(square, 0.0) ** 0.5)


def _inner(a: MPO, b: MPO) -> complex:
    """tr(a^H b) / d^N, which does not overflow on long chains."""
    environment = torch.ones(1, 1, dtype=a.dtype, device=a.tensors[0].device)
    for x, y in zip(a.tensors, b.tensors, strict=True):
        environment = torch.einsum("ab,acop,bdop->cd", environment, x.conj(), y) / x.shape[2]
    return complex(environment[0, 0].item())


def mpo(model: Hamiltonian, *, tol: float = _SMALL) -> MPO:
    """The operator of a list of terms, compressed to relative weight tol^2. Real where the model is real."""
    paths = _automaton(model)
    tensors = [torch.from_numpy(w) for w in paths]
    if model.real:
        tensors = [w.real.contiguous() for w in _rotated(tensors)]
    return _compressed(tensors, tol)


def _automaton(model: Hamiltonian) -> list[np.ndarray]:
    """Dense automaton tensors; states at each bond: 0 ready, 1 done, then the open beginnings."""
    length, d = model.length, model.dimension
    strings = [(c, m) for c, m in model.strings() if c != 0]
    keys: list[dict[object, int]] = [{"ready": 0, "done": 1} for _ in range(length + 1)]
    entries: list[dict[tuple[int, int], np.ndarray]] = [{} for _ in range(length)]
    one = np.eye(d, dtype=complex)

    def add(site: int, row: int, column: int, matrix: np.ndarray, *, once: bool) -> None:
        old = entries[site].get((row, column))
        if old is None:
            entries[site][row, column] = np.array(matrix, dtype=complex)
        elif not once:
            entries[site][row, column] = old + matrix

    for site in range(length):
        add(site, 0, 0, one, once=True)
        add(site, 1, 1, one, once=True)
    for coefficient, matrices in strings:
        sites = sorted(matrices)
        if not sites:  # a number times the identity
            add(0, 0, 1, coefficient * one, once=False)
            continue
        state, key = 0, tuple[tuple[int, bytes], ...]()
        for site in range(sites[0], sites[-1]):
            factor = matrices.get(site, one)
            key = (*key, (site, factor.tobytes()) if site in matrices else (site, b""))
            new = keys[site + 1].setdefault(key, len(keys[site + 1]))
            add(site, state, new, factor, once=True)
            state = new
        add(sites[-1], state, 1, coefficient * matrices[sites[-1]], once=False)
    found = []
    for site in range(length):
        w = np.zeros((len(keys[site]), len(keys[site + 1]), d, d), dtype=complex)
        for (row, column), matrix in entries[site].items():
            w[row, column] = matrix
        found.append(w)
    found[0], found[-1] = found[0][:1], found[-1][:, 1:2]
    return found


def _rotated(tensors: list[Tensor]) -> list[Tensor]:
    """Open beginnings with an imaginary operator carry a factor i into the next site, so that all tensors are real."""
    phase, found = torch.ones(1, dtype=torch.complex128), []
    for n, w in enumerate(tensors):
        w = w * phase[:, None, None, None]
        if n == len(tensors) - 1:
            found.append(w)
            break
        imaginary = (w.imag.abs().sum((0, 2, 3)) > 0) & (w.real.abs().sum((0, 2, 3)) == 0)
        phase = torch.where(imaginary, 1j, 1.0 + 0j)
        found.append(w / phase[None, :, None, None])
    return found


def _compressed(tensors: list[Tensor], tol: float) -> MPO:
    """QR from the left, then SVD from the right, scaled by norms on the way so that long chains do not overflow."""
    done, scale = list(tensors), 0.0
    for n in range(len(done) - 1):
        w = done[n].permute(0, 2, 3, 1)
        q, r = torch.linalg.qr(w.reshape(-1, w.shape[-1]))
        size = torch.linalg.vector_norm(r)
        size = torch.where(size > 0, size, torch.ones_like(size))
        scale += float(torch.log(size))
        done[n] = q.reshape(*w.shape[:3], -1).permute(0, 3, 1, 2)
        done[n + 1] = torch.tensordot(r / size, done[n + 1], dims=1)
    for n in range(len(done) - 1, 0, -1):
        w = done[n]
        u, s, v = torch.linalg.svd(w.flatten(1), full_matrices=False)
        k = max(1, int((s > tol * s[0]).sum()))
        done[n] = v[:k].reshape(k, *w.shape[1:])
        done[n - 1] = torch.einsum("abop,bk->akop", done[n - 1], u[:, :k] * s[:k].to(u))
    factor = float(np.exp(scale / len(done)))
    return MPO(tuple((w * factor).contiguous() for w in done))
