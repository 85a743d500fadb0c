"""The ground state of a chain by DMRG, with what shows whether it is one: variance, bond dimensions, a second start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, Output, Positive
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.quantum_models import Chain, check_start

FILE = "state.h5"


@dataclass(frozen=True)
class GroundState:
    """Find the ground state of a chain as a matrix product state (DMRG).

    Args:
        model: the chain. chi: bond dimensions, ascending; energies at all of them are extrapolated in the variance.
        starts: where the search begins: neel, domains (a half each), shuffled, random, or a state for each site. The
            first goes through all of chi, the others are searched at the largest, to see whether they end in one state.
        energy_tol: of the energy's change in a sweep. sites: optimised at a time. conserve: a charge such as Sz or n
            that the model conserves: the search stays in the sector of the start, in blocks.
        levels: lowest states, 1 for the ground state alone. measure: operators measured on every site; Sz or n where
            none is named, and its connected correlations with the middle site. max_sweeps: of a search.
    """

    model: Chain
    chi: list[Count] = field(default_factory=lambda: [16, 32, 64])
    starts: list[str | list[str]] = field(default_factory=lambda: list[Any](("neel", "shuffled")))
    energy_tol: Positive = 1e-9
    sites: Literal["one", "two"] = "two"
    conserve: str | None = None
    levels: Count = 1
    measure: list[str] | None = None
    max_sweeps: Count = 60

    def __post_init__(self) -> None:
        if not self.chi or sorted(set(self.chi)) != self.chi:
            raise ValueError(f"chi: {self.chi}; give bond dimensions in ascending order, such as [32, 64, 128]")
        if not self.starts:
            raise ValueError("starts is empty; give one at least, such as [neel, shuffled]")
        for start in self.starts:
            check_start(start, self.model.length)
        if self.conserve is not None and ("random" in self.starts or self.sites == "one" or self.levels > 1):
            raise ValueError("conserve goes with two sites, one level, and starts in one sector: neel, shuffled")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("quantum result", "record.json"), "state": Output("quantum state", FILE)}

    def jobs(self) -> list[str]:
        return [f"start-{k}" for k in range(len(self.starts))]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.quantum_ground import search

        number = int(job.rpartition("-")[2])
        search(self, number, desk.job_folder(job), desk)

    def finish(self, desk: Desk) -> GroundStateFound:
        from surrogates.workflows.quantum_ground import gathered

        return gathered(self, desk)


@dataclass(frozen=True)
class Search:
    """One search: where it began, its bond dimension, and what it found.

    Args:
        energy, variance: <H> and <H^2> - <H>^2. discarded: largest discarded weight of a cut in the last sweep.
        sweeps: made. converged: whether the energy settled. fidelity: |<this|the state kept>|^2.
    """

    start: str
    chi: int
    energy: float
    variance: float
    discarded: float
    sweeps: int
    converged: bool
    fidelity: float | None = None


@dataclass(frozen=True)
class GroundStateFound:
    """The lowest state found, `result.energy`.

    Args:
        model: in words. length: sites. energy, variance, discarded, converged, chi: of the state kept. searches: all.
        extrapolated: energy at variance zero, by the line through the last two bond dimensions; None of one, or where
            the variance did not fall. extrapolation_error: its distance from the last energy.
        starts_differ: largest difference of the energies from different starts; None of one. levels: energies of the
            lowest states. entropy: entanglement of the middle cut. measured: what arrays.npz has on every site.
        file: arrays for pictures.
    """

    model: str
    length: int
    energy: float
    variance: float
    discarded: float
    converged: bool
    chi: int
    searches: tuple[Search, ...]
    extrapolated: float | None
    extrapolation_error: float | None
    starts_differ: float | None
    levels: tuple[float, ...]
    levels_converged: bool
    entropy: float
    measured: tuple[str, ...]
    file: str = "arrays.npz"

    @property
    def uncertainty(self) -> float:
        """An estimate of the energy's error: the larger of what extrapolation and the second start say."""
        return max(self.extrapolation_error or 0.0, self.starts_differ or 0.0)


def rows_in(folder: Any) -> list[dict[str, Any]]:
    """Searches that a job has finished so far."""
    return read_json(folder / "rows.json") or []


def keep_rows(folder: Any, rows: list[dict[str, Any]]) -> None:
    """Note them."""
    write_json(folder / "rows.json", rows)
