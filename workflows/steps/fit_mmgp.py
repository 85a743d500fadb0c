"""A Gaussian process on morphed meshes: fields with bands from a few dozen solved designs, in minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, MeshParts, Output
from surrogates.workflows.files import sha256

FILE = "mmgp.safetensors"


@dataclass(frozen=True)
class FitMmgp:
    """Fit an MMGP to the meshes of the part `train`; it calibrates its bands itself, by leave-one-out.

    Args:
        data: a step with this part, or files by names. fields: to predict. modes: of each field: a count, a relative
            tolerance, or "auto". shape_modes: numbers that describe the shape, or "auto". morph: "rbf", "elastic",
            "tutte" for meshes without holes, or "auto". closed: how points of holes correspond. landmarks: a field with
            numbers of corresponding nodes, needed in three dimensions. align: meshes may lie anywhere, turned and
            shifted. vectors, tensors: fields that turn with them. restarts: starts of the search for lengths.
        also: further parts to learn from, such as a calibration part that it does not need: [valid, calibration].
    """

    PARTS: ClassVar = ("train", "valid", "calibration")

    data: MeshParts
    fields: list[str]
    modes: Literal["auto"] | int | float = "auto"
    shape_modes: Literal["auto"] | Count = "auto"
    morph: Literal["auto", "rbf", "elastic", "tutte"] = "auto"
    closed: Literal["angle", "arc_length"] = "angle"
    landmarks: str | None = None
    align: bool = False
    vectors: list[str] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    restarts: Count = 2
    also: list[Literal["valid", "calibration"]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.data, dict) and "train" not in self.data:
            raise ValueError("the data has no part `train`")
        if not self.fields or len(set(self.fields)) < len(self.fields):
            raise ValueError(f"fields: {self.fields} names none, or one twice; name what is to be predicted")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("mesh surrogate", FILE)}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        import torch

        from surrogates.meshes.mmgp import MMGP

        torch.set_num_threads(1)
        words: Any = ("modes", "shape_modes", "morph", "closed", "landmarks", "align", "vectors", "tensors", "restarts")
        model = MMGP(self.fields, seed=desk.seed, **{word: getattr(self, word) for word in words})
        desk.progress(0, 1, f"fits to {len(self._train())} meshes")
        model.fit(self._train()).save(desk.job_folder(job) / FILE)

    def finish(self, desk: Desk) -> FittedMmgp:
        import shutil

        from surrogates.workflows.mesh_inputs import load_mesh_surrogate, papers_of

        shutil.copyfile(desk.job_folder("all") / FILE, desk.folder / FILE)
        model = load_mesh_surrogate(desk.folder / FILE, desk.trust)
        return FittedMmgp(
            file=FILE,
            digest=sha256(desk.folder / FILE),
            train=len(self._train()),
            shape_modes=int(model.shape_modes),
            nodes=int(model.nodes),
            fields={
                name: FittedField(s.modes, s.truncation, s.morph, s.left_out, tuple(s.spectrum))
                for name, s in model.summary.items()
            },
            papers=papers_of(model),
        )

    def _train(self) -> Any:
        from surrogates.workflows.mesh_inputs import mesh_data

        assert isinstance(self.data, dict)  # links were replaced by paths
        found = mesh_data(self.data["train"])
        for name in self.also:
            if name in self.data:
                found = found + mesh_data(self.data[name])
        return found


@dataclass(frozen=True)
class FittedField:
    """Of one field: `modes` kept; relative L2 errors, means over the training meshes, of the modes alone in
    `truncation`, of the way to the common mesh and back in `morph`, of leave-one-out in `left_out`; `spectrum`: share
    of the variance by mode."""

    modes: int
    truncation: float
    morph: float
    left_out: float
    spectrum: tuple[float, ...] = ()


@dataclass(frozen=True)
class FittedMmgp:
    """A fitted MMGP.

    Args:
        file, digest: the checkpoint and its SHA-256. train: meshes learned from. shape_modes: numbers that describe a
            shape. nodes: of the common mesh. fields: modes and floors by name. papers: titles of the methods.
        notes: what the reader should know.
    """

    file: str
    digest: str
    train: int
    shape_modes: int
    nodes: int
    fields: dict[str, FittedField]
    papers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
