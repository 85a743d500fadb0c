"""Plates with a hole heated by a spot that moves over them, as in welding or laser hardening: temperature in time."""

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
from surrogates.datasets.generators.plate import HEIGHT, meshed, plate_holes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import MovingSource, Plate, transient_heat

UNITS = {
    "points": "m",
    "time": "s",
    "temperature": "K",
    "source": "W/m2",
    "conductivity": "W/(m K)",
    "capacity": "J/(m3 K)",
    "power": "W/m",
}
_RADIUS = 0.12  # of the spot, m


@dataclass(frozen=True)
class HeatDesign:
    """A plate, the spot's `ends` (2, 2) between which it moves evenly, and conductivity, capacity and power by name."""

    plate: Plate
    ends: np.ndarray
    numbers: Mapping[str, float]


def moving_heat(
    samples: int = 320,
    seed: int = 0,
    *,
    frames: int = 21,
    duration: float | int = 10.0,
    conductivity: Number = (0.02, 0.06),
    power: Number = 1.0,
    size: float | int = 0.077,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Meshes:
    """Field "temperature" (frames, nodes), K above the surroundings, and "source" (frames, nodes), the heat put in.

    The plates are those of `plate`, on six-node triangles. Their left side is kept at 0 K, the others and the hole are
    insulated. A Gaussian spot of 0.12 m moves evenly along a line from the left part to the right one, up or down.
    Parameters conductivity, capacity (1) and power; tags left, right, bottom, top and hole.

    Args:
        frames, duration: their number, and the time from the first (cold) to the last, s.
        conductivity, power: a number, or (low, high) to draw each sample's from.
        size: edge length far from the hole, m; half of it at the hole.
        workers: processes that share the samples. progress: called with (samples so far, samples in all).
        directory: where to keep the data; a run that was killed continues there.
    Raises DomainError for numbers without a solution, FileError where `directory` holds other data.
    """
    drawn = {"conductivity": as_range("conductivity", conductivity), "power": as_range("power", power)}
    least = {k: float(v.low) if isinstance(v, Range) else v for k, v in drawn.items()}
    if frames < 2 or duration <= 0 or least["conductivity"] <= 0 or not 0 < size <= HEIGHT / 4:
        raise DomainError(
            f"frames={frames}, duration={duration}, conductivity={conductivity}, size={size}; give two frames or more, "
            f"positive numbers and an edge length of at most {HEIGHT / 4} m"
        )
    settings = {
        "seed": int(seed),
        "frames": int(frames),
        "duration": float(duration),
        "numbers": {name: plain_number(value) for name, value in drawn.items()},
        "size": float(size),
    }
    job = FieldJob(
        maker="surrogates.datasets.generators.moving_heat:samples_of",
        settings=settings,
        samples=int(samples),
        block=BLOCK,
        provenance={"name": "moving_heat", "description": f"moving_heat: a hot spot moves over plates, seed {seed}"},
        units=UNITS,
    )
    return make_meshes(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Meshes:
    """The samples `rows`."""
    designs = zip(rows, heat_designs(settings, rows), strict=True)
    return Meshes([_solved(settings, row, design) for row, design in designs], units=UNITS)


def heat_designs(settings: Mapping[str, Any], rows: range) -> list[HeatDesign]:
    """The designs `rows` of a data set whose `provenance["settings"]` are given."""
    path = {"x0": Range(0.2, 0.6), "x1": Range(1.4, 1.8), "y0": Range(0.15, 0.85), "y1": Range(0.15, 0.85)}
    wanted = {**path, **{name: as_range(name, value) for name, value in settings["numbers"].items()}}
    drawn = draw_numbers({f"heat {name}": value for name, value in wanted.items()}, settings["seed"], rows)
    found = []
    for k, region in enumerate(plate_holes(settings["seed"], rows)):
        n = {name: float(drawn[f"heat {name}"][k]) for name in wanted}
        ends = np.array([[n.pop("x0"), n.pop("y0")], [n.pop("x1"), n.pop("y1")]])
        found.append(HeatDesign(region, ends, {**n, "capacity": 1.0}))
    return found


def _solved(settings: Mapping[str, Any], row: int, design: HeatDesign) -> MeshSample:
    mesh = meshed(design.plate, settings["size"], settings["size"] / 2)
    n, duration = design.numbers, settings["duration"]
    start, end = design.ends
    spot = MovingSource(n["power"], _RADIUS, lambda time: start + (end - start) * time / duration)
    times = np.linspace(0.0, duration, settings["frames"])
    steps = max(1, round(40 / len(times)))  # short enough that the spot moves less than its radius in each
    found = transient_heat(
        mesh,
        conductivity=n["conductivity"],
        capacity=n["capacity"],
        fixed={"left": 0.0},
        times=times,
        steps=steps,
        source=spot,
    )
    source = np.stack([spot(mesh.doflocs.T, time) for time in times])
    return from_skfem(
        mesh,
        fields={"temperature": found, "source": source},
        parameters=dict(n),
        times=times,
        units=UNITS,
        group=f"moving_heat {settings['seed']} {row}",
    )
