"""Training of a network on meshes, or of the members of an ensemble side by side; calibrated where data is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from surrogates.physics.errors import DomainError
from surrogates.selection import parse_all
from surrogates.workflows.descent import check_budget, plan_of, progress_hook
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import (
    Count,
    Fraction,
    MeshModel,
    MeshParts,
    Minutes,
    Output,
    Positive,
    Within,
)
from surrogates.workflows.files import write_json

FILE = "mesh.safetensors"
Share = Annotated[float, Within(0)]


@dataclass(frozen=True)
class TrainMeshSurrogate:
    """Train a network on the meshes of the parts `train` and `valid`, calibrate its bands on `calibration`.

    Args:
        data: a step with these parts, or files by these names. model: the network; its dim, in_channels and
            out_channels come from the data unless given.
        input, target: fields that go in and come out: none and "von_mises" of a steady problem, "velocity[t]" and
            "velocity[t+1]" for one step of a rollout. tags: named sets of nodes that it is told; None for all.
        parameters: numbers of the mesh that it is told; None for all that differ between meshes.
        coordinates: "points", "centred", "distance:TAG" or several. prescribed: field -> tags where it is known, such
            as {velocity: [inlet, wall]}. noise: of the input in training: a share of one step's change, or by field a
            standard deviation in its unit. order: 0 predicts the value, 1 its increment, 2 its acceleration; by field.
        weighting: "mass" counts errors by area, "nodes" each node alike. moving: the displacement field by which the
            mesh has moved.
        members: of the ensemble, trained from different seeds. epochs, steps, minutes: the budget of each, one of them;
            epochs and steps repeat to the bit. batch_size: meshes a step. lr: peak learning rate.
        weights: of the fields in the loss, 1 unless given.
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: MeshParts
    model: MeshModel
    target: str | list[str]
    input: str | list[str] = field(default_factory=list)
    tags: list[str] | None = None
    parameters: list[str] | None = None
    coordinates: str | list[str] = field(default_factory=list)
    prescribed: dict[str, Any] = field(default_factory=dict)
    noise: Share | dict[str, Share] = 0.0
    order: int | dict[str, int] | None = None
    weighting: Literal["nodes", "mass"] = "mass"
    moving: str | None = None
    members: Count = 1
    epochs: Count | None = None
    steps: Count | None = None
    minutes: Minutes | None = None
    batch_size: Count = 4
    lr: Positive = 1e-3
    weights: dict[str, Share] | None = None
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: Share = 1e-4
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: Fraction = 0.02
    ema: Fraction = 0.99
    clip: Positive | None = 1.0
    validations: Count = 10
    patience: Count | None = None
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        check_budget(self)
        if isinstance(self.data, dict) and "train" not in self.data:
            raise ValueError("the data has no part `train`")
        if str(self.model["use"]).endswith(("PlateGraphNet", "VertexGraphNet")):
            raise ValueError(
                "graphs of panels are trained by the step train_plate_graph; name a network on meshes here"
            )
        try:
            parse_all(self.target)
            if self.input:
                parse_all(self.input)
        except DomainError as error:  # of the file, before anything runs
            raise ValueError(str(error)) from error

    def outputs(self) -> dict[str, Output]:
        return {"": Output("mesh surrogate", FILE)}

    def jobs(self) -> list[str]:
        return [f"member-{k}" for k in range(self.members)]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.training import fit

        seed = 1000 * desk.seed + int(job.rpartition("-")[2])
        folder, train, valid = desk.job_folder(job), self._part("train"), self._part("valid")
        task = self._task(train, desk, seed)
        plan = plan_of(self, desk)
        fitted = fit(task, train, valid, plan=plan, hooks=[progress_hook(desk)], seed=seed, directory=folder)
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)

    def _task(self, train: Any, desk: Desk, seed: int) -> Any:
        """The task with a new model, its weights drawn from `seed`."""
        import torch

        from surrogates.construct import construct
        from surrogates.tasks.mesh_map import MeshMap
        from surrogates.workflows.mesh_inputs import varying

        told = {
            "input": self.input,
            "target": self.target,
            "tags": list(train.tags) if self.tags is None else self.tags,
            "parameters": varying(train) if self.parameters is None else self.parameters,
            "coordinates": self.coordinates,
        }
        channels = MeshMap.channels(train, **told)  # type: ignore[arg-type]
        sizes = {"dim": train.dim, "in_channels": channels[0], "out_channels": channels[1]}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return MeshMap(
                construct({**sizes, **self.model}, desk.trust),
                **told,  # type: ignore[arg-type]
                prescribed=self.prescribed,
                noise=self.noise,
                order=self.order,
                weighting=self.weighting,
                moving=self.moving,
            )

    def finish(self, desk: Desk) -> TrainedMeshSurrogate:
        from surrogates.workflows.mesh_training import trained

        folders = [desk.job_folder(job) for job in self.jobs()]
        parts = {name: self._part(name) for name in self.PARTS}
        return trained(FILE, str(self.model["use"]), folders, parts, desk)

    def _part(self, name: str) -> Any:
        from surrogates.workflows.mesh_inputs import mesh_data

        assert isinstance(self.data, dict)  # links were replaced by paths
        return mesh_data(self.data[name]) if name in self.data else ()


@dataclass(frozen=True)
class TrainedMeshSurrogate:
    """A trained network on meshes.

    Args:
        file, digest: the checkpoint and its SHA-256. history: losses by epoch and validation. model: its class.
        members, parameters: how many, and weights in each. steps: that each member made. stopped: why before its
            budget's end, None where it was not. train, valid, calibration: meshes of each part.
        papers: titles of the methods.
    """

    file: str
    digest: str
    history: str
    model: str
    members: int
    parameters: int
    steps: tuple[int, ...]
    stopped: str | None
    train: int
    valid: int
    calibration: int
    papers: tuple[str, ...] = ()
