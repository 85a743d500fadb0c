"""A user's own folder of meshes: read, checked and split once."""

from __future__ import annotations

from dataclasses import dataclass, field

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Fraction, MeshesFile, Output, Positive
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.names import is_name
from surrogates.workflows.steps.generate_meshes import MeshPart, mesh_part_of

_SPLIT = {"train": 0.7, "test": 0.3}


@dataclass(frozen=True)
class ReadMeshes:
    """Read meshes and split them into parts, a whole design always into one of them.

    Files that cannot be read or do not fit the others are listed in the result and in the report, and left out.

    Args:
        file: a folder of .msh, .vtk, .vtu, .xdmf, .stl or .inp files, one of them, or a data set written by us.
        fields: to keep, which every file must have; None for those that most have. tags: named sets of nodes that
            every file must have. Numbers of each mesh (loads, material) are taken from parameters.csv in the folder.
        group: a column of that table; meshes alike in it stay in one part. units: of fields, parameters and "points".
        spacing: time between files that differ in the last number of their names: they are then one history.
        drop_unused: remove nodes that belong to no cell.
        split: shares by part; each part is an output of its own.
    """

    file: MeshesFile
    fields: list[str] | None = None
    tags: list[str] = field(default_factory=list)
    group: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    spacing: Positive | None = None
    drop_unused: bool = False
    split: dict[str, Fraction] = field(default_factory=lambda: dict(_SPLIT))

    def __post_init__(self) -> None:
        for name in self.split:
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a part; use letters, digits, '_' and '-'")
        if not self.split or abs(sum(self.split.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of split add up to {sum(self.split.values()):g}; they must add up to 1")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("mesh parts"), **{name: Output("meshes", f"{name}.h5") for name in self.split}}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.mesh_inputs import read_folder

        told = {name: getattr(self, name) for name in ("group", "units", "spacing", "drop_unused")}
        data, misfits = read_folder(self.file, self.fields, self.tags, told)
        parts = data.split(*self.split.values(), seed=desk.seed)
        for k, (name, part) in enumerate(zip(self.split, parts, strict=True)):
            part.save(desk.folder / f"{name}.h5")
            desk.progress(k + 1, len(parts), "parts")
        write_json(desk.job_folder(job) / "told.json", {"description": data.description, "misfits": misfits})

    def finish(self, desk: Desk) -> MeshesRead:
        told = read_json(desk.job_folder("all") / "told.json")
        parts = {name: mesh_part_of(desk, f"{name}.h5") for name in self.split}
        return MeshesRead(parts, told["description"], told["misfits"])


@dataclass(frozen=True)
class MeshesRead:
    """Parts by name, what was found, and the files that were left out with the reason for each."""

    parts: dict[str, MeshPart]
    description: str
    misfits: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> MeshPart:
        return self.parts[name]
