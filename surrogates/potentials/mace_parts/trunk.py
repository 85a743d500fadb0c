"""The trunk of MACE: from atoms to the features of every layer; what the heads of a multi-head model share.

Paper: MACE (arXiv:2206.07697), eq. 8 to 11.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.elements import ElementIndex, atomic_numbers
from surrogates.blocks.interactions import MeanNumber, Surroundings
from surrogates.datasets.batch import AtomsBatch
from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.potentials.sum import within


class Trunk(nn.Module):
    """Features of atoms, layer by layer.

    Args:
        elements: the elements it knows, atomic numbers or symbols.
        radial: (r, z_i, z_j) -> radial functions and cutoff; its `r_max` is the cutoff in Å.
        l_max: of the harmonics.
        layers: message passing steps, (h, surroundings) -> h.
        channels: of the elements' embedding.
        state: (atoms) -> features of each structure that are added to the embedding, such as its charge's.
    """

    def __init__(
        self,
        elements: Sequence[int | str],
        *,
        radial: nn.Module,
        l_max: int,
        layers: Sequence[nn.Module],
        channels: int,
        state: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.elements = atomic_numbers(elements)
        self.arguments = dict(
            elements=list(self.elements),
            radial=radial,
            l_max=l_max,
            layers=list(layers),
            channels=channels,
            state=state,
        )
        self.r_max = float(radial.r_max)  # type: ignore[arg-type]
        self.index = ElementIndex(self.elements)
        self.embedding = nn.Parameter(torch.randn(1, len(self.elements), channels))
        self.state, self.radial, self.harmonics = state, radial, SphericalHarmonics(l_max)
        self.layers = nn.ModuleList(layers)
        # networks that read more than radial functions do not vanish where these do, so longer edges must be left out
        self.vanishes = not any(
            getattr(layer.interaction, "scalars", None) is not None or hasattr(layer.interaction, "density")
            for layer in layers
        )

    def set_mean_number(self, number: float) -> None:
        """Divide sums over neighbours by `number`, where they are divided by a mean number at all."""
        for module in self.modules():
            if isinstance(module, MeanNumber):
                module.number.fill_(number)

    def forward(self, atoms: AtomsBatch) -> list[Float[Tensor, "components atoms channels"]]:
        """The embedding, then the features of every layer; components of an irrep 0e come first."""
        atoms = atoms if self.vanishes else within(atoms, self.r_max)
        vectors = atoms.vectors()
        r = torch.linalg.vector_norm(vectors, dim=1)
        receiver, sender = atoms.edges
        radial, cutoff = self.radial(r, atoms.numbers.index_select(0, receiver), atoms.numbers.index_select(0, sender))
        element = self.index(atoms.numbers)
        around = Surroundings(atoms.edges, self.harmonics(vectors / r[:, None]), radial, cutoff, element)
        h = self.embedding.index_select(1, element)
        if self.state is not None:
            h = h + self.state(atoms).index_select(0, atoms.structure)
        found = [h]
        for layer in self.layers:
            found.append(layer(found[-1], around))
        return found
