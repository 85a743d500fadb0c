"""`surrogates convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surrogates.physics.errors import FileError


def convert_file(source: Path, target: Path, energy: str | None, forces: str | None) -> None:
    """Read `source`, write `target`: our shards for .h5, else a format that ASE writes."""
    from surrogates.datasets import read_structures

    if target.exists():
        raise FileError(f"{target} is there already; give another name, or remove it")
    data = read_structures(source, energy=energy, forces=forces)
    if target.suffix in (".h5", ".hdf5"):
        data.save(target)
    else:
        _write([_labelled(data, k) for k in range(len(data))], target)
    print(f"{target}: {len(data)} structures\n{data.description}")


def _labelled(data: Any, k: int) -> Any:
    """Structure `k` as ASE's Atoms with its labels in a calculator, where ASE's writers look for them."""
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms, sample = data.atoms[k], data[k]
    known = {name: getattr(sample, name) for name in ("energy", "forces", "stress", "dipole")}
    known = {name: value for name, value in known.items() if value is not None}
    if known:
        atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms


def _write(atoms: list[Any], target: Path) -> None:
    import ase.io

    try:
        ase.io.write(target, atoms)
    except Exception as error:  # ASE's writers raise whatever they meet
        raise FileError(f"{target} cannot be written: {error}; .extxyz and .h5 always can") from error
