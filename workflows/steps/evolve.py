"""A chain followed in time by TEBD or TDVP, with runs at half the bond dimension and twice the step beside it."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, Output, Positive, QuantumState
from surrogates.workflows.quantum_models import Chain, Method, check_start

FILE = "state.h5"


@dataclass(frozen=True)
class Evolve:
    """Follow a state of a chain in time, exp(-i H t), measuring along the way.

    Args:
        model: the chain. start: neel, domains (a half each), shuffled, random, or a list with a state for each site.
            state: a state of another step instead, such as ${ground.state}. time, dt: end and step, in inverse units of
            the model. chi: largest bond. method: tebd (order 2), tebd4 (order 4), or tdvp, which takes terms of any
            range. measure: operators measured on every site; Sz or n where none is named. every: steps between
            measurements.
        check: run again with half of chi and with twice dt, so that the error of both is known.
    """

    model: Chain
    time: Positive
    dt: Positive = 0.05
    chi: Count = 64
    start: str | list[str] = "neel"
    state: QuantumState | None = None
    method: Method = "tebd4"
    measure: list[str] | None = None
    every: Count = 1
    check: bool = True

    def __post_init__(self) -> None:
        check_start(self.start, self.model.length)
        steps = round(self.time / self.dt)
        if steps < 1 or abs(steps * self.dt - self.time) > 1e-9 * self.time:
            raise ValueError(f"time {self.time:g} is no multiple of dt {self.dt:g}")
        if steps % self.every:
            raise ValueError(f"{steps} steps with a measurement every {self.every}; the last must be measured, too")
        if self.check and (steps < 2 * self.every or self.chi < 4):
            raise ValueError("check needs twice as many steps as between measurements, and chi of 4; or check: false")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("quantum result", "record.json"), "state": Output("quantum state", FILE)}

    def jobs(self) -> list[str]:
        return ["main", *(("half-chi", "twice-dt") if self.check else ())]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.quantum_evolution import follow

        follow(self, job, desk)

    def finish(self, desk: Desk) -> Evolved:
        from surrogates.workflows.quantum_evolution import gathered

        return gathered(self, desk)


@dataclass(frozen=True)
class Evolved:
    """A state followed in time.

    Args:
        model: in words. length: sites. method, time, dt, chi: as asked; chi_reached: largest bond that occurred.
        start: where it began. energy_drift: largest |E(t) - E(0)| over |E(0)|, or over 1 where that is zero.
            discarded: sum of discarded weights. error_bound: of the distance to the state that nothing was cut from.
        chi_differs, dt_differs: largest differences of what is measured to half of chi and twice dt; None unchecked.
        trusted: time up to which half of chi gives the same to 1e-3; None unchecked. entropy: of the middle cut at the
            end. measured: by name. file: arrays: times, <name> (times, sites), entropy (times, bonds), energy, chi.
    """

    model: str
    length: int
    method: str
    start: str
    time: float
    dt: float
    chi: int
    chi_reached: int
    energy_drift: float
    discarded: float
    error_bound: float
    chi_differs: float | None
    dt_differs: float | None
    trusted: float | None
    entropy: float
    measured: tuple[str, ...]
    file: str = "arrays.npz"
