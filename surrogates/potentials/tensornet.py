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

from surrogates.blocks.bilinear_sum import BilinearSum
from surrogates.blocks.elements import LARGEST, ElementIndex, atomic_numbers
from surrogates.blocks.low_rank import LowRank
from surrogates.blocks.mlp import MLP
from surrogates.blocks.radial import cosine_cutoff, exp_normal, exp_normal_parameters
from surrogates.datasets.batch import AtomsBatch
from surrogates.kernels.constant import Constant
from surrogates.kernels.edge_code import EdgeCode, PathCode
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
        norms = torch.cat([part.square().sum(0) for part in self._state(atoms).split(PARTS)], dim=1)
        return self.readout(self.norm(norms))

    def tensors(self, atoms: AtomsBatch) -> Float[Tensor, "atoms 3 3 channels"]:
        """The matrices X of each atom, X -> R X R^T under a rotation R; see `vectors` and `symmetric_tensors`."""
        return to_matrix(self._state(atoms)).permute(2, 0, 1, 3)

    def _state(self, atoms: AtomsBatch) -> Tensor:
        vectors = atoms.vectors()
        r = vectors.norm(dim=1)
        radial, cutoff = self.radial(r), cosine_cutoff(r, self.r_max)[:, None]
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


def anticommutator(y: Float[Tensor, "9 atoms c"], m: Float[Tensor, "9 atoms c"]) -> Float[Tensor, "9 atoms c"]:
    """YM + MY, which keeps parity: even (I, S) and odd (A) parts multiply as signs do."""
    a, b = to_matrix(y), to_matrix(m)
    return to_coefficients(_matmul(a, b) + _matmul(b, a))


def twice(y: Float[Tensor, "9 atoms c"], m: Float[Tensor, "9 atoms c"]) -> Float[Tensor, "9 atoms c"]:
    """2YM, whose antisymmetric part holds cross products: covariant under rotations only."""
    return to_coefficients(2 * _matmul(to_matrix(y), to_matrix(m)))


Product = Callable[[Tensor, Tensor], Tensor]
PRODUCTS: dict[str, Product] = {"O(3)": anticommutator, "SO(3)": twice}


def to_matrix(coefficients: Float[Tensor, "9 atoms channels"]) -> Float[Tensor, "3 3 atoms channels"]:
    """Nine coefficients (1 of I, 3 of A, 5 of S) -> matrices with the same norm."""
    return (_BASIS.like(coefficients).mT @ coefficients.flatten(1)).view(3, 3, *coefficients.shape[1:])


def to_coefficients(matrices: Float[Tensor, "3 3 atoms channels"]) -> Float[Tensor, "9 atoms channels"]:
    """Matrices -> their coefficients in the orthonormal basis: X = I + A + S split into its parts."""
    return (_BASIS.like(matrices) @ matrices.flatten(2).flatten(0, 1)).view(9, *matrices.shape[2:])


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
        return torch.cat([mix(part) for mix, part in zip(self.mix, x.split(PARTS), strict=True)])


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
        self.bonds = BilinearSum(*_bond_code())

    def forward(
        self, species: Tensor, edges: Tensor, directions: Tensor, radial: Tensor, cutoff: Tensor, alone: Tensor
    ) -> Tensor:
        z = self.species(species)
        z_i, z_j = self.receiver(z), self.sender(z)
        weights = LowRank(  # the radial map and its bias, times the cutoff
            torch.cat([radial * cutoff, cutoff], dim=1), torch.cat([self.radial.weight.T, self.radial.bias[None]])
        )
        h = torch.stack([z_j, torch.ones_like(z_j)])
        of_parts = [
            block.unflatten(0, (2, -1)) for block in self.bonds(h, _of_bonds(directions), weights, edges)
        ]  # sums over neighbours with z_j and without it
        x = torch.cat([with_z + z_i * plain for with_z, plain in of_parts])
        own = self.radial(alone)[0, : z.shape[1]] * (z_i + z_j)  # a zero vector has an I, no A and no S
        x = x + nn.functional.pad(own[None] * 3**0.5, (0, 0, 0, 0, 0, 8))
        scalars = self.scalars(self.norm(x.square().sum(0))).unflatten(1, (3, -1)).transpose(0, 1)
        return self.mix(x) * _spread(scalars)


class _Interaction(nn.Module):
    """X -> X + dX + dX^2, dX from the product of an atom's matrices with its neighbours' weighted sum."""

    def __init__(self, channels: int, n_radial: int, product: Product) -> None:
        super().__init__()
        self.radial = nn.Sequential(MLP([n_radial, channels, 2 * channels, 3 * channels]), nn.SiLU())
        self.before, self.after = _PartLinear(channels), _PartLinear(channels)
        self.product = product
        self.neighbors = BilinearSum(*_part_code())

    def forward(self, x: Tensor, edges: Tensor, radial: Tensor, cutoff: Tensor, alone: Tensor) -> Tensor:
        x = _normalised(x)
        y = self.before(x)
        weights = self.radial(radial) * cutoff
        own = _spread(self.radial(alone).view(3, 1, -1)) * y
        message = own + torch.cat(self.neighbors(y, torch.ones_like(cutoff), weights, edges))
        dx = self.after(_normalised(self.product(y, message)))
        square = to_matrix(dx)
        return x + dx + to_coefficients(_matmul(square, square))


def _normalised(x: Tensor) -> Tensor:
    """X / (|X|^2 + 1)."""
    return x / (x.square().sum(0) + 1)


def _spread(weights: Tensor) -> Tensor:
    """One weight for each part -> one for each of its coefficients, along the first axis."""
    return torch.cat([w.expand(n, *w.shape[1:]) for w, n in zip(weights.split(1), PARTS, strict=True)])


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    """Products of (3, 3, atoms, channels): three outer products, faster than batched 3x3 ones."""
    return sum((a[:, k, None] * b[None, k] for k in (1, 2)), a[:, 0, None] * b[None, 0])


def _part_code() -> tuple[EdgeCode, list[float]]:
    """Each part of a neighbour's matrices times its own weight."""
    first = (0, 1, 4)
    paths = [
        PathCode(first[k], n, k, 0, n, tuple((row, row, ((0, 0),)) for row in range(n))) for k, n in enumerate(PARTS)
    ]
    return EdgeCode(tuple(paths), sum(PARTS), 1, (1, 1, 1)), [1.0]


def _bond_code() -> tuple[EdgeCode, list[float]]:
    """The parts of a bond's matrix times either component of (z_j, 1)."""
    first = (0, 1, 4)
    paths = [
        PathCode(0, 2, k, 0, 2 * n, tuple((i * n + row, i, ((first[k] + row, 0),)) for i in (0, 1) for row in range(n)))
        for k, n in enumerate(PARTS)
    ]
    return EdgeCode(tuple(paths), 2, sum(PARTS), (1, 1, 1)), [1.0]


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


_BASIS = Constant(_orthonormal())
