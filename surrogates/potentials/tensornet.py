"""TensorNet: Cartesian Tensor Representations for Efficient Learning of Molecular Potentials (arXiv:2306.06482).

Kept: the embedding of pairs into matrices X = I + A + S (trace, antisymmetric, symmetric traceless), interaction layers
with matrix products, the readout of norms, the groups O(3) and SO(3).
Changed: X is kept as nine coefficients in an orthonormal basis of 3x3 matrices, so that its squared norm is their sum
of squares and a message is one product; an atom's message to itself, which the authors' program makes with a
self-edge of length zero, is added without an edge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import LARGEST, ElementIndex, atomic_numbers
from surrogates.blocks.mlp import MLP
from surrogates.blocks.radial import cosine_cutoff, exp_normal, exp_normal_parameters
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError

PARTS = (1, 3, 5)  # coefficients of I, A and S


class TensorNet(nn.Module):
    """Atomic energies from 3x3 matrices on atoms.

    Args:
        elements: symbols or atomic numbers; () for all.
        r_max: cutoff in Å.
        channels: matrices per atom. layers: interaction layers; 0 uses the embedding alone.
        n_radial: exponential-normal radial functions.
        group: "O(3)" keeps parity (mirror images have one energy, A holds polar vectors); "SO(3)" tells them apart.
    """

    def __init__(
        self,
        *,
        elements: Sequence[int | str] = (),
        r_max: float = 5.0,
        channels: int = 64,
        layers: int = 2,
        n_radial: int = 32,
        group: str = "O(3)",
    ) -> None:
        super().__init__()
        if group not in PRODUCTS:
            raise DomainError(f"group={group!r} is unknown; TensorNet has {' and '.join(PRODUCTS)}")
        if not (r_max > 0 and channels > 1 and layers >= 0 and n_radial > 1):
            raise DomainError(
                f"TensorNet got r_max={r_max}, channels={channels}, layers={layers}, n_radial={n_radial}; "
                "give r_max > 0, channels > 1, layers >= 0, n_radial > 1"
            )
        self.elements = atomic_numbers(elements)
        self.r_max = float(r_max)
        self.arguments = {
            "elements": list(self.elements),
            "r_max": self.r_max,
            "channels": channels,
            "layers": layers,
            "n_radial": n_radial,
            "group": group,
        }
        self.index = ElementIndex(self.elements or tuple(range(1, LARGEST + 1)))
        self.radial = _Radial(self.r_max, n_radial)
        self.embedding = _Embedding(len(self.elements) or LARGEST, channels, n_radial)
        self.layers = nn.ModuleList(_Interaction(channels, n_radial, PRODUCTS[group]) for _ in range(layers))
        self.norm = nn.LayerNorm(3 * channels)
        self.readout = nn.Sequential(MLP([3 * channels, channels, max(channels // 2, 1)]), nn.SiLU())
        self.last_layer = nn.Linear(max(channels // 2, 1), 1)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, of order one."""
        return self.last_layer(self.features(atoms)).squeeze(-1)

    def features(self, atoms: AtomsBatch) -> Float[Tensor, "atoms features"]:
        """What the energies are linear in, with the weights of `last_layer`: functions of |I|^2, |A|^2, |S|^2."""
        norms = torch.cat([part.square().sum(1) for part in self._state(atoms).split(PARTS, 1)], dim=1)
        return self.readout(self.norm(norms))

    def tensors(self, atoms: AtomsBatch) -> Float[Tensor, "atoms 3 3 channels"]:
        """The matrices X of each atom, X -> R X R^T under a rotation R; see `vectors` and `symmetric_tensors`."""
        return to_matrix(self._state(atoms))

    def _state(self, atoms: AtomsBatch) -> Tensor:
        vectors = atoms.vectors()
        r = vectors.norm(dim=1)
        radial, cutoff = self.radial(r), cosine_cutoff(r, self.r_max)[:, None, None]
        alone = self.radial(r.new_zeros(1))
        x = self.embedding(self.index(atoms.numbers), atoms.edges, vectors / r[:, None], radial, cutoff, alone)
        for layer in self.layers:
            x = layer(x, atoms.edges, radial, cutoff, alone)
        return x


