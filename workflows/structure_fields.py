"""Structures as a workflow file names them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from surrogates.workflows.fields import Angstrom, Count, Length, Positive, Seed, StructuresFile, Takes

_SOURCES = ("molecule", "smiles", "bulk", "file")


@dataclass(frozen=True)
class Structure:
    """One source of structures, and what is done to them.

    Args:
        molecule: a name of ASE's G2 collection. smiles: conformers by RDKit, `conformers` of them.
        bulk: a crystal's element or formula, with `crystalstructure`, `a`, `b`, `c` (Å), `alpha` (degrees), `covera`,
            `u`, `cubic` and `orthorhombic`, as ase.build.bulk takes them.
        file: a file of structures or an output of a step; `index` takes one of them.
        miller: a slab of `layers` repetitions along this normal, `vacuum` Å on either side. supercell: integer
            matrix. repeat: along each vector. vacancies: atoms taken out at random.
        rattle: random displacements, Å. count: copies. strain: random strain of the cell. volume: low and high factor.
        seed: of the random parts. charge: elementary charges. multiplicity: 2S + 1.
    """

    molecule: str | None = None
    smiles: str | None = None
    conformers: Count | None = None
    bulk: str | None = None
    crystalstructure: str | None = None
    a: Length | None = None
    b: Length | None = None
    c: Length | None = None
    alpha: Positive | None = None
    covera: Positive | None = None
    u: Positive | None = None
    cubic: bool | None = None
    orthorhombic: bool | None = None
    miller: list[int] | None = None
    layers: Count | None = None
    vacuum: Length | None = None
    supercell: list[list[int]] | None = None
    repeat: Count | list[Count] | None = None
    vacancies: Count | None = None
    file: StructuresFile | None = None
    index: int | None = None
    rattle: Angstrom | None = None
    count: Count | None = None
    strain: float | None = None
    volume: list[Positive] | None = None
    seed: Seed | None = None
    charge: int | None = None
    multiplicity: Count | None = None

    def __post_init__(self) -> None:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'no source'} of structures; give one of {', '.join(_SOURCES)}")

    def spec(self) -> dict[str, Any]:
        """The words that were given."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}


Structures = Annotated[str | Structure | list[Structure], Takes("structures")]
