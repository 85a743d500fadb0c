"""Reference data on grids: solutions of an equation by one of our solvers, in independent parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.field_generators import arguments_of, generators
from surrogates.workflows.fields import Output
from surrogates.workflows.files import write_json
from surrogates.workflows.names import is_name
from surrogates.workflows.words import accepted

_OURS = ("seed", "workers", "progress", "directory")  # arguments that the step gives


@dataclass(frozen=True)
class GenerateFields:
    """Solve an equation for many initial states, coefficients or parameters.

    Args:
        generator: which problem, one of `surrogates list generators` on fields. settings: its arguments, for all parts.
        parts: by name, each with `samples` and whatever differs from the settings; each part is an output of its own
            and draws its states from a seed of its own.
    """

    generator: str
    parts: dict[str, dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = generators()
        if self.generator not in known:
            raise ValueError(f'there is no generator "{self.generator}"; {accepted(known, self.generator)}')
        if not self.parts:
            raise ValueError("there are no parts; name at least one, such as train: {samples: 1000}")
        words = [a for a in arguments_of(self.generator) if a not in _OURS]
        for name, own in self.parts.items():
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a part; use letters, digits, '_' and '-'")
            if not isinstance(own.get("samples", self.settings.get("samples")), int):
                raise ValueError(f"part {name} needs samples, a whole number")
            for key in (*self.settings, *own):
                if key not in words:
                    raise ValueError(f'{self.generator} has no argument "{key}"; {accepted(words, key)}')

    def outputs(self) -> dict[str, Output]:
        return {"": Output("field parts"), **{name: Output("fields", f"{name}.h5") for name in self.parts}}

    def jobs(self) -> list[str]:
        return list(self.parts)

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.datasets import generators as room

        make = getattr(room, self.generator)
        seed = 1000 * desk.seed + list(self.parts).index(job)
        words = {**self.settings, **self.parts[job]}

        def progress(done: int, total: int) -> None:
            desk.progress(done, total, "samples")

        data = make(**words, seed=seed, progress=progress, directory=desk.job_folder(job) / "shards")
        data.save(desk.folder / f"{job}.h5")
        write_json(desk.job_folder(job) / "part.json", {"samples": len(data)})

    def finish(self, desk: Desk) -> GeneratedFields:
        return GeneratedFields({name: part_of(desk, f"{name}.h5") for name in self.parts}, self.generator)


@dataclass(frozen=True)
class FieldPart:
    """One file of trajectories.

    Args:
        file: in the step's folder. samples: trajectories in it. hash: of its content. frames: of each. grid: points
            along each axis. fields: rank by name. parameters: range (low, high) by name.
    """

    file: str
    samples: int
    hash: str
    frames: int
    grid: tuple[int, ...]
    fields: dict[str, int]
    parameters: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class GeneratedFields:
    """Data by part, `result["train"]`, and the generator that made them."""

    parts: dict[str, FieldPart]
    generator: str = ""

    def __getitem__(self, name: str) -> FieldPart:
        return self.parts[name]


def part_of(desk: Desk, file: str) -> FieldPart:
    """What a file of fields in the step's folder holds."""
    from surrogates.datasets import Fields

    data = Fields.open(desk.folder / file)
    first = data[0]
    told: dict[str, tuple[float, float]] = {}
    for name in data.parameter_names:
        values = data.parameter(name)  # the fields are not read
        told[name] = (float(values.min()), float(values.max()))
    ranks = {name: first.rank(name) for name in (*first.fields, *first.constants)}
    return FieldPart(file, len(data), data.hash, len(first.times), tuple(len(a) for a in first.axes), ranks, told)
