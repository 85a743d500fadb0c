"""`surrogates doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import sys
from importlib import metadata, util

CORE = (
    *("torch", "e3nn", "ase", "pymatgen", "deepxde", "h5py", "numpy", "scipy", "vesin", "safetensors"),
    *("meshio", "scikit-fem"),
)
EXTRAS = {
    "xtb": ("tblite",),
    "pyscf": ("pyscf",),
    "smiles": ("rdkit",),
    "dispersion": ("dftd3", "dftd4"),
    "phonons": ("phonopy",),
    "test": ("pytest", "ruff", "mypy"),
}
_LIBRARIES = {"gomp": ("libgomp1", "threads of compiled kernels"), "stdc++": ("libstdc++6", "compiled packages")}
_PROGRAMS = {"chromium": ("chromium", "the report's test"), "pw.x": ("quantum-espresso", "plane-wave references")}


def examine() -> None:
    """Print the state of this installation."""
    print(f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    for line in (*_packages(), *_backend(), *_extras(), *_compiler(), *_torch(), *_threads(), *_system()):
        print(line)


def _packages() -> list[str]:
    return [f"{name:<12} {_version(name) or 'MISSING: pip install surrogates again'}" for name in CORE]


def _backend() -> list[str]:
    given = os.environ.get("DDE_BACKEND", "pytorch")
    needed = f"DDE_BACKEND={given}: our networks need DeepXDE on pytorch, set DDE_BACKEND=pytorch"
    return [] if given == "pytorch" else [f"             {needed}"]


def _extras() -> list[str]:
    lines = []
    for extra, names in EXTRAS.items():
        absent = [n for n in names if util.find_spec(n) is None]
        state = f'missing {", ".join(absent)}: pip install "surrogates[{extra}]"' if absent else "installed"
        lines.append(f"extra {extra:<10} {state}")
    return lines


def _compiler() -> list[str]:
    found = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++") or shutil.which("clang++")
    return [f"compiler     {found or 'none: slower eager code is used; Debian package g++'}"]


def _torch() -> list[str]:
    if util.find_spec("torch") is None:
        return []
    import torch

    cards = (
        [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return [
        f"GPU          {', '.join(cards) or 'none that torch sees'}",
        f"threads      torch uses {torch.get_num_threads()}",
    ]


def _threads() -> list[str]:
    given = os.environ.get("OMP_NUM_THREADS")
    return [f"             OMP_NUM_THREADS={given or 'not set'}; workers of `surrogates run` use one each"]


def _system() -> list[str]:
    lines = []
    if sys.platform.startswith("linux"):
        for name, (package, purpose) in _LIBRARIES.items():
            if ctypes.util.find_library(name) is None:
                lines.append(f"library      lib{name} is missing ({purpose}): apt install {package}")
    for program, (package, purpose) in _PROGRAMS.items():
        found = shutil.which(program)
        lines.append(f"{program:<12} {found or f'not found; only for {purpose}: Debian package {package}'}")
    return lines


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
