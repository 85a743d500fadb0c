"""Matrix product operators: a Hamiltonian's list of terms as a chain of small tensors.

Axes (left, right, out, in). The terms run through a finite-state automaton: state "ready" before a term begins, "done"
after its end, and one state between for each distinct beginning that is still open, so that terms which begin alike
share it. What is left over is compressed by SVD, which finds exponentially decaying couplings by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.terms import Hamiltonian

_SMALL = 1e-13
Strings = Sequence[tuple[complex, Mapping[int, np.ndarray]]]
"""Terms as a coefficient and one matrix a site."""


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

    def shifted(self, number: float) -> MPO:
        """The operator plus a number: spread over the sites where "ready" goes to "done", else a chain of its own."""
        count = len(self)
        ready, done = _ready(self.tensors), _done(self.tensors)
        if count > 1 and None not in ready and None not in done:
            found = list(self.tensors)
            for n, w in enumerate(found):
                found[n] = w.clone()
                found[n][ready[n], done[n]] += number / count * torch.eye(w.shape[2], dtype=w.dtype, device=w.device)
            return MPO(tuple(found))
        found = []
        for n, w in enumerate(self.tensors):
            one = torch.eye(w.shape[2], dtype=w.dtype, device=w.device)
            rows, columns = (1 if n == 0 else w.shape[0] + 1), (1 if n == count - 1 else w.shape[1] + 1)
            joined = torch.zeros(rows, columns, *w.shape[2:], dtype=w.dtype, device=w.device)
            joined[: w.shape[0], : w.shape[1]] += w
            joined[-1, -1] += one * (number if n == 0 else 1.0)
            found.append(joined)
        return MPO(tuple(found))

    def trimmed(self) -> MPO:
        """Without the channels that nothing enters or nothing leaves; one at least stays."""
        done = list(self.tensors)
        for n in range(len(done) - 1):
            used = done[n].flatten(2).abs().sum((0, 2)) > 0
            used[0] |= not used.any()
            done[n], done[n + 1] = done[n][:, used], done[n + 1][used]
        for n in range(len(done) - 1, 0, -1):
            used = done[n].flatten(1).abs().sum(1) > 0
            used[0] |= not used.any()
            done[n], done[n - 1] = done[n][used], done[n - 1][:, used]
        return MPO(tuple(w.contiguous() for w in done))

    def _norm(self) -> float:
        return float(abs(_inner(self, self)) ** 0.5)

    def _distance_to_adjoint(self) -> float:
        adjoint = MPO(tuple(w.transpose(2, 3).conj() for w in self.tensors))
        square = 2 * _inner(self, self).real - 2 * _inner(adjoint, self).real
        return float(max(square, 0.0) ** 0.5)


def _ready(tensors: tuple[Tensor, ...]) -> list[int | None]:
    """For each site the channel on its left before which nothing has acted."""
    found: list[int | None] = [0]
    for w in tensors[:-1]:
        a, one = found[-1], torch.eye(w.shape[2], dtype=w.dtype, device=w.device)
        alone = [c for c in range(w.shape[1]) if a is not None and _only(w[:, c], a, one)]
        found.append(alone[0] if alone else None)
    return found


def _done(tensors: tuple[Tensor, ...]) -> list[int | None]:
    """For each site the channel on its right behind which nothing acts."""
    found: list[int | None] = [0]
    for w in tensors[:0:-1]:
        c, one = found[-1], torch.eye(w.shape[2], dtype=w.dtype, device=w.device)
        alone = [a for a in range(w.shape[0]) if c is not None and _only(w[a], c, one)]
        found.append(alone[0] if alone else None)
    return found[::-1]


def _only(operators: Tensor, which: int, one: Tensor) -> bool:
    """Whether this operator is the identity and all others vanish."""
    return torch.equal(operators[which], one) and int((operators != 0).flatten(1).any(1).sum()) == 1


def _inner(a: MPO, b: MPO) -> complex:
    """tr(a^H b) / d^N, which does not overflow on long chains."""
    environment = torch.ones(1, 1, dtype=a.dtype, device=a.tensors[0].device)
    for x, y in zip(a.tensors, b.tensors, strict=True):
        environment = torch.einsum("ab,acop,bdop->cd", environment, x.conj(), y) / x.shape[2]
    return complex(environment[0, 0].item())


def mpo(model: Hamiltonian, *, tol: float | None = _SMALL) -> MPO:
    """The operator of a list of terms, compressed to relative weight tol^2; real where the model is real.

    tol=None leaves the automaton as it is, whose tensors repeat where the terms do.
    """
    tensors = [torch.from_numpy(w) for w in _automaton(model.strings(), model.length, model.dimension)]
    if model.real:
        tensors = [w.real.contiguous() for w in _rotated(tensors)]
    return _compressed(tensors, tol) if tol is not None else MPO(tuple(tensors)).trimmed()


def automaton(strings: Strings, length: int, d: int) -> MPO:
    """The operator of coefficients and matrices by site, not compressed; complex."""
    return MPO(tuple(torch.from_numpy(w).contiguous() for w in _automaton(strings, length, d))).trimmed()


def _automaton(strings: Strings, length: int, d: int) -> list[np.ndarray]:
    """Dense automaton tensors; states at each bond: 0 ready, 1 done, then the open beginnings."""
    strings = [(c, m) for c, m in strings if c != 0]
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
    """Open beginnings that depend on one another are merged: QR from the left, then SVD from the right, of the channels
    between "ready" and "done" alone, which stay the identity on what is before and behind them.

    Channels are operators of norm tr(O^H O) / d^n = 1, so nothing over- or underflows on long chains.
    """
    done, d = list(tensors), tensors[0].shape[2]
    for n in range(len(done) - 1):
        w = done[n]
        opened = w[:, 2:].permute(0, 2, 3, 1)
        q, r = torch.linalg.qr(opened.flatten(0, 2))
        q = q.reshape(*opened.shape[:3], q.shape[1]).permute(0, 3, 1, 2) * d**0.5
        done[n] = torch.cat([w[:, :2], q], dim=1)
        done[n + 1] = torch.cat([done[n + 1][:2], torch.tensordot(r / d**0.5, done[n + 1][2:], dims=1)])
    for n in range(len(done) - 1, 0, -1):
        w = done[n]
        u, s, v = torch.linalg.svd(w[2:].flatten(1), full_matrices=False)
        k = int((s > tol * s[:1]).sum())
        done[n] = torch.cat([w[:2], v[:k].reshape(k, *w.shape[1:]) * d**0.5])
        before = done[n - 1]
        turned = torch.einsum("abop,bk->akop", before[:, 2:], u[:, :k] * s[:k].to(u) / d**0.5)
        done[n - 1] = torch.cat([before[:, :2], turned], dim=1)
    if all(a.shape == b.shape for a, b in zip(done, tensors, strict=True)):
        done = list(tensors)  # with its zeros, where nothing was to be merged
    return MPO(tuple(done)).trimmed()
