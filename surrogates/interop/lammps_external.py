"""LAMMPS through `fix external`: any build with its Python module, Debian's too, on one process.

    import lammps
    from surrogates.interop.lammps_external import drive
    lmp = lammps.lammps()
    lmp.commands_string('''
        units metal
        atom_style atomic
        atom_modify map array
        read_data silica.data
        pair_style zero 3.0
        pair_coeff * *
    ''')
    drive(lmp, "mine.safetensors", ["Si", "O"])
    lmp.commands_string('''
        fix 1 all nve
        run 1000
    ''')

LAMMPS moves the atoms, the surrogate says energy, forces and virial: every surrogate, long-range ones and ASE
calculators too. Several processes, and potentials that LAMMPS divides in space: surrogates.interop.lammps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from surrogates.blocks.elements import atomic_number
from surrogates.datasets.batch import AtomsBatch
from surrogates.physics.errors import DomainError
from surrogates.simulation.evaluate import Evaluator
from surrogates.simulation.foreign import as_surrogate, check_elements


def drive(
    lmp: Any,
    model: Any,
    elements: Sequence[str],
    *,
    fix: str = "surrogate",
    device: str = "cpu",
    dtype: str = "float64",
    skin: float = 0.5,
) -> Callable[..., None]:
    """Add `fix external` to a running `lammps.lammps`, with energy and virial counted in; returns its callback.

    Args:
        lmp: a LAMMPS in metal units, its atoms made. model: whatever `SurrogateCalculator` takes.
        elements: the symbol of each atom type, in order. fix: name of the fix. skin: of the neighbour list, Å.
    Raises DomainError for other units, several processes, or elements that are missing or unknown.
    """
    if dtype not in ("float32", "float64"):
        raise DomainError(f"dtype={dtype!r} is unknown; choose float32 or float64")
    surrogate = as_surrogate(model, device=device, dtype=getattr(torch, dtype))
    numbers = np.array([atomic_number(symbol) for symbol in elements])
    _check(lmp, surrogate, numbers)
    evaluator = Evaluator(surrogate, skin)

    def callback(_: Any, step: int, n_own: int, tags: np.ndarray, x: np.ndarray, forces: np.ndarray) -> None:
        cell, pbc = _box(lmp)
        kinds = np.asarray(lmp.numpy.extract_atom("type"))[:n_own].ravel()
        atoms = _batch(numbers[kinds - 1], np.array(x), cell, pbc).to(evaluator.device)
        found = surrogate.predict(evaluator.skin(atoms).to(dtype=evaluator.dtype), stress=bool(pbc.all()))
        forces[:] = found.forces.detach().double().cpu().numpy()
        lmp.fix_external_set_energy_global(fix, float(found.energy[0]))
        if found.stress is not None and bool(pbc.all()):
            virial = -found.stress[0].detach().double().cpu().numpy() * abs(np.linalg.det(cell))
            lmp.fix_external_set_virial_global(fix, virial[[0, 1, 2, 5, 4, 3]].tolist())  # xx yy zz xy xz yz

    lmp.command(f"fix {fix} all external pf/callback 1 1")
    lmp.command(f"fix_modify {fix} energy yes virial yes")
    lmp.set_fix_external_callback(fix, callback)
    return callback


def _check(lmp: Any, surrogate: Any, numbers: np.ndarray) -> None:
    if lmp.extract_global("units") != "metal":
        raise DomainError(f'LAMMPS has units {lmp.extract_global("units")}; start its input with "units metal"')
    if lmp.extract_setting("world_size") > 1:
        raise DomainError("fix external sees the atoms of one process only; run one, or use surrogates.interop.lammps")
    kinds = lmp.extract_global("ntypes")
    if kinds != len(numbers):
        raise DomainError(f"{len(numbers)} elements for the {kinds} atom types of LAMMPS; name one for each type")
    reason = check_elements(surrogate, numbers)
    if reason is not None:
        raise DomainError(f"{reason}; give elements it was trained on")


def _box(lmp: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lattice vectors as rows, Å, and periodic directions."""
    low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
    a, b, c = np.subtract(high, low)
    return np.array([[a, 0, 0], [xy, b, 0], [xz, yz, c]]), np.array(periodic, dtype=bool)


def _batch(numbers: np.ndarray, x: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> AtomsBatch:
    n = len(numbers)
    return AtomsBatch(
        numbers=torch.as_tensor(numbers),
        positions=torch.as_tensor(x),
        structure=torch.zeros(n, dtype=torch.long),
        cell=torch.as_tensor(cell)[None],
        pbc=torch.as_tensor(pbc)[None],
        charge=torch.zeros(1, dtype=torch.float64),
        multiplicity=torch.ones(1, dtype=torch.long),
        edges=torch.zeros((2, 0), dtype=torch.long),
        shift=torch.zeros((0, 3), dtype=torch.float64),
    )
