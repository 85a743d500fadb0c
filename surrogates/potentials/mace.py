"""MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and Accurate Force Fields (arXiv:2206.07697).

Kept: one-particle basis from radial network, harmonics and neighbours' features (eq. 8), its symmetric products with
element-dependent weights (eq. 10), messages and element-dependent residual updates (eq. 11), a readout of every layer
(eq. 12, 13): linear, and a perceptron for the last one, whose features are scalars only.
Changed: redundant couplings are left out; energies of isolated atoms, scale and shift belong to the task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.elements import ElementIndex, atomic_numbers
from surrogates.blocks.irreps_linear import ElementLinear, IrrepsLinear
from surrogates.blocks.mlp import SILU_GAIN, UnitMLP
from surrogates.blocks.radial import bessel, polynomial_cutoff
from surrogates.blocks.symmetric_product import SymmetricProduct
from surrogates.datasets.batch import AtomsBatch
from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.equivariance.irreps import ChannelIrreps, Irrep, channel_irreps, natural_irreps
from surrogates.physics.errors import DomainError


class MACE(nn.Module):
    """Atomic energies from many-body messages.

    Args:
        elements: the elements it knows, atomic numbers or symbols.
        r_max: cutoff in Å.
        hidden: irreps of the atoms' features, one multiplicity for all; for example "32x0e + 32x1o".
        edge_l_max: highest degree of the spherical harmonics of edges.
        correlation: highest body order of a message minus one, 1 to 3.
        layers: message passing steps.
        n_radial, cutoff_p: Bessel functions per edge, and exponent of the polynomial cutoff.
        radial_widths: hidden widths of the radial networks.
        readout_width: hidden width of the last readout.
        avg_num_neighbors: divides sums over neighbours; `set_statistics` takes the mean number from data.
        norm: divides them instead, one copy in each layer; see surrogates.blocks.neighbor_norm.
    """

    avg_num_neighbors: Tensor

    def __init__(
        self,
        *,
        elements: Sequence[int | str],
        r_max: float = 5.0,
        hidden: str = "32x0e + 32x1o",
        edge_l_max: int = 2,
        correlation: int = 3,
        layers: int = 2,
        n_radial: int = 8,
        cutoff_p: int = 5,
        radial_widths: Sequence[int] = (64, 64, 64),
        readout_width: int = 16,
        avg_num_neighbors: float = 8.0,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.elements = atomic_numbers(elements)
        irreps = channel_irreps(hidden)
        _check(self.elements, r_max, correlation, layers, edge_l_max)
        self.register_buffer("avg_num_neighbors", torch.tensor(float(avg_num_neighbors)))
        self.norms = nn.ModuleList([] if norm is None else [deepcopy(norm) for _ in range(layers)])
        self.arguments = dict(
            elements=list(self.elements), r_max=r_max, hidden=hidden, edge_l_max=edge_l_max, correlation=correlation,
            layers=layers, n_radial=n_radial, cutoff_p=cutoff_p, radial_widths=list(radial_widths),
            readout_width=readout_width, avg_num_neighbors=avg_num_neighbors, norm=norm,
        )  # fmt: skip
        self.r_max, self.n_radial, self.cutoff_p = float(r_max), n_radial, cutoff_p
        self.index = ElementIndex(self.elements)
        self.embedding = nn.Parameter(torch.randn(1, len(self.elements), irreps.channels))
        self.harmonics = SphericalHarmonics(edge_l_max)
        scalars = ChannelIrreps(((0, 1),), irreps.channels)
        features = [scalars, *[irreps] * (layers - 1), scalars]
        widths = [n_radial, *radial_widths]
        self.layers = nn.ModuleList(
            MACELayer(features[k], features[k + 1], edge_l_max, correlation, widths, len(self.elements))
            for k in range(layers)
        )
        self.readout = nn.Parameter(torch.randn(irreps.channels, readout_width))
        self.last_layer = nn.Linear((layers - 1) * irreps.channels + readout_width, 1, bias=False)
        nn.init.normal_(self.last_layer.weight)

    def set_statistics(self, *, avg_num_neighbors: float) -> None:
        """Take the mean number of neighbours within r_max from data (before training)."""
        self.avg_num_neighbors.fill_(avg_num_neighbors)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, of order one."""
        return self.last_layer(self.features(atoms)).squeeze(-1)

    def features(self, atoms: AtomsBatch) -> Float[Tensor, "atoms features"]:
        """What `last_layer` weighs: the scalars of all layers but the last, then the last readout's hidden values."""
        vectors = atoms.vectors()
        r = torch.linalg.vector_norm(vectors, dim=1)
        harmonics = self.harmonics(vectors / r[:, None])
        radial = bessel(r, self.r_max, self.n_radial) * polynomial_cutoff(r, self.r_max, self.cutoff_p)[:, None]
        element = self.index(atoms.numbers)
        h = self.embedding.index_select(1, element)
        found = []
        divisors = [norm(radial, atoms.edges[0], len(element)) for norm in self.norms]
        for k, layer in enumerate(self.layers):
            divisor = divisors[k] if divisors else self.avg_num_neighbors
            h = layer(h, harmonics, radial, atoms.edges, element, divisor)
            found.append(h[0] / math.sqrt(h.shape[-1]))
        n = self.readout.shape[1]
        found[-1] = nn.functional.silu(found[-1] @ self.readout) * (SILU_GAIN / math.sqrt(n))
        return torch.cat(found, dim=1)


