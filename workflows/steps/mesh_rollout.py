"""Long predictions of a network on meshes: error growth beside no change, bands along the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, MeshesFile, Output, TrainedMeshSurrogate
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode


@dataclass(frozen=True)
class MeshRollout:
    """Feed a network on meshes its own output, from the first frames of each history to its end.

    Args:
        surrogate: a trained network, made for steps (u[t] to u[t+1]). data: histories to start from and to compare
            with. steps: how many; to the end of the histories when not given.
    """

    surrogate: TrainedMeshSurrogate
    data: MeshesFile
    steps: Count | None = None

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.mesh_inputs import mesh_data, mesh_surrogate
        from surrogates.workflows.mesh_rolled import rolled_out

        folder = desk.job_folder(job)
        found, seconds = rolled_out(
            mesh_surrogate(self.surrogate, desk), mesh_data(self.data), self.steps, folder / "arrays.npz"
        )
        write_json(folder / "result.json", encode(found))
        write_json(folder / "seconds.json", seconds)

    def finish(self, desk: Desk) -> MeshesRolledOut:
        folder = desk.job_folder("all")
        write_json(desk.folder / "measured.json", {"rollout": read_json(folder / "seconds.json")})
        found: MeshesRolledOut = decode(MeshesRolledOut, read_json(folder / "result.json"))
        return replace(found, file=f"jobs/all/{found.file}")


@dataclass(frozen=True)
class MeshesRolledOut:
    """Errors step by step, by field; relative L2 with the mass matrix.

    Args:
        histories, steps: how many; steps are those with a truth. times: of the frames of a median history.
        error: mean, 10 % and 90 % quantile over histories. single: mean, each step from the truth. persistence: of the
            newest frame of the start. rmse, rmse_first, rmse_persistence: over nodes, components, histories and all
            steps, of the first step, and of no change, in the field's unit, as MeshGraphNet's tables have it.
        coverage: share of values inside the 90 % band, by step; {} without a spread. left_data: histories that left
            the training data. file: frames of a median history (npz).
    """

    histories: int
    steps: int
    times: tuple[float, ...]
    error: dict[str, tuple[tuple[float, float, float], ...]]
    single: dict[str, tuple[float, ...]]
    persistence: dict[str, tuple[float, ...]]
    rmse: dict[str, float]
    rmse_first: dict[str, float] = field(default_factory=dict)
    rmse_persistence: dict[str, float] = field(default_factory=dict)
    coverage: dict[str, tuple[float, ...]] = field(default_factory=dict)
    left_data: int = 0
    file: str = ""
