"""Steady flow through a channel past an elliptic obstacle, each of its own shape, place and Reynolds number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets.generators.channel_designs import (
    UNITS,
    ChannelDesign,
    channel_designs,
    channel_mesh,
    channel_sample,
    checked,
)
from surrogates.datasets.generators.draws import Number, as_range, plain_number
from surrogates.datasets.generators.field_jobs import FieldJob, Progress
from surrogates.datasets.generators.mesh_jobs import BLOCK, make_meshes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.meshes import steady_flow


def channel(
    samples: int = 320,
    seed: int = 0,
    *,
    reynolds: Number = (5.0, 40.0),
    creeping: bool = False,
    size: float | int = 0.05,
    length: float | int = 1.2,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Meshes:
    """Fields "velocity" (nodes, 2) and "pressure" (nodes,) on triangles; tags inlet, outlet, wall and cylinder.

    The obstacle has half axes of 0.03 to 0.09 m and any angle, in a channel 0.41 m high. Parameters reynolds (by mean
    inflow and the obstacle's height), inflow (mean, m/s) and viscosity (0.001 m2/s). `provenance["residual"]` is the
    largest momentum residual that was left, over the inflow's momentum.

    Args:
        reynolds: a number, or (low, high) to draw each sample's from; above about 45 there is no steady flow.
        creeping: Stokes' flow, without convection; the Reynolds number then only sets the inflow.
        size: longest edge; edges at the obstacle are a quarter of it, m. length: of the channel, m.
        workers: processes that share the samples. progress: called with (samples so far, samples in all).
        directory: where to keep the data; a run that was killed continues there.
    Raises DomainError for numbers without a flow, FileError where `directory` holds other data.
    """
    drawn = as_range("reynolds", reynolds)
    checked(drawn, size, length, 1e-3)
    settings = {
        "seed": int(seed),
        "reynolds": plain_number(drawn),
        "viscosity": 1e-3,
        "creeping": bool(creeping),
        "size": float(size),
        "length": float(length),
        "elliptic": True,
    }
    kind = "creeping" if creeping else "steady"
    job = FieldJob(
        maker="surrogates.datasets.generators.channel:samples_of",
        settings=settings,
        samples=int(samples),
        block=BLOCK,
        provenance={"name": "channel", "description": f"channel: {kind} flow past an obstacle, seed {seed}"},
        units=UNITS,
    )
    return make_meshes(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Meshes:
    """The samples `rows`."""
    solved = [_solved(settings, row, d) for row, d in zip(rows, channel_designs(settings, rows), strict=True)]
    return Meshes([s for s, _ in solved], provenance={"residual": max(r for _, r in solved)}, units=UNITS)


def _solved(settings: Mapping[str, Any], row: int, design: ChannelDesign) -> tuple[MeshSample, float]:
    mesh = channel_mesh(design, settings["size"])
    flow = steady_flow(mesh, nu=design.viscosity, walls=design.walls, convection=not settings["creeping"])
    fields = {"velocity": np.ascontiguousarray(flow.velocity[: len(flow.pressure)]), "pressure": flow.pressure}
    sample = channel_sample(mesh, design, fields, group=f"channel {settings['seed']} {row}")
    return sample, flow.residual / (design.inflow**2 * settings["size"])