class MACELayer(nn.Module):
    """One message passing step: h' = linear(products of A) + W[element] h.

    Args:
        inputs, outputs: irreps of h and h', with equal channels.
        l_max, correlation: of the harmonics, of the products.
        radial_widths: of the radial network, its input first.
        n_elements: number of elements.
    """

    def __init__(
        self,
        inputs: ChannelIrreps,
        outputs: ChannelIrreps,
        l_max: int,
        correlation: int,
        radial_widths: Sequence[int],
        n_elements: int,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.up = IrrepsLinear(inputs)
        self.convolution = EdgeConvolution(inputs, l_max, _targets(inputs, l_max))
        self.radial = UnitMLP([*radial_widths, self.convolution.n_weights])
        self.product = SymmetricProduct(self.convolution.outputs, outputs, correlation, n_elements)
        self.linear = IrrepsLinear(outputs)
        shared = min(inputs, outputs, key=lambda irreps: irreps.dim)  # one begins with all irreps of the other
        self.n_shared = shared.dim
        self.skip = ElementLinear(shared, n_elements)

    def forward(
        self,
        h: Float[Tensor, "components atoms channels"],
        harmonics: Float[Tensor, "edges harmonics"],
        radial: Float[Tensor, "edges n_radial"],
        edges: Int[Tensor, "2 edges"],
        element: Int[Tensor, "atoms"],
        divisor: Float[Tensor, "*atoms_1"],
    ) -> Float[Tensor, "components_out atoms channels"]:
        a = self.convolution(self.up(h), harmonics, self.radial.factored(radial), edges) / divisor
        out = self.linear(self.product(a, element))
        kept = self.skip(h[: self.n_shared], element)
        return out + nn.functional.pad(kept, (0, 0, 0, 0, 0, len(out) - len(kept)))


def _targets(inputs: ChannelIrreps, l_max: int) -> tuple[Irrep, ...]:
    """Irreps of A: those of the harmonics, and the other parity too where the features have it."""
    natural = natural_irreps(l_max)
    if all(p == (-1) ** l for l, p in inputs.irreps):
        return natural
    return tuple(irrep for l, p in natural for irrep in ((l, p), (l, -p)))


def _check(elements: tuple[int, ...], r_max: float, correlation: int, layers: int, l_max: int) -> None:
    if not elements:
        raise DomainError("MACE needs to know its elements: give elements=data.elements or a list such as ['H', 'O']")
    if not r_max > 0:
        raise DomainError(f"r_max={r_max} Å: a cutoff is positive, 4 to 6 Å as a rule")
    if correlation not in (1, 2, 3) or layers < 1 or not 0 <= l_max <= 11:
        raise DomainError(
            f"correlation={correlation}, layers={layers}, edge_l_max={l_max}: "
            "correlation is 1, 2 or 3, layers at least 1, edge_l_max from 0 to 11"
        )
