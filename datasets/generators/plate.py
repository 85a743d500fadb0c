"""Plane stress of plates with an elliptic hole, each of its own shape, material and load.

The plate 0..2 x 0..1 m is clamped at its left side. Its other sides carry the tractions of a uniform stress state
(tension along x, transverse stress along y, shear), so that it is the hole, not the clamp, that is stressed most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.generators.draws import Number, Range, as_range, draw_numbers, plain_number
from surrogates.datasets.generators.field_jobs import FieldJob, Progress
from surrogates.datasets.generators.mesh_jobs import BLOCK, make_meshes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Ellipse, Plate, plane_stress, quadratic, triangulate

LENGTH, HEIGHT = 2.0, 1.0
UNITS = {
    "points": "m",
    "displacement": "m",
    "stress": "MPa",
    "von_mises": "MPa",
    "young": "MPa",
    "poisson": "1",
    "tension": "MPa",
    "transverse": "MPa",
    "shear": "MPa",
}
_SHAPE = {"x": Range(0.7, 1.3), "y": Range(0.38, 0.62), "a": Range(0.08, 0.22), "b": Range(0.08, 0.22)}
_TRIES = 4


@dataclass(frozen=True)
class PlateDesign:
    """One design: its hole (m), and `loads`: young, poisson, tension, transverse and shear by name (MPa)."""

    plate: Plate
    loads: Mapping[str, float]


def plate(
    samples: int = 320,
    seed: int = 0,
    *,
    poisson: Number = (0.2, 0.45),
    tension: Number = 100.0,
    transverse: Number = 0.0,
    shear: Number = (-30.0, 30.0),
    young: Number = 70e3,
    size: float | int = 0.077,
    near: float | int | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Meshes:
    """Fields "displacement" (nodes, 2), "stress" (nodes, 3) = xx, yy, xy and "von_mises" on six-node triangles.

    Holes have half axes of 0.08 to 0.22 m, any angle, and centres around the plate's. Tags left, right, bottom, top and
    hole; parameters poisson, tension, transverse, shear and young. `provenance["residual"]` is the largest that was
    left by a solve. Sample k of a seed is the same design whatever the number of samples and the edge lengths.

    Args:
        poisson, tension, transverse, shear, young: a number, or (low, high) to draw each sample's from (MPa).
        size: edge length far from the hole, m. near: on the hole, half of it unless given.
        workers: processes that share the samples. progress: called with (samples so far, samples in all).
        directory: where to keep the data; a run that was killed continues there.
    Raises DomainError for numbers without a solution, FileError where `directory` holds other data.
    """
    given = {"young": young, "poisson": poisson, "tension": tension, "transverse": transverse, "shear": shear}
    loads = {name: as_range(name, value) for name, value in given.items()}
    _check(loads, size)
    settings = {
        "seed": int(seed),
        "loads": {name: plain_number(value) for name, value in loads.items()},
        "size": float(size),
        "near": float(size / 2 if near is None else near),
    }
    job = FieldJob(
        maker="surrogates.datasets.generators.plate:samples_of",
        settings=settings,
        samples=int(samples),
        block=BLOCK,
        provenance={"name": "plate", "description": f"plate: plane stress of plates with a hole, seed {seed}"},
        units=UNITS,
    )
    return make_meshes(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Meshes:
    """The samples `rows`."""
    solved = [_solved(settings, row, design) for row, design in zip(rows, plate_designs(settings, rows), strict=True)]
    return Meshes([s for s, _ in solved], provenance={"residual": max(r for _, r in solved)}, units=UNITS)


def plate_designs(settings: Mapping[str, Any], rows: range) -> list[PlateDesign]:
    """The designs `rows` of a data set whose `provenance["settings"]` are given."""
    wanted = {name: as_range(name, value) for name, value in settings["loads"].items()}
    loads = draw_numbers({f"plate {name}": value for name, value in wanted.items()}, settings["seed"], rows)
    return [
        PlateDesign(region, {name: float(loads[f"plate {name}"][k]) for name in wanted})
        for k, region in enumerate(plate_holes(settings["seed"], rows))
    ]


def plate_holes(seed: int, rows: range) -> list[Plate]:
    """Plates with a random elliptic hole each."""
    shape = {**_SHAPE, "angle": Range(0.0, np.pi)}
    hole = draw_numbers({f"plate hole {name}": value for name, value in shape.items()}, seed, rows)
    found = []
    for k in range(len(rows)):
        x, y, a, b, angle = (float(hole[f"plate hole {name}"][k]) for name in shape)
        found.append(Plate(LENGTH, HEIGHT, (Ellipse((x, y), (a, b), angle),)))
    return found


def _solved(settings: Mapping[str, Any], row: int, design: PlateDesign) -> tuple[MeshSample, float]:
    mesh = meshed(design.plate, settings["size"], settings["near"])
    loads = design.loads
    across, along, shear = loads["transverse"], loads["tension"], loads["shear"]
    found = plane_stress(
        mesh,
        young=loads["young"],
        poisson=loads["poisson"],
        fixed={"left": (0.0, 0.0)},
        traction={"right": (along, shear), "top": (shear, across), "bottom": (-shear, -across)},
    )
    fields = {"displacement": found.displacement, "stress": found.stress, "von_mises": found.von_mises}
    group = f"plate {settings['seed']} {row}"
    return from_skfem(mesh, fields=fields, parameters=loads, units=UNITS, group=group), found.residual


def meshed(region: Plate, size: float, near: float, growth: float = 0.3) -> Any:
    """Six-node triangles; where the triangulation fails for these edge lengths, with slightly smaller ones."""
    for attempt in range(_TRIES):
        try:
            finer = 0.93**attempt
            return quadratic(triangulate(region, size * finer, near=near * finer, growth=growth), region)
        except DomainError:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError


def _check(loads: Mapping[str, float | Range], size: float | int) -> None:
    def ends(name: str) -> tuple[float, float]:
        value = loads[name]
        return (float(value.low), float(value.high)) if isinstance(value, Range) else (value, value)

    if ends("young")[0] <= 0 or ends("poisson")[0] <= -1 or ends("poisson")[1] >= 0.5:
        raise DomainError(
            f"young={ends('young')}, poisson={ends('poisson')}; give young > 0 MPa and -1 < poisson < 0.5"
        )
    if not 0 < size <= HEIGHT / 4:
        raise DomainError(f"size={size}; give an edge length from 0 to {HEIGHT / 4} m")
