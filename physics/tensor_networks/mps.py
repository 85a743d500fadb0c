"""Matrix product states on an open chain: canonical forms, arithmetic, entanglement.

psi(s_1 ... s_N) = A_1[s_1] ... A_N[s_N] exp(log_norm), axes (left bond, physical, right bond). A state is a value:
operations return new ones. `center` is the site with isometries pointing at it from both sides, None where none is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice.sites import Site, spin
from surrogates.physics.tensor_networks.truncate import split

if TYPE_CHECKING:
    from surrogates.physics.tensor_networks.sampling import Samples

_HALF = spin()


@dataclass(frozen=True)
class MPS:
    """Tensors (left, physical, right), the outer bonds of size 1, on sites of one kind.

    Args:
        log_norm: the state is exp(log_norm) times the product of the tensors, so that long chains neither over- nor
            underflow. discarded: sum of the discarded weights of the truncations that made it; the sum of their square
            roots is `error_bound`, which bounds the distance to the untruncated state of norm one.
    """

    tensors: tuple[Tensor, ...]
    center: int | None = None
    log_norm: float = 0.0
    site: Site = _HALF
    discarded: float = 0.0
    error_bound: float = 0.0

    # making ----------------------------------------------------------------------------------------------------------

    @classmethod
    def product(cls, states: Sequence[Any], site: Site = _HALF, dtype: torch.dtype = torch.float64) -> MPS:
        """Each site in a state of its own: a name ("up"), a number, or a vector of amplitudes."""
        tensors = []
        for which in states:
            if isinstance(which, str | int):
                vector = torch.zeros(site.dimension, dtype=dtype)
                vector[site.state(which)] = 1
            else:
                vector = torch.as_tensor(which)
                vector = vector.to(torch.complex128 if vector.is_complex() else dtype)
                if vector.shape != (site.dimension,) or not torch.linalg.vector_norm(vector) > 0:
                    raise DomainError(f"a state of a {site.name} has {site.dimension} amplitudes, not all zero")
                vector = vector / torch.linalg.vector_norm(vector)
            tensors.append(vector.view(1, -1, 1))
        kind = torch.promote_types(dtype, torch.complex128 if any(t.is_complex() for t in tensors) else dtype)
        return cls(tuple(t.to(kind) for t in tensors), 0, site=site)

    @classmethod
    def neel(cls, length: int, site: Site = _HALF) -> MPS:
        """up, down, up, down, ...: the highest and the lowest state in turn."""
        return cls.product([0 if n % 2 == 0 else site.dimension - 1 for n in range(length)], site)

    @classmethod
    def random(
        cls, length: int, chi: int, *, seed: int = 0, site: Site = _HALF, dtype: torch.dtype = torch.float64
    ) -> MPS:
        """Gaussian tensors with bonds of at most chi, of norm one, centred on the first site."""
        generator, d = torch.Generator().manual_seed(seed), site.dimension
        bonds = [min(chi, d ** min(n, length - n, 60)) for n in range(length + 1)]
        tensors = [torch.randn(bonds[n], d, bonds[n + 1], generator=generator, dtype=dtype) for n in range(length)]
        return cls(tuple(tensors), None, site=site).canonical(0).normalized()

    @classmethod
    def from_vector(
        cls, psi: Tensor, site: Site = _HALF, *, chi_max: int | None = None, cutoff: float | int = 0.0
    ) -> MPS:
        """A state vector (d^N,), first site slowest, cut into an MPS."""
        length = round(math.log(psi.numel(), site.dimension))
        if site.dimension**length != psi.numel():
            raise DomainError(f"{psi.numel()} amplitudes are no power of {site.dimension}")
        rest, tensors, lost, bound = psi.reshape(1, -1), [], 0.0, 0.0
        for _ in range(length - 1):
            found = split(rest.reshape(rest.shape[0] * site.dimension, -1), chi_max=chi_max, cutoff=cutoff)
            tensors.append(found.left.reshape(rest.shape[0], site.dimension, -1))
            rest, lost, bound = found.right, lost + found.discarded, bound + found.discarded**0.5
        tensors.append(rest.reshape(rest.shape[0], site.dimension, 1))
        return cls(tuple(tensors), length - 1, site=site, discarded=lost, error_bound=bound)

    # looking ---------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.tensors)

    def __repr__(self) -> str:
        return f"MPS({len(self)} sites of {self.site.name}, chi {max(self.bonds, default=1)}, {self.dtype})"

    @property
    def bonds(self) -> tuple[int, ...]:
        """Sizes of the bonds between sites."""
        return tuple(t.shape[2] for t in self.tensors[:-1])

    @property
    def dtype(self) -> torch.dtype:
        """float64 or complex128."""
        return self.tensors[0].dtype

    def vector(self) -> Tensor:
        """All amplitudes (d^N,), for short chains. Raises DomainError above 2^24."""
        if self.site.dimension ** len(self) > 2**24:
            raise DomainError(f"{len(self)} sites have too many amplitudes for a vector; measure the MPS itself")
        found = self.tensors[0][0]  # (amplitudes so far, right bond)
        for t in self.tensors[1:]:
            found = torch.tensordot(found, t, dims=1).flatten(0, 1)
        return found.flatten() * math.exp(self.log_norm)

    def norm(self) -> float:
        """sqrt(<psi|psi>)."""
        return math.exp(self.log_inner(self).real / 2)

    def log_inner(self, other: MPS) -> complex:
        """log <self|other>, a complex number; -inf where they are orthogonal."""
        self._alike(other)
        kind = torch.promote_types(self.dtype, other.dtype)
        environment = torch.ones(1, 1, dtype=kind, device=self.tensors[0].device)
        scale = self.log_norm + other.log_norm
        for a, b in zip(self.tensors, other.tensors, strict=True):
            environment = torch.tensordot(environment, b.to(kind), dims=1)
            environment = torch.tensordot(a.to(kind).conj(), environment, dims=([0, 1], [0, 1]))
            size = float(environment.abs().max())
            if size == 0:
                return complex(-math.inf)
            environment, scale = environment / size, scale + math.log(size)
        value = complex(environment[0, 0].item())
        return (
            complex(scale + math.log(abs(value)), math.atan2(value.imag, value.real)) if value else complex(-math.inf)
        )

    def inner(self, other: MPS) -> complex:
        """<self|other>."""
        found = self.log_inner(other)
        return (
            complex(0)
            if found.real == -math.inf
            else math.exp(found.real) * complex(math.cos(found.imag), math.sin(found.imag))
        )

    def fidelity(self, other: MPS) -> float:
        """|<self|other>|^2 / (<self|self> <other|other>)."""
        return math.exp(2 * self.log_inner(other).real - self.log_inner(self).real - other.log_inner(other).real)

    # forms -----------------------------------------------------------------------------------------------------------

    def canonical(self, center: int) -> MPS:
        """The same state with its centre on this site: isometries from the left before it, from the right behind it."""
        if not 0 <= center < len(self):
            raise DomainError(f"site {center} is not on the chain of {len(self)}")
        tensors, scale = list(self.tensors), self.log_norm
        first = 0 if self.center is None else min(self.center, center)
        last = len(self) - 1 if self.center is None else max(self.center, center)
        for n in range(first, center):
            t = tensors[n]
            q, r = torch.linalg.qr(t.flatten(0, 1))
            size = _size(r)
            tensors[n], scale = q.reshape(*t.shape[:2], -1), scale + math.log(size)
            tensors[n + 1] = torch.tensordot(r / size, tensors[n + 1], dims=1)
        for n in range(last, center, -1):
            t = tensors[n]
            q, r = torch.linalg.qr(t.flatten(1).mT)
            size = _size(r)
            tensors[n], scale = q.mT.reshape(-1, *t.shape[1:]), scale + math.log(size)
            tensors[n - 1] = torch.tensordot(tensors[n - 1], r.mT / size, dims=1)
        return replace(self, tensors=tuple(tensors), center=center, log_norm=scale)

    def normalized(self) -> MPS:
        """Norm one, with the centre where it was (or on the first site)."""
        state = self if self.center is not None else self.canonical(0)
        assert state.center is not None
        t = state.tensors[state.center]
        size = torch.linalg.vector_norm(t)
        if not size > 0:
            raise DomainError("the state is zero and cannot be normalised")
        tensors = list(state.tensors)
        tensors[state.center] = t / size
        return replace(state, tensors=tuple(tensors), log_norm=0.0)

    def compress(self, *, chi_max: int | None = None, cutoff: float | int = 0.0) -> MPS:
        """Truncated bond by bond from the canonical form, right to left; what is cut is counted. Centre on site 0."""
        state = self.canonical(len(self) - 1)
        tensors, lost, bound = list(state.tensors), state.discarded, state.error_bound
        for n in range(len(self) - 1, 0, -1):
            t = tensors[n]
            found = split(t.flatten(1), chi_max=chi_max, cutoff=cutoff, absorb="left")
            tensors[n] = found.right.reshape(-1, *t.shape[1:])
            tensors[n - 1] = torch.tensordot(tensors[n - 1], found.left, dims=1)
            lost, bound = lost + found.discarded, bound + found.discarded**0.5
        return replace(state, tensors=tuple(tensors), center=0, discarded=lost, error_bound=bound)

    # arithmetic ------------------------------------------------------------------------------------------------------

    def __add__(self, other: MPS) -> MPS:
        """The sum of two states, with bonds that are sums; compress it."""
        self._alike(other)
        kind, last = torch.promote_types(self.dtype, other.dtype), len(self) - 1
        reference = max(self.log_norm, other.log_norm)
        tensors = []
        for n, (a, b) in enumerate(zip(self.tensors, other.tensors, strict=True)):
            a, b = a.to(kind), b.to(kind)
            if n == 0:
                a, b = a * math.exp(self.log_norm - reference), b * math.exp(other.log_norm - reference)
            rows = 1 if n == 0 else a.shape[0] + b.shape[0]
            columns = 1 if n == last else a.shape[2] + b.shape[2]
            joined = torch.zeros(rows, a.shape[1], columns, dtype=kind, device=a.device)
            joined[: a.shape[0], :, : a.shape[2]] = a
            if n in (0, last) and last == 0:
                joined = a + b
            else:
                joined[rows - b.shape[0] :, :, columns - b.shape[2] :] += b
            tensors.append(joined)
        lost, bound = self.discarded + other.discarded, self.error_bound + other.error_bound
        return MPS(tuple(tensors), None, reference, self.site, lost, bound)

    def __mul__(self, factor: complex | float | int) -> MPS:
        """A number times the state."""
        tensors, at = list(self.tensors), self.center or 0
        tensors[at] = tensors[at] * (factor.real if isinstance(factor, complex) and factor.imag == 0 else factor)
        kind = tensors[at].dtype
        return replace(self, tensors=tuple(t.to(kind) for t in tensors))

    __rmul__ = __mul__

    # entanglement ----------------------------------------------------------------------------------------------------

    def schmidt_values(self, bond: int) -> Tensor:
        """Descending, of norm one, between sites bond - 1 and bond (1 <= bond < N)."""
        if not 1 <= bond < len(self):
            raise DomainError(f"bond {bond} is none of 1 to {len(self) - 1}; bond b lies between sites b - 1 and b")
        s = torch.linalg.svdvals(self.canonical(bond).tensors[bond].flatten(1))
        return s / torch.linalg.vector_norm(s)

    def entanglement_entropy(self, bond: int, renyi: float | int = 1) -> float:
        """- sum p log p over p = s^2 of `schmidt_values`, natural logarithm; or Renyi's log(sum p^n) / (1 - n)."""
        p = self.schmidt_values(bond) ** 2
        p = p[p > 0]
        if renyi == 1:
            return float(-(p * p.log()).sum())
        return float((p**renyi).sum().log() / (1 - renyi))

    # measuring -------------------------------------------------------------------------------------------------------

    def expect(self, operator: str | Tensor, sites: Sequence[int] | None = None) -> Tensor:
        """<O> on each site or on those given, see `measure.expect`."""
        from surrogates.physics.tensor_networks.measure import expect

        return expect(self, operator, sites)

    def correlations(self, first: str | Tensor, second: str | Tensor) -> Tensor:
        """<A_i B_j> (N, N), see `measure.correlations`."""
        from surrogates.physics.tensor_networks.measure import correlations

        return correlations(self, first, second)

    def sample(self, shots: int, *, seed: int = 0) -> Samples:
        """Draws of basis states from |psi|^2, see `sampling.sample`."""
        from surrogates.physics.tensor_networks.sampling import sample

        return sample(self, shots, seed=seed)

    def save(self, path: str | Path) -> None:
        """To an HDF5 file, to the bit; see `files.load`."""
        from surrogates.physics.tensor_networks.files import save

        save(self, path)

    def _alike(self, other: MPS) -> None:
        if len(self) != len(other) or self.site.dimension != other.site.dimension:
            raise DomainError(
                f"{len(self)} sites of {self.site.name} and {len(other)} of {other.site.name} do not go together"
            )


def _size(r: Tensor) -> float:
    """The norm that is carried as a number; 1 for a state that is zero."""
    return float(torch.linalg.vector_norm(r.detach())) or 1.0
