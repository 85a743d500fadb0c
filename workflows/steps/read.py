"""A user's own labelled structures: read, checked and split once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Fraction, Output, StructuresFile
from surrogates.workflows.names import is_name

_SPLIT = {"train": 0.7, "valid": 0.1, "calibration": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Read:
    """Read labelled structures and split them into parts.

    Args:
        file: anything that ASE or pymatgen reads. energy, forces, stress: the keys of the labels in it.
        charge, multiplicity: one number for all frames, or the key of each frame's.
        units: the file's units where they are not eV and Å: {energy: kcal/mol, forces: kcal/mol/Å}.
        format: ASE's name of the format, where the file's name does not tell. bad: what to do with a bad frame.
        split: shares by part; each part is an output of its own.
        method: "block" keeps neighbouring frames of a trajectory together, "random" does not.
    """

    file: StructuresFile
    energy: str | None = "energy"
    forces: str | None = "forces"
    stress: str | None = None
    charge: int | str | None = None
    multiplicity: int | str | None = None
    units: dict[str, str] | None = None
    format: str | None = None
    bad: Literal["raise", "quarantine"] = "raise"
    split: dict[str, Fraction] = field(default_factory=lambda: dict(_SPLIT))
    method: Annotated[str, "see datasets.split"] = "block"

    def __post_init__(self) -> None:
        for name in self.split:
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a part; use letters, digits, '_' and '-'")
        if not self.split or abs(sum(self.split.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of split add up to {sum(self.split.values()):g}; they must add up to 1")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("parts"), **{name: Output("structures", f"{name}.h5") for name in self.split}}

    def jobs(self) -> list[str]:
        return ["all"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.datasets import read_structures

        data = read_structures(
            self.file,
            energy=self.energy,
            forces=self.forces,
            stress=self.stress,
            charge=self.charge,
            multiplicity=self.multiplicity,
            units=self.units,
            format=self.format,
            bad=self.bad,
        )
        parts = data.split(*self.split.values(), seed=desk.seed, method=self.method)
        for name, part in zip(self.split, parts, strict=True):
            part.save(desk.folder / f"{name}.h5")
        (desk.job_folder(job) / "description.txt").write_text(data.description, encoding="utf-8")

    def finish(self, desk: Desk) -> ReadData:
        text = (desk.job_folder("all") / "description.txt").read_text(encoding="utf-8")
        parts = {name: self._part(name, desk) for name in self.split}
        counts = ", ".join(f"{name} {part.samples}" for name, part in parts.items())
        return ReadData(parts, f"{text}\nparts: {counts}")

    def _part(self, name: str, desk: Desk) -> ReadPart:
        from surrogates.datasets import Structures

        data = Structures.open(desk.folder / f"{name}.h5")
        return ReadPart(f"{name}.h5", len(data), data.hash, data.elements)


@dataclass(frozen=True)
class ReadPart:
    """One part: `file` in the step's folder, its `samples`, the `hash` of its content, atomic numbers in it."""

    file: str
    samples: int
    hash: str
    elements: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReadData:
    """Parts by name, and what was found in the file: keys, units, charges, frames left out."""

    parts: dict[str, ReadPart]
    description: str

    def __getitem__(self, name: str) -> ReadPart:
        return self.parts[name]
