"""A user's own trajectories on grids: read, checked and split once."""

from __future__ import annotations

from dataclasses import dataclass, field

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, FieldsFile, Fraction, Output
from surrogates.workflows.names import is_name
from surrogates.workflows.steps.generate_fields import FieldPart, part_of

_SPLIT = {"train": 0.7, "valid": 0.1, "calibration": 0.1, "test": 0.1}


@dataclass(frozen=True)
class ReadFields:
    """Read trajectories and split them into parts, a whole trajectory always into one of them.

    Args:
        file: a file or folder in the layout of The Well or of PDEBench, or written by us.
        every: keep each n-th grid point along every axis. split: shares by part; each part is an output of its own.
    """

    file: FieldsFile
    every: Count = 1
    split: dict[str, Fraction] = field(default_factory=lambda: dict(_SPLIT))

    def __post_init__(self) -> None:
        for name in self.split:
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a part; use letters, digits, '_' and '-'")
        if not self.split or abs(sum(self.split.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of split add up to {sum(self.split.values()):g}; they must add up to 1")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("field parts"), **{name: Output("fields", f"{name}.h5") for name in self.split}}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows.field_inputs import field_data

        data = field_data(self.file, self.every)
        parts = data.split(*self.split.values(), seed=desk.seed)
        for k, (name, part) in enumerate(zip(self.split, parts, strict=True)):
            part.save(desk.folder / f"{name}.h5")
            desk.progress(k + 1, len(parts), "parts")
        text = str(data.provenance.get("description", f"{len(data)} trajectories of {', '.join(data.names)}"))
        (desk.job_folder(job) / "description.txt").write_text(text, encoding="utf-8")

    def finish(self, desk: Desk) -> FieldsRead:
        text = (desk.job_folder("all") / "description.txt").read_text(encoding="utf-8")
        return FieldsRead({name: part_of(desk, f"{name}.h5") for name in self.split}, text)


@dataclass(frozen=True)
class FieldsRead:
    """Parts by name, and what was found in the file."""

    parts: dict[str, FieldPart]
    description: str

    def __getitem__(self, name: str) -> FieldPart:
        return self.parts[name]
