"""MACE: Higher Order Equivariant Message Passing Neural Networks for Fast and Accurate Force Fields (arXiv:2206.07697).

Kept: one-particle basis from radial network, harmonics and neighbours' features (eq. 8), its symmetric products with
element-dependent weights (eq. 10), messages and element-dependent residual updates (eq. 11), a readout of every layer
(eq. 12, 13): linear, and a perceptron for the last one, whose features are scalars only.
Changed: redundant couplings are left out; energies of isolated atoms, scale and shift belong to the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import atomic_numbers
from surrogates.blocks.interactions import MeanNumber, NeighbourSum
from surrogates.blocks.radial_embedding import Bessel, RadialEmbedding
from surrogates.blocks.scalar_readout import ScalarReadout
from surrogates.datasets.batch import AtomsBatch
from surrogates.equivariance.irreps import ChannelIrreps, Irrep, channel_irreps, natural_irreps
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace_parts import MACELayer, Trunk
from surrogates.potentials.mace_parts.format_1 import rename


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
        product: what multiplies features and harmonics, such as SO2(m_max=2), one of surrogates.equivariance.products;
            each layer makes its own. None is the full Clebsch-Gordan product in a fused kernel.
        trunk, readouts: instead of all others, the parts themselves: a Trunk, and for its embedding and each of its
            layers a module (scalars) -> features with `n_features`, or None. Models may share one trunk.
    """

    def __init__(
        self,
        *,
        elements: Sequence[int | str] = (),
        r_max: float | int = 5.0,
        hidden: str = "32x0e + 32x1o",
        edge_l_max: int = 2,
        correlation: int = 3,
        layers: int = 2,
        n_radial: int = 8,
        cutoff_p: int = 5,
        radial_widths: Sequence[int] = (64, 64, 64),
        readout_width: int = 16,
        avg_num_neighbors: float | int = 8.0,
        norm: nn.Module | None = None,
        product: nn.Module | None = None,
        trunk: nn.Module | None = None,
        readouts: Sequence[nn.Module | None] | None = None,
    ) -> None:
        super().__init__()
        if trunk is not None and readouts is not None:
            if elements or len(readouts) != len(trunk.layers) + 1:  # type: ignore[arg-type]
                raise DomainError("MACE from parts takes trunk= and readouts= alone, one more readout than layers")
            self._sizes: dict[str, Any] | None = None
        else:
            numbers = atomic_numbers(elements)
            _check(numbers, r_max, correlation, layers, edge_l_max)
            self._sizes = dict(
                elements=list(numbers), r_max=r_max, hidden=hidden, edge_l_max=edge_l_max, correlation=correlation,
                layers=layers, n_radial=n_radial, cutoff_p=cutoff_p, radial_widths=list(radial_widths),
                readout_width=readout_width, avg_num_neighbors=avg_num_neighbors, norm=norm, product=product,
            )  # fmt: skip
            irreps = channel_irreps(hidden)
            features = [ChannelIrreps(((0, 1),), irreps.channels), *[irreps] * (layers - 1)]
            divisors = [MeanNumber(avg_num_neighbors) if norm is None else deepcopy(norm) for _ in range(layers)]
            steps = [
                _standard_layer(
                    inputs, outputs, edge_l_max, correlation, [n_radial, *radial_widths], divisor, len(numbers), product
                )
                for inputs, outputs, divisor in zip(features, [*features[1:], features[0]], divisors, strict=True)
            ]
            radial = RadialEmbedding(Bessel(r_max, n_radial), r_max=r_max, cutoff_p=cutoff_p)
            trunk = Trunk(numbers, radial=radial, l_max=edge_l_max, layers=steps, channels=irreps.channels)
            linear = [ScalarReadout(irreps.channels) for _ in range(layers - 1)]
            readouts = [None, *linear, ScalarReadout(irreps.channels, [readout_width])]
        self.trunk: Any = trunk
        self._n_readouts = len(readouts)
        self.readouts = nn.ModuleDict({str(k): readout for k, readout in enumerate(readouts) if readout is not None})
        width = sum(readout.n_features for readout in readouts if readout is not None)  # type: ignore[misc]
        self.last_layer = nn.Linear(width, 1, bias=False)
        nn.init.normal_(self.last_layer.weight)
        self.register_load_state_dict_pre_hook(rename)

    @property
    def arguments(self) -> dict[str, Any]:
        """What it was made with."""
        if self._sizes is not None:
            return self._sizes
        readouts = [dict(self.readouts.items()).get(str(k)) for k in range(self._n_readouts)]
        return {"trunk": self.trunk, "readouts": readouts}

    @property
    def r_max(self) -> float:
        """Cutoff, Å."""
        return self.trunk.r_max

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        return self.trunk.elements

    @property
    def layers(self) -> nn.ModuleList:
        """The message passing steps."""
        return self.trunk.layers

    @property
    def avg_num_neighbors(self) -> Tensor | None:
        """The mean number that sums over neighbours are divided by, where they are."""
        return next((m.number for m in self.modules() if isinstance(m, MeanNumber)), None)

    def set_statistics(self, *, avg_num_neighbors: float | int) -> None:
        """Take the mean number of neighbours within r_max from data (before training)."""
        self.trunk.set_mean_number(avg_num_neighbors)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, of order one."""
        return self.last_layer(self.features(atoms)).squeeze(-1)

    def features(self, atoms: AtomsBatch) -> Float[Tensor, "atoms features"]:
        """What `last_layer` weighs: the scalars of all layers but the last, then the last readout's hidden values."""
        found = self.trunk(atoms)
        return torch.cat([readout(found[int(k)][0]) for k, readout in self.readouts.items()], dim=1)


def _standard_layer(
    inputs: ChannelIrreps,
    outputs: ChannelIrreps,
    l_max: int,
    correlation: int,
    radial_widths: Sequence[int],
    norm: nn.Module,
    n_elements: int,
    product: nn.Module | None,
) -> MACELayer:
    targets = ChannelIrreps(_targets(inputs, l_max), inputs.channels)
    interaction = NeighbourSum(str(inputs), l_max, str(targets), radial_widths, norm=norm, product=product)
    return MACELayer(interaction, str(outputs), correlation=correlation, n_elements=n_elements)


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
