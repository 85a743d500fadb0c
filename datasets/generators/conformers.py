"""Conformers of a molecule written as SMILES.

Paper: Better Informed Distance Geometry: Using What We Know To Improve Conformation Generation
(doi:10.1021/acs.jcim.5b00654), through RDKit's ETKDGv3, then a force field (MMFF94).
"""

from __future__ import annotations

from typing import Any

import ase
import numpy as np

from surrogates.physics.errors import DomainError, MissingExtra

_OVERSAMPLING = 4  # embeddings tried for each conformer asked for
_SAME = 0.01  # kcal/mol; geometries this close in energy are one conformer or its mirror image


def conformers(smiles: str, *, count: int = 1, seed: int = 0) -> list[ase.Atoms]:
    """Up to `count` different conformers with hydrogens, lowest force-field energy first.

    A rigid molecule gives fewer than asked. `info` has charge and multiplicity as the SMILES implies them.
    DomainError when the SMILES cannot be read or embedded, MissingExtra without RDKit.
    """
    molecule = _molecule(smiles)
    identifiers = _embed(molecule, count, seed)
    if not identifiers:
        raise DomainError(f"no geometry could be found for SMILES {smiles!r}; give the structure as a file instead")
    electrons = {
        "charge": sum(a.GetFormalCharge() for a in molecule.GetAtoms()),
        "multiplicity": 1 + sum(a.GetNumRadicalElectrons() for a in molecule.GetAtoms()),
    }
    numbers = [a.GetAtomicNum() for a in molecule.GetAtoms()]
    positions = [np.array(molecule.GetConformer(k).GetPositions()) for k in _distinct(molecule, identifiers)[:count]]
    return [ase.Atoms(numbers=numbers, positions=x, info=dict(electrons)) for x in positions]


def _molecule(smiles: str) -> Any:
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise MissingExtra("rdkit", "smiles") from error
    with rdBase.BlockLogs():
        read = Chem.MolFromSmiles(smiles)
    if read is None or read.GetNumAtoms() == 0:
        raise DomainError(f"SMILES {smiles!r} cannot be read; ethanol, for example, is CCO")
    return Chem.AddHs(read)


def _embed(molecule: Any, count: int, seed: int) -> list[int]:
    from rdkit import rdBase
    from rdkit.Chem import rdDistGeom

    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = 1 + seed % (2**31 - 1)  # seed 0 embeds the same geometry each time
    settings.numThreads = 1
    with rdBase.BlockLogs():
        return list(rdDistGeom.EmbedMultipleConfs(molecule, count * (1 if count == 1 else _OVERSAMPLING), settings))


def _distinct(molecule: Any, identifiers: list[int]) -> list[int]:
    """Relax each geometry by MMFF94 and keep one of each energy, lowest first; all of them without parameters."""
    from rdkit.Chem import rdForceFieldHelpers

    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        return identifiers
    outcome = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, numThreads=1, maxIters=2000)
    energies = np.array([energy for _, energy in outcome])
    order = np.argsort(energies, kind="stable")
    fresh = np.diff(energies[order], prepend=-np.inf) > _SAME
    return [identifiers[k] for k in order[fresh]]
