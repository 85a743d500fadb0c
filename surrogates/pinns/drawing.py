"""Random points from DeepXDE's geometries: reproducible, in double precision, leaving the global state as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.blocks.deepxde import deepxde

_MASK = (1 << 64) - 1


def draw(geometry: Any, n: int, seed: int) -> Float[Tensor, "n dim"]:
    """n uniform points inside a DeepXDE geometry, a function of n and the seed only."""
    with seeded(seed), in_double():
        return torch.from_numpy(np.asarray(geometry.random_points(n), dtype=np.float64))


def mix(*numbers: int) -> int:
    """One 63-bit seed of several whole numbers: neighbours give unrelated seeds (the finaliser of SplitMix64)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """numpy's global generator, which DeepXDE draws from, begins at `seed` here and is put back after it."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF])  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@contextlib.contextmanager
def in_double() -> Iterator[None]:
    """DeepXDE makes float64 arrays here, so that 2 pi lies on the edge of [0, 2 pi]; torch's default stays."""
    real = deepxde().config.real
    before = real.precision
    real.set_float64()
    try:
        yield
    finally:
        {16: real.set_float16, 32: real.set_float32, 64: real.set_float64}[before]()
