"""Long predictions of an operator: error growth beside persistence and a coarse solver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, FieldsFile, Output, TrainedOperator
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode


@dataclass(frozen=True)
class Rollout:
    """Feed an operator its own output, from the first frames of each trajectory to its end.

    Args:
        operator: a trained operator, made for steps (u[t] to u[t+1]). data: trajectories to start from and to compare
            with. steps: how many; to the end of the trajectories when not given. every: each n-th grid point.
        coarser: the solver on a grid so many times coarser goes beside it, where the data name their solver.
    """

    operator: TrainedOperator
    data: FieldsFile
    steps: Count | None = None
    every: Count = 1
    coarser: Count | None = 4

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.field_inputs import field_data, trained_operator
        from surrogates.workflows.field_measures import rolled_out

        folder = desk.job_folder(job)
        operator, data = trained_operator(self.operator, desk), field_data(self.data, self.every)
        found: Any = rolled_out(operator, data, self.steps, self.coarser, folder / "arrays.npz")
        write_json(folder / "result.json", encode(found))

    def finish(self, desk: Desk) -> RolledOut:
        found: RolledOut = decode(RolledOut, read_json(desk.job_folder("all") / "result.json"))
        return replace(found, file=f"jobs/all/{found.file}")


@dataclass(frozen=True)
class RolledOut:
    """Errors step by step, by field; relative L2 over the frames of a step.

    Args:
        trajectories, steps: how many; steps are those with a truth. times: of the frames.
        error: mean, 10 % and 90 % quantile over trajectories. single: mean, each step from the truth. persistence: of
            the newest frame of the start. coarse: of the solver on a coarser grid, {} where there is none.
        mean_change, truth_change: mean |change of the mean over the domain| since the start, by frame.
        coverage: share of values inside the 90 % band, by frame; {} without a spread. left_data: trajectories that left
            the training data. file: frames of a median trajectory, and spectra (npz).
    """

    trajectories: int
    steps: int
    times: tuple[float, ...]
    error: dict[str, tuple[tuple[float, float, float], ...]]
    single: dict[str, tuple[float, ...]]
    persistence: dict[str, tuple[float, ...]]
    coarse: dict[str, tuple[float, ...]] = field(default_factory=dict)
    mean_change: dict[str, tuple[float, ...]] = field(default_factory=dict)
    truth_change: dict[str, tuple[float, ...]] = field(default_factory=dict)
    coverage: dict[str, tuple[float, ...]] = field(default_factory=dict)
    left_data: int = 0
    file: str = ""
