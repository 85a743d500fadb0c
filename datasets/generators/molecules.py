"""A labelled data set of one molecule in one line."""

from __future__ import annotations

from typing import Any

from surrogates.datasets.generators.generate import GFN2, generate
from surrogates.datasets.store import Structures


def molecules(
    structures: Any,
    *,
    samples: int = 500,
    temperature: float | int = 500.0,
    reference: Any = GFN2,
    spacing: float | int = 25.0,
    seed: int = 0,
) -> Structures:
    """`samples` structures of a Langevin walker with energies and forces by the reference, `spacing` fs apart.

    `structures` is a name of ASE's G2 collection such as "CH3CH2OH", or what `structures_from_spec` takes, such as
    {"smiles": "CCO"}. `temperature` is in K; the other arguments are those of `generate`.
    """
    start = {"molecule": structures} if isinstance(structures, str) else structures
    walker = {"data": {"temperature": temperature, "samples": samples}}
    return generate(start, reference, walker, spacing=spacing, seed=seed)["data"]
