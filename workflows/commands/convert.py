"""`surrogates convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surrogates.physics.errors import FileError
from surrogates.workflows.commands.structures_file import check_folder, check_target, write_structures


def convert_file(source: Path, target: Path, energy: str | None, forces: str | None, head: str | None = None) -> None:
    """Read `source`, write `target`: our shards for .h5, a checkpoint of a mace-torch model, else ASE's."""
    from surrogates.datasets import read_structures
    from surrogates.training import info, load
    from surrogates.training.mace_torch import is_archive

    if target.exists():
        raise FileError(f"{target} is there already; give another name, or remove it")
    if is_archive(source):
        check_folder(target)
        fitted = load(source, head=head)
        fitted.save(target)
        print(info(target))
        return
    ours = target.suffix in (".h5", ".hdf5")
    (check_folder if ours else check_target)(target)
    data = read_structures(source, energy=energy, forces=forces)
    if ours:
        data.save(target)
    else:
        write_structures([_labelled(data, k) for k in range(len(data))], target)
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
