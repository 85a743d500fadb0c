"""States and operators in HDF5 files, to the bit."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch

from surrogates.physics.errors import FileError
from surrogates.physics.lattice.sites import Site
from surrogates.physics.tensor_networks.mpo import MPO
from surrogates.physics.tensor_networks.mps import MPS

_FORMAT = 1


def save(what: MPS | MPO, path: str | Path) -> None:
    """Written beside the file and renamed, so that a file is whole or not there."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with h5py.File(name, "w") as file:
            file.attrs.update({"surrogates": _FORMAT, "kind": type(what).__name__, "sites": len(what)})
            for n, t in enumerate(what.tensors):
                file.create_dataset(f"tensor_{n}", data=t.detach().cpu().resolve_conj().numpy())
            if isinstance(what, MPS):
                file.attrs["center"] = -1 if what.center is None else what.center
                file.attrs.update({"log_norm": what.log_norm, "discarded": what.discarded, "bound": what.error_bound})
                site = file.create_group("site")
                site.attrs.update({"name": what.site.name, "states": list(what.site.states)})
                site.attrs["fermionic"] = sorted(what.site.fermionic) or h5py.Empty("S1")
                for key, matrix in what.site.operators.items():
                    site.create_dataset(key, data=np.asarray(matrix))
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> MPS | MPO:
    """What `save` wrote. Raises FileError for a missing or damaged file, or one of another kind."""
    try:
        with h5py.File(path, "r") as file:
            if int(file.attrs.get("surrogates", 0)) != _FORMAT or file.attrs.get("kind") not in ("MPS", "MPO"):
                raise FileError(f"{path} holds no state or operator of format {_FORMAT}; write it with save")
            tensors = tuple(torch.from_numpy(_array(file, f"tensor_{n}")) for n in range(int(file.attrs["sites"])))
            if file.attrs["kind"] == "MPO":
                return MPO(tensors)
            own = file["site"]
            fermionic = own.attrs["fermionic"]
            site = Site(
                str(own.attrs["name"]),
                {key: _array(own, key) for key in own},
                tuple(str(s) for s in own.attrs["states"]),
                frozenset() if isinstance(fermionic, h5py.Empty) else frozenset(str(s) for s in fermionic),
            )
            center, a = int(file.attrs["center"]), file.attrs
            numbers = (float(a["log_norm"]), site, float(a["discarded"]), float(a["bound"]))
            return MPS(tensors, None if center < 0 else center, *numbers)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} cannot be read ({error}); give a file written by save") from error


def _array(group: h5py.Group, key: str) -> np.ndarray:
    """A dataset that lies in this file itself."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink) or not isinstance(group[key], h5py.Dataset):
        raise FileError(f"{group.file.filename}: {key} is no array of this file")
    if group[key].is_virtual or group[key].external:
        raise FileError(f"{group.file.filename}: the numbers of {key} lie in another file")
    return np.asarray(group[key][()])