def vectors(matrices: Float[Tensor, "atoms 3 3 channels"]) -> Float[Tensor, "atoms 3 channels"]:
    """The vector v of each antisymmetric part, A w = v x w; polar in the O(3) network, so a sum of them is a dipole."""
    x, y, z = (matrices[:, i, j] - matrices[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    return torch.stack([x, y, z], dim=1) / 2


def symmetric_tensors(matrices: Float[Tensor, "atoms 3 3 channels"]) -> Float[Tensor, "atoms 3 3 channels"]:
    """The symmetric traceless part S, a quadrupole or polarisability without its mean."""
    symmetric = (matrices + matrices.transpose(1, 2)) / 2
    trace = symmetric.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None] / 3
    return symmetric - trace * torch.eye(3, dtype=matrices.dtype, device=matrices.device)[None, :, :, None]


def anticommutator(y: Float[Tensor, "atoms 9 c"], m: Float[Tensor, "atoms 9 c"]) -> Float[Tensor, "atoms 9 c"]:
    """YM + MY, which keeps parity: even (I, S) and odd (A) parts multiply as signs do."""
    a, b = to_matrix(y), to_matrix(m)
    return to_coefficients(_matmul(a, b) + _matmul(b, a))


def twice(y: Float[Tensor, "atoms 9 c"], m: Float[Tensor, "atoms 9 c"]) -> Float[Tensor, "atoms 9 c"]:
    """2YM, whose antisymmetric part holds cross products: covariant under rotations only."""
    return to_coefficients(2 * _matmul(to_matrix(y), to_matrix(m)))


Product = Callable[[Tensor, Tensor], Tensor]
PRODUCTS: dict[str, Product] = {"O(3)": anticommutator, "SO(3)": twice}


def to_matrix(coefficients: Float[Tensor, "atoms 9 channels"]) -> Float[Tensor, "atoms 3 3 channels"]:
    """Nine coefficients (1 of I, 3 of A, 5 of S) -> matrices with the same norm."""
    n, _, channels = coefficients.shape
    return (_BASIS.to(coefficients).mT @ coefficients).view(n, 3, 3, channels)


def to_coefficients(matrices: Float[Tensor, "atoms 3 3 channels"]) -> Float[Tensor, "atoms 9 channels"]:
    """Matrices -> their coefficients in the orthonormal basis: X = I + A + S split into its parts."""
    return _BASIS.to(matrices) @ matrices.flatten(1, 2)


class _Radial(nn.Module):
    """exp(-beta_k (exp(-alpha r) - mu_k)^2) with alpha = 5 / r_max; not yet cut off."""

    means: Tensor
    betas: Tensor

    def __init__(self, r_max: float, n: int) -> None:
        super().__init__()
        self.alpha = 5.0 / r_max
        means, betas = exp_normal_parameters(r_max, n, self.alpha)
        self.register_buffer("means", means.to(torch.get_default_dtype()))
        self.register_buffer("betas", betas.to(torch.get_default_dtype()))

    def forward(self, r: Tensor) -> Tensor:
        return exp_normal(r, self.means, self.betas, self.alpha)


class _PartLinear(nn.Module):
    """Channels mixed with one weight for each of I, A and S, without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in PARTS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([mix(part) for mix, part in zip(self.mix, x.split(PARTS, 1), strict=True)], dim=1)


class _Embedding(nn.Module):
    """Sum over neighbours of the I, A and S of each bond, times radial functions and the embedding of both elements."""

    def __init__(self, n_elements: int, channels: int, n_radial: int) -> None:
        super().__init__()
        self.species = nn.Embedding(n_elements, channels)
        self.receiver = nn.Linear(channels, channels)  # with `sender`: one linear map of (z_i, z_j)
        self.sender = nn.Linear(channels, channels, bias=False)
        self.radial = nn.Linear(n_radial, 3 * channels)
        self.norm = nn.LayerNorm(channels)
        self.scalars = nn.Sequential(MLP([channels, 2 * channels, 3 * channels]), nn.SiLU())
        self.mix = _PartLinear(channels)

    def forward(
        self, species: Tensor, edges: Tensor, directions: Tensor, radial: Tensor, cutoff: Tensor, alone: Tensor
    ) -> Tensor:
        z = self.species(species)
        z_i, z_j = self.receiver(z), self.sender(z)
        i, j = edges
        pair = (z_i.index_select(0, i) + z_j.index_select(0, j))[:, None]
        weights = self.radial(radial).unflatten(1, (3, -1)) * (cutoff * pair)
        own = self.radial(alone).unflatten(1, (3, -1)) * (z_i + z_j)[:, None]  # a zero vector has an I, no A and no S
        x = nn.functional.pad(own[:, :1] * 3**0.5, (0, 0, 0, 8))
        x = x.index_add(0, i, _spread(weights) * _of_bonds(directions)[:, :, None])
        scalars = self.scalars(self.norm(x.square().sum(1))).unflatten(1, (3, -1))
        return self.mix(x) * _spread(scalars)


class _Interaction(nn.Module):
    """X -> X + dX + dX^2, dX from the product of an atom's matrices with its neighbours' weighted sum."""

    def __init__(self, channels: int, n_radial: int, product: Product) -> None:
        super().__init__()
        self.radial = nn.Sequential(MLP([n_radial, channels, 2 * channels, 3 * channels]), nn.SiLU())
        self.before, self.after = _PartLinear(channels), _PartLinear(channels)
        self.product = product

    def forward(self, x: Tensor, edges: Tensor, radial: Tensor, cutoff: Tensor, alone: Tensor) -> Tensor:
        x = _normalised(x)
        y = self.before(x)
        i, j = edges
        weights = self.radial(radial).unflatten(1, (3, -1)) * cutoff
        own = _spread(self.radial(alone).unflatten(1, (3, -1))) * y
        message = own.index_add(0, i, _spread(weights) * y.index_select(0, j))
        dx = self.after(_normalised(self.product(y, message)))
        square = to_matrix(dx)
        return x + dx + to_coefficients(_matmul(square, square))


def _normalised(x: Tensor) -> Tensor:
    """X / (|X|^2 + 1)."""
    return x / (x.square().sum(1, keepdim=True) + 1)


def _spread(weights: Tensor) -> Tensor:
    """One weight for each part -> one for each of its coefficients."""
    return torch.cat([w.expand(-1, n, -1) for w, n in zip(weights.split(1, 1), PARTS, strict=True)], dim=1)


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    """Products of (atoms, 3, 3, channels), channels last: three outer products, faster than batched 3x3 ones."""
    return sum((a[:, :, k, None] * b[:, None, k] for k in (1, 2)), a[:, :, 0, None] * b[:, None, 0])


def _of_bonds(u: Tensor) -> Tensor:
    """Coefficients of 1 + skew(u) + u u^T - 1/3, u unit vectors: (edges, 9)."""
    x, y, z = u.unbind(1)
    one, half, sixth = torch.full_like(x, 3**0.5), 0.5**0.5, 6**-0.5
    linear = [2**0.5 * x, 2**0.5 * y, 2**0.5 * z]
    square = [half * (x * x - y * y), sixth * (2 * z * z - x * x - y * y)]
    return torch.stack([one, *linear, *(2**0.5 * p for p in (x * y, y * z, x * z)), *square], dim=1)


def _orthonormal() -> Tensor:
    """(9, 9): orthonormal 3x3 matrices, flattened: the unit, three rotation generators, five symmetric traceless."""
    basis = torch.zeros(9, 3, 3, dtype=torch.float64)
    basis[0] = torch.eye(3, dtype=torch.float64) / 3**0.5
    for k, (i, j) in enumerate(((2, 1), (0, 2), (1, 0)), start=1):
        basis[k, i, j], basis[k, j, i] = 0.5**0.5, -(0.5**0.5)
    for k, (i, j) in enumerate(((0, 1), (1, 2), (0, 2)), start=4):
        basis[k, i, j] = basis[k, j, i] = 0.5**0.5
    basis[7] = torch.diag(basis.new_tensor([1.0, -1.0, 0.0])) / 2**0.5
    basis[8] = torch.diag(basis.new_tensor([-1.0, -1.0, 2.0])) / 6**0.5
    return basis.flatten(1)


_BASIS = _orthonormal()
