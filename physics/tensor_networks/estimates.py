"""What a search costs and what its cuts cost: memory before it begins, the error of its energy after it."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from surrogates.physics.errors import DomainError, SurrogatesWarning
from surrogates.physics.tensor_networks.mpo import MPO

_LANCZOS = 8  # vectors of two sites that are alive at once


@dataclass(frozen=True)
class Sweep:
    """One sweep from end to end: energy after it, largest bond, largest discarded weight of a cut, noise added,
    and the bond dimension that was allowed."""

    energy: float
    chi: int
    discarded: float
    noise: float
    limit: int


def estimate(sweeps: Sequence[Sweep]) -> tuple[float, float]:
    """(error of the energy by truncation, power p of its fall with chi), from the last sweep of the two largest bonds.

    The energy is nearly a line of the discarded weight; nan where it cannot be drawn.
    """
    last: dict[int, Sweep] = {}
    for sweep in sweeps:
        if sweep.noise == 0:
            last[sweep.limit] = sweep
    if not last:
        return math.nan, math.nan
    fine = last[max(last)]
    if fine.chi < fine.limit:  # the cutoff holds the bond, not its limit
        return fine.discarded * abs(fine.energy), math.nan
    coarser = [last[limit] for limit in sorted(last)[:-1] if last[limit].discarded > 2 * fine.discarded]
    if not coarser:
        return math.nan, math.nan
    coarse = coarser[-1]
    slope = (coarse.energy - fine.energy) / (coarse.discarded - fine.discarded)
    power = math.log(coarse.discarded / fine.discarded) / math.log(fine.limit / coarse.limit)
    return max(0.0, slope * fine.discarded), power


def warn_of_truncation(sweeps: Sequence[Sweep], chi_max: int, accuracy: float) -> None:
    """A SurrogatesWarning where chi_max is too small for the accuracy."""
    error, power = estimate(sweeps)
    if not error > accuracy:
        return
    enough = math.ceil(chi_max * (error / accuracy) ** (1 / power))
    warnings.warn(
        f"chi_max={chi_max} leaves an error of about {error:.1e} in the energy, above the accuracy {accuracy:.1e}; "
        f"chi_max={enough} would do",
        SurrogatesWarning,
        stacklevel=3,
    )


def memory_needed(operator: MPO, dtype: torch.dtype, chi: int) -> int:
    """Bytes of a two-site search with bonds of chi: tensors, blocks of every bond, two sites' operators and vectors."""
    d, count = operator.tensors[0].shape[2], len(operator)
    bonds = [min(chi, d ** min(n, count - n, 60)) for n in range(count + 1)]
    channels = [1, *operator.bonds, 1]
    numbers = sum(d * a * b for a, b in itertools.pairwise(bonds))
    numbers += sum((w - 1) * b * b for w, b in zip(channels, bonds, strict=True))
    numbers += (_LANCZOS + max(channels) + 4) * d * d * max(bonds) ** 2
    return numbers * torch.promote_types(operator.dtype, dtype).itemsize


def check_memory(operator: MPO, dtype: torch.dtype, chi: int) -> None:
    """Raises DomainError where the search would not fit, with the chi that does."""
    there = _available(operator.tensors[0].device)
    if memory_needed(operator, dtype, chi) <= there:
        return
    low, high = 1, chi
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if memory_needed(operator, dtype, middle) <= there else (low, middle)
    needed = memory_needed(operator, dtype, chi) / 1e9
    raise DomainError(
        f"chi_max={chi} on {len(operator)} sites needs {needed:.3g} GB of memory and {there / 1e9:.3g} GB are there; "
        f"chi_max={low} fits"
    )


def _available(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") + _cached()
    except (ValueError, OSError, AttributeError):  # no such number on this system
        return 2**62


def _cached() -> int:
    """Bytes that the system keeps of files and would give back."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return max(0, int(lines["MemAvailable"].split()[0]) - int(lines["MemFree"].split()[0])) * 1024
    except (OSError, KeyError, ValueError):
        return 0
