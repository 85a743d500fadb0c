"""What an evolution in time gives, and the measurements along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.mps import MPS

Measure = Mapping[str, str | Tensor | Callable[[MPS], Any]]
"""By name: an operator measured on every site, by its name or matrix, or a function of the state."""


@dataclass(frozen=True)
class Evolution:
    """A state followed in time.

    Args:
        times: (n,) of the measurements, with 0 and the end. measured: by name, (n, sites) or what a function gave.
        energy: (n,) <H>, constant for real time. norm: (n,), what truncation and rounding left of it, before the state
            is normalised. chi: (n,) largest bond. state: at the last time. discarded: sum of discarded weights; a bound
            of the distance to the untruncated state is `error_bound`, the sum of their roots. log_norm: (n,) of the
            norm that imaginary time has given the state since the start; zero in real time.
    """

    times: Tensor
    measured: dict[str, Tensor]
    energy: Tensor
    norm: Tensor
    chi: Tensor
    state: MPS
    discarded: float
    error_bound: float
    log_norm: Tensor


@dataclass
class Record:
    """Fills an Evolution step by step."""

    measure: Measure
    energy_of: Callable[[MPS], float]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def take(self, time: float, state: MPS, norm: float, log_norm: float = 0.0) -> None:
        """Measure the state at a time."""
        found = {name: _measured(state, what) for name, what in self.measure.items()}
        chi = max(state.bonds, default=1)
        numbers = {"time": time, "energy": self.energy_of(state), "norm": norm, "chi": chi, "log_norm": log_norm}
        self.rows.append({**numbers, "found": found})

    def done(self, state: MPS, discarded: float, bound: float) -> Evolution:
        """All rows together."""
        names = ("time", "energy", "norm", "log_norm")
        columns = {k: torch.tensor([float(row[k]) for row in self.rows], dtype=torch.float64) for k in names}
        found = {name: torch.stack([row["found"][name] for row in self.rows]) for name in self.measure}
        return Evolution(
            columns["time"],
            found,
            columns["energy"],
            columns["norm"],
            torch.tensor([row["chi"] for row in self.rows]),
            state,
            discarded,
            bound,
            columns["log_norm"],
        )


def steps_of(time: float | int, dt: float | int) -> int:
    """How many steps of dt make up the time. Raises DomainError where they do not."""
    count = round(time / dt) if dt else 0
    if dt <= 0 or time <= 0 or abs(count * dt - time) > 1e-9 * max(time, dt):
        raise DomainError(f"time={time}, dt={dt}; give positive ones, the time a multiple of dt")
    return count


def _measured(state: MPS, what: Any) -> Tensor:
    if callable(what) and not isinstance(what, Tensor):
        return torch.as_tensor(what(state))
    return state.expect(what)
