"""Training of a graph network on panels of plates, or of the members of an ensemble side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from surrogates.workflows.descent import check_budget, plan_of, progress_hook
from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, Fraction, MeshModel, MeshParts, Minutes, Output, Positive, Within
from surrogates.workflows.files import write_json
from surrogates.workflows.steps.train_mesh_surrogate import TrainedMeshSurrogate

FILE = "plates.safetensors"


@dataclass(frozen=True)
class TrainPlateGraph:
    """Train a graph network on panels of the parts `train` and `valid`, calibrate its bands on `calibration`.

    Args:
        data: a step with these parts, or files by these names. model: PlateGraphNet, whose vertices are plates, or
            VertexGraphNet, whose vertices are the mesh's nodes. field: the stress that is predicted.
        members: of the ensemble, trained from different seeds. epochs, steps, minutes: the budget of each, one of them;
            epochs and steps repeat to the bit. batch_size: panels a step. lr: peak learning rate.
        weights: of "field" and "peak" in the loss.
        optimizer, weight_decay, schedule, warmup, ema, clip, validations, patience, dtype: see training.Plan.
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: MeshParts
    model: MeshModel
    field: str = "von_mises"
    members: Count = 1
    epochs: Count | None = None
    steps: Count | None = None
    minutes: Minutes | None = None
    batch_size: Count = 16
    lr: Positive = 1e-3
    weights: dict[str, Annotated[float, Within(0)]] | None = None
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: Annotated[float, Within(0)] = 1e-4
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

    def outputs(self) -> dict[str, Output]:
        return {"": Output("mesh surrogate", FILE)}

    def jobs(self) -> list[str]:
        return [f"member-{k}" for k in range(self.members)]

    def work(self, job: str, desk: Desk) -> None:
        import torch

        from surrogates.construct import construct
        from surrogates.tasks.plate_stress import PlateStress
        from surrogates.training import fit

        seed = 1000 * desk.seed + int(job.rpartition("-")[2])
        folder, train, valid = desk.job_folder(job), self._part("train"), self._part("valid")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            task = PlateStress(construct(self.model, desk.trust), field=self.field)
        hooks = [progress_hook(desk)]
        fitted = fit(task, train, valid, plan=plan_of(self, desk), hooks=hooks, seed=seed, directory=folder)
        fitted.save(folder / "member.safetensors")
        write_json(folder / "training.json", fitted.timings)

    def finish(self, desk: Desk) -> TrainedMeshSurrogate:
        from surrogates.workflows.mesh_training import trained

        folders = [desk.job_folder(job) for job in self.jobs()]
        parts = {name: self._part(name) for name in self.PARTS}
        return trained(FILE, str(self.model["use"]), folders, parts, desk)

    def _part(self, name: str) -> Any:
        from surrogates.workflows.mesh_inputs import mesh_data

        assert isinstance(self.data, dict)  # links were replaced by paths
        return mesh_data(self.data[name]) if name in self.data else ()
