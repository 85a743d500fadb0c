"""DeepXDE, imported on first use, on its pytorch backend, without its side effects.

On import DeepXDE chooses a backend (and may write that choice into the user's home), prints it, and on GPU machines
moves torch's default device. Here the backend is pytorch, nothing is written or printed, and the device stays.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import torch

from surrogates.physics.errors import SurrogatesError

_VARIABLE = "DDE_BACKEND"
ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "sin", "elu", "selu", "sigmoid")
"""Names of DeepXDE's activations that a model file may hold."""


def deepxde() -> ModuleType:
    """The package `deepxde` on its pytorch backend. Raises SurrogatesError when it runs, or is told to, on another."""
    check_backend()
    if "deepxde.backend" not in sys.modules:
        with _untouched():
            import_module("deepxde")
        check_backend()
    return sys.modules["deepxde"]


def check_backend() -> None:
    """Raises SurrogatesError when DeepXDE runs, or is told to run, on another backend than pytorch; imports nothing."""
    running = sys.modules.get("deepxde.backend")
    if running is None:
        backend, what = os.environ.get(_VARIABLE, "pytorch"), "is told to use"
    else:
        backend, what = str(running.backend_name), "runs on"
    if backend != "pytorch":
        raise SurrogatesError(
            f"DeepXDE {what} the backend {backend!r}, but our networks and derivatives need pytorch: "
            f"set the environment variable {_VARIABLE}=pytorch before anything imports deepxde"
        )


@contextlib.contextmanager
def _untouched() -> Iterator[None]:
    """Import with the backend named, stderr kept quiet, torch's defaults and the environment put back after it."""
    device, dtype, before = torch.get_default_device(), torch.get_default_dtype(), os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "pytorch"
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_default_dtype(dtype)
