"""C code that is compiled when it is first needed, kept in the user's cache, and called with tensors.

A library is named by the hash of its source, the compiler and the processor, so that a cache shared between machines
never runs the wrong one. Without a compiler, or with SURROGATES_NATIVE=0, kernels fall back to their eager twins.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from surrogates.kernels.transforms import transformed
from surrogates.physics.errors import SurrogatesError, SurrogatesWarning

FLAGS = ("-O2", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-std=gnu11", "-w", "-fPIC", "-shared")
REAL = {torch.float32: "float", torch.float64: "double"}


class NoCompiler(SurrogatesWarning):
    """Native kernels are not to be had; the same numbers come from slower code."""


@cache
def compiler() -> str | None:
    """The C compiler, None where there is none or SURROGATES_NATIVE=0."""
    if os.environ.get("SURROGATES_NATIVE", "1") == "0":
        return None
    wanted = os.environ.get("CC")
    return next((p for c in (wanted, "cc", "gcc", "clang") if c and (p := shutil.which(c.split()[0]))), None)


def usable(*tensors: Tensor) -> bool:
    """Whether native code may run on these tensors: on the CPU, in one known precision, with a working compiler."""
    return one_precision(*tensors) and tensors[0].device.type == "cpu" and works()


def one_precision(*tensors: Tensor) -> bool:
    """Whether all are on one device, in one precision that kernels know, which no autocast changes on the way.

    Neither may a transform that kernels cannot follow be at work.
    """
    first = tensors[0]
    one = all(t.dtype == first.dtype and t.device == first.device for t in tensors)
    return one and first.dtype in REAL and not torch.is_autocast_enabled(first.device.type) and not transformed()


@cache
def works() -> bool:
    """Whether code can be compiled and loaded; one notice where it cannot."""
    path = compiler()
    if path is None:
        if os.environ.get("SURROGATES_NATIVE", "1") != "0":
            _notice("no C compiler was found")
        return False
    try:
        _load(path, "void run(void) {}\n")
    except (OSError, subprocess.SubprocessError) as error:
        _notice(str(getattr(error, "stderr", None) or error).strip()[:300])
        return False
    return True


def lanes(channels: int, dtype: torch.dtype) -> int:
    """Channels that one vector holds: the widest power of two that divides them."""
    widest = _register_bytes() // torch.finfo(dtype).bits * 8
    while channels % widest:
        widest //= 2
    return widest


def prelude(dtype: torch.dtype, width: int) -> str:
    """Types of the generated code: `real`, and `vec` of `width` reals at any address."""
    real = REAL[dtype]
    size = width * torch.finfo(dtype).bits // 8
    vector = (
        f"typedef real vec __attribute__((vector_size({size}), aligned({torch.finfo(dtype).bits // 8}), may_alias));"
    )
    scalar = "typedef real vec;"
    return "\n".join(
        [
            "#include <stdint.h>",
            f"typedef {real} real;",
            vector if width > 1 else scalar,
            f"enum {{ V = {width} }};",
            "#define AT(p) (*(vec *)(p))",
        ]
    )


@cache
def function(source: Callable[..., str], *key: Any) -> Callable[..., None]:
    """The function `run` of the C code that `source(*key)` returns, compiled once for each key.

    Raises SurrogatesError where the compiler, which works in general, refuses.
    """
    path = compiler()
    assert path is not None  # `usable` has been asked
    try:
        return _load(path, source(*key))
    except (OSError, subprocess.SubprocessError) as error:
        text = str(getattr(error, "stderr", None) or error).strip()[:1000]
        raise SurrogatesError(
            f"{path} could not compile a kernel: {text}; set SURROGATES_NATIVE=0 to calculate without native kernels"
        ) from error


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Address of a contiguous tensor's numbers; NULL for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _notice(reason: str) -> None:
    warnings.warn(
        f"native kernels cannot be built here ({reason}); slower code gives the same numbers. "
        "Install a C compiler (Debian: gcc), or set SURROGATES_NATIVE=0 and this notice ends",
        NoCompiler,
        stacklevel=3,
    )


def _load(path: str, source: str) -> Callable[..., None]:
    name = hashlib.sha256("\0".join([source, target(path), *FLAGS]).encode()).hexdigest()[:32]
    library = cache_folder() / f"{name}.so"
    if not library.exists():
        _compile(path, source, library)
    try:
        run = ctypes.CDLL(str(library)).run
    except (OSError, AttributeError):  # cut short when the machine went down, or damaged since
        _compile(path, source, library)
        run = ctypes.CDLL(str(library)).run
    run.restype = None
    return run  # type: ignore[no-any-return]


def _compile(path: str, source: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        code, built = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
        code.write_text(source, encoding="utf-8")
        command = [path, *FLAGS, "-o", str(built), str(code)]
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        os.replace(built, library)  # complete or absent, whoever else compiles the same


@cache
def target(path: str) -> str:
    """What the compiler defines for this processor: its version and instruction sets."""
    command = [path, "-march=native", "-E", "-dM", "-xc", os.devnull]
    found = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    return "\n".join(sorted(found.stdout.splitlines()))


@cache
def _register_bytes() -> int:
    path = compiler()
    defined = "" if path is None else target(path)
    return 64 if "__AVX512F__" in defined else 32 if "__AVX__" in defined else 16


@cache
def cache_folder() -> Path:
    """The user's own folder for compiled kernels (SURROGATES_CACHE, else XDG_CACHE_HOME, else ~/.cache).

    A folder that others may write to is not trusted: a private one that dies with the process takes its place.
    """
    try:
        root = os.environ.get("SURROGATES_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root) / "surrogates" / "kernels"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _private(folder):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        pass
    temporary = tempfile.TemporaryDirectory(prefix="surrogates-kernels-")
    _kept.append(temporary)
    return Path(temporary.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return os.access(folder, os.W_OK)
    found = folder.stat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid == os.getuid() and not found.st_mode & others and os.access(folder, os.W_OK)
