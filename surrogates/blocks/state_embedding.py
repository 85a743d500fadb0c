"""Total charge and spin of a structure as features of its atoms.

Formulas of the joint embedding of mace-torch 0.3.14: each quantity is embedded by a table or a small network, and
silu(W [all embeddings]) is added to the embedding of the element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError

QUANTITIES = ("charge", "multiplicity")


class StateEmbedding(nn.Module):
    """silu(W concat(embeddings)) of each structure.

    Args:
        quantities: in order, each {"of": "charge" or "multiplicity", "width": n} with "classes" and "offset" for a
            table whose row is the truncated value plus offset, or "bias" for a network linear, SiLU, linear of it.
        channels: of the result.
    """

    def __init__(self, quantities: Sequence[Mapping[str, Any]], channels: int) -> None:
        super().__init__()
        self.quantities = [dict(q) for q in quantities]
        self.arguments = {"quantities": self.quantities, "channels": channels}
        unknown = [q["of"] for q in self.quantities if q["of"] not in QUANTITIES]
        if unknown:
            raise DomainError(f"a state embedding of {unknown[0]!r} is unknown; it reads {' and '.join(QUANTITIES)}")
        self.embed = nn.ModuleList(_embedding(q) for q in self.quantities)
        self.project = nn.Linear(sum(q["width"] for q in self.quantities), channels, bias=False)

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "structures channels"]:
        """Features of each structure. Raises DomainError for a charge or spin that a table has no row for."""
        found = []
        for quantity, embed in zip(self.quantities, self.embed, strict=True):
            value = getattr(atoms, quantity["of"]).to(self.project.weight.dtype)
            if "classes" in quantity:
                value = (value + quantity["offset"]).long()
                _check_rows(value, quantity)
            else:
                value = value[:, None]
            found.append(embed(value))
        return nn.functional.silu(self.project(torch.cat(found, dim=1)))


def _embedding(quantity: Mapping[str, Any]) -> nn.Module:
    width = quantity["width"]
    if "classes" in quantity:
        return nn.Embedding(quantity["classes"], width)
    bias = quantity["bias"]
    return nn.Sequential(nn.Linear(1, width, bias=bias), nn.SiLU(), nn.Linear(width, width, bias=bias))


def _check_rows(row: Tensor, quantity: Mapping[str, Any]) -> None:
    """One look at a few integers a batch: an index beyond the table would end in an error without a name."""
    outside = (row < 0) | (row >= quantity["classes"])
    if outside.any():
        offset = quantity["offset"]
        raise DomainError(
            f"{quantity['of']} {int(row[outside][0]) - offset} was never learned by this model; it knows "
            f"{-offset} to {quantity['classes'] - 1 - offset}; set atoms.info[{quantity['of']!r}]"
        )
