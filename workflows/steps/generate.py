"""Reference data: independent walkers on a reference method."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import (
    Angstrom,
    Count,
    Femtoseconds,
    ForceLimit,
    Kelvin,
    Output,
    Positive,
    Reference,
    Unit,
    Within,
)
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.names import is_name
from surrogates.workflows.structure_fields import Structures


@dataclass(frozen=True)
class Walk:
    """A Langevin trajectory.

    Args:
        temperature: K. samples: labelled structures. timestep: fs. friction: 1/fs.
        equilibration: fs before the first sample. fmax: eV/Å to which the start is relaxed.
        structures: where it starts, in place of the step's.
    """

    temperature: Kelvin
    samples: Count
    timestep: Femtoseconds = 0.5
    friction: Annotated[float, Unit("1/fs"), Within(open=True)] = 0.02
    equilibration: Annotated[float, Unit("fs"), Within(0)] = 500.0
    fmax: ForceLimit = 0.05
    structures: Structures | None = None


@dataclass(frozen=True)
class Rattled:
    """Independent random displacements.

    Args:
        rattle: standard deviation, Å. samples: labelled structures. strain: of a periodic cell, standard deviation.
        volume: low and high factor of its volume. structures: where it starts, in place of the step's.
    """

    rattle: Angstrom
    samples: Count
    strain: Annotated[float, Within(0)] = 0.0
    volume: list[Positive] | None = None
    structures: Structures | None = None


@dataclass(frozen=True)
class Generate:
    """Sample structures and label them by a reference method.

    Args:
        structures: where walkers start. reference: the method. spacing: fs between samples of a walker.
        walkers: by name; each is an output of its own, and no two share a trajectory. A list of them is one output.
    """

    structures: Structures
    reference: Reference
    walkers: dict[str, Walk | Rattled | list[Walk | Rattled]]
    spacing: Femtoseconds = 25.0

    def __post_init__(self) -> None:
        if not self.walkers:
            raise ValueError("there are no walkers; name at least one, such as train: {temperature: 500, samples: 100}")
        for name, walkers in self.walkers.items():
            if walkers == []:
                raise ValueError(f"{name} is an empty list; give at least one walker")
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a walker; use letters, digits, '_' and '-'")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("parts"), **{name: Output("structures", f"{name}.h5") for name in self.walkers}}

    def jobs(self) -> list[str]:
        return list(self.walkers)

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.datasets.generators import plan_jobs, run_job
        from surrogates.workflows.inputs import start_structures

        given = self.walkers[job]
        (task,) = plan_jobs(
            start_structures(self.structures),
            self.reference,
            {job: [self._words(walker) for walker in (given if isinstance(given, list) else [given])]},
            spacing=self.spacing,
            seed=desk.seed,
            directory=desk.folder,
            trust=desk.trust,
        )
        done = run_job(task, lambda samples, total: desk.progress(samples, total, "samples"))
        write_json(desk.job_folder(job) / "failures.json", done.failures)
        write_json(desk.job_folder(job) / "calls.json", done.calls)

    def _words(self, walker: Walk | Rattled) -> dict[str, Any]:
        from surrogates.workflows.inputs import start_structures

        own = walker.structures
        words = {f.name: getattr(walker, f.name) for f in fields(walker) if f.name != "structures"}
        return words if own is None else {**words, "structures": start_structures(own)}

    def finish(self, desk: Desk) -> Generated:
        return Generated({name: self._part(name, desk) for name in self.walkers}, self.reference)

    def _part(self, name: str, desk: Desk) -> Part:
        from surrogates.datasets import Structures as Stored

        data = Stored.open(desk.folder / f"{name}.h5")
        failures = tuple(read_json(desk.job_folder(name) / "failures.json") or ())
        calls = read_json(desk.job_folder(name) / "calls.json") or 0
        return Part(f"{name}.h5", len(data), data.hash, len(failures), failures[:5], data.elements, calls)


@dataclass(frozen=True)
class Part:
    """One file of labelled structures.

    Args:
        file: in the step's folder. samples: structures in it. hash: of its content.
        failed: structures that the reference could not label, with the first `reasons`. elements: atomic numbers.
        calls: calculations by the reference for samples, failures and starts, without those of dynamics between them.
    """

    file: str
    samples: int
    hash: str
    failed: int = 0
    reasons: tuple[str, ...] = ()
    elements: tuple[int, ...] = ()
    calls: int = 0


@dataclass(frozen=True)
class Generated:
    """Data by part; `result["train"]`.

    Args:
        parts: by walker. reference: the method, as in a file.
    """

    parts: dict[str, Part]
    reference: dict[str, Any]

    def __getitem__(self, name: str) -> Part:
        return self.parts[name]
