"""Reference data on meshes: designs solved by finite elements, in independent parts."""

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
class GenerateMeshes:
    """Solve many designs by finite elements, each on a mesh of its own.

    Args:
        generator: which problem, one of `surrogates list generators` on meshes. settings: its arguments, for all parts.
        parts: by name, each with `samples` and whatever differs from the settings; each part is an output of its own
            and draws its designs from a seed of its own.
    """

    generator: str
    parts: dict[str, dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = generators("Meshes")
        if self.generator not in known:
            raise ValueError(f'there is no generator "{self.generator}"; {accepted(known, self.generator)}')
        if not self.parts:
            raise ValueError("there are no parts; name at least one, such as train: {samples: 120}")
        words = [a for a in arguments_of(self.generator, "Meshes") if a not in _OURS]
        for name, own in self.parts.items():
            if not is_name(name) or "." in name:
                raise ValueError(f"{name!r} is no name of a part; use letters, digits, '_' and '-'")
            samples = own.get("samples", self.settings.get("samples"))
            if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
                raise ValueError(f"part {name} needs samples, a whole number from 1 up")
            for key in (*self.settings, *own):
                if key not in words:
                    raise ValueError(f'{self.generator} has no argument "{key}"; {accepted(words, key)}')

    def outputs(self) -> dict[str, Output]:
        return {"": Output("mesh parts"), **{name: Output("meshes", f"{name}.h5") for name in self.parts}}

    def jobs(self) -> list[str]:
        return list(self.parts)

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.datasets import generators as room

        make = getattr(room, self.generator)
        seed = 1000 * desk.seed + list(self.parts).index(job)
        words = {**self.settings, **self.parts[job]}
        given = arguments_of(self.generator, "Meshes")

        def progress(done: int, total: int) -> None:
            desk.progress(done, total, "meshes")

        ours = {"progress": progress, "directory": desk.job_folder(job) / "shards"}
        data = make(**words, seed=seed, **{k: v for k, v in ours.items() if k in given})
        data.save(desk.folder / f"{job}.h5")
        write_json(desk.job_folder(job) / "part.json", {"samples": len(data)})

    def finish(self, desk: Desk) -> GeneratedMeshes:
        return GeneratedMeshes({name: mesh_part_of(desk, f"{name}.h5") for name in self.parts}, self.generator)


@dataclass(frozen=True)
class MeshPart:
    """One file of meshes.

    Args:
        file: in the step's folder. samples: meshes in it. hash: of its content. nodes: fewest and most of a mesh.
        dim: coordinates of a point. cells: kinds. frames: of each; 1 for a steady problem. fields: components by name.
        tags: named sets of nodes. parameters: range (low, high) by name. units: as text by name.
    """

    file: str
    samples: int
    hash: str
    nodes: tuple[int, int]
    dim: int
    cells: tuple[str, ...]
    frames: int
    fields: dict[str, int]
    tags: tuple[str, ...] = ()
    parameters: dict[str, tuple[float, float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GeneratedMeshes:
    """Data by part, `result["train"]`, and the generator that made them."""

    parts: dict[str, MeshPart]
    generator: str = ""

    def __getitem__(self, name: str) -> MeshPart:
        return self.parts[name]


def mesh_part_of(desk: Desk, file: str) -> MeshPart:
    """What a file of meshes in the step's folder holds; pictures of a few of them are written beside it."""
    import numpy as np

    from surrogates.datasets import Meshes
    from surrogates.workflows.mesh_pictures import shown_data

    data = Meshes.open(desk.folder / file)
    first, sizes, kinds, frames = data[0], [], dict[str, None](), []
    for sample in data:
        sizes.append(len(sample))
        kinds |= dict.fromkeys(sample.cells)
        frames.append(1 if sample.times is None else len(sample.times))
    told = {n: (float(v.min()), float(v.max())) for n in data.parameter_names for v in [data.parameter(n)]}
    lead = 1 if first.times is None else 2
    components = {n: int(np.prod(np.shape(v)[lead:], dtype=int)) for n, v in first.fields.items()}
    np.savez(desk.folder / f"{file.removesuffix('.h5')}.npz", **shown_data(data))  # type: ignore[arg-type]
    return MeshPart(
        file=file,
        samples=len(data),
        hash=data.hash,
        nodes=(min(sizes), max(sizes)),
        dim=data.dim,
        cells=tuple(kinds),
        frames=max(frames),
        fields=components,
        tags=data.tags,
        parameters=told,
        units={k: str(v) for k, v in data.units.items()},
    )
