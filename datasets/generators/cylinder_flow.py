"""Vortices behind a cylinder in a channel: unsteady flow, each trajectory of its own cylinder and Reynolds number."""

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
from surrogates.datasets.generators.mesh_jobs import make_meshes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import FlowHistory, stokes, unsteady_flow
from surrogates.physics.meshes.taylor_hood import TaylorHood

_COURANT = 0.2  # velocity of the inflow's middle times the time step over the shortest edge, at first
_TRIES = 4


def cylinder_flow(
    samples: int = 60,
    seed: int = 0,
    *,
    frames: int = 61,
    spacing: float | int = 0.025,
    settle: float | int = 1.0,
    reynolds: Number = (60.0, 120.0),
    size: float | int = 0.044,
    length: float | int = 1.6,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Meshes:
    """Fields "velocity" (frames, nodes, 2) and "pressure" (frames, nodes) on triangles, from developed flow on.

    Tags are inlet, outlet, wall and cylinder. The cylinder has a radius of 0.04 to 0.06 m and any place near the inlet
    of a channel 0.41 m high. Flow starts as creeping flow and is solved by Taylor-Hood elements, whose quadratic
    velocity is kept at vertices. Parameters reynolds (by mean inflow and diameter), inflow (mean, m/s) and viscosity
    (0.001 m2/s). `provenance["residual"]` is the largest divergence that was left.

    Args:
        frames, spacing: their number, and the time from one to the next, s. settle: time before the first, s.
        reynolds: a number, or (low, high) to draw each trajectory's from; vortices are shed above about 50.
        size: longest edge; edges at the cylinder are a quarter of it, m. length: of the channel, m.
        workers: processes that share the trajectories. progress: called with (samples so far, samples in all).
        directory: where to keep the data, a file for each trajectory; a run that was killed continues there.
    Raises DomainError for numbers without a flow, FileError where `directory` holds other data.
    """
    drawn = as_range("reynolds", reynolds)
    checked(drawn, size, length, 1e-3)
    if frames < 1 or spacing <= 0 or settle <= 0:
        raise DomainError(f"frames={frames}, spacing={spacing}, settle={settle}; give a frame or more, positive times")
    settings = {
        "seed": int(seed),
        "frames": int(frames),
        "spacing": float(spacing),
        "settle": float(settle),
        "reynolds": plain_number(drawn),
        "viscosity": 1e-3,
        "size": float(size),
        "length": float(length),
        "elliptic": False,
    }
    text = f"cylinder_flow: flow past a cylinder in a channel, {frames} frames {spacing} s apart, seed {seed}"
    job = FieldJob(
        maker="surrogates.datasets.generators.cylinder_flow:samples_of",
        settings=settings,
        samples=int(samples),
        block=1,
        provenance={"name": "cylinder_flow", "description": text},
        units=UNITS,
    )
    return make_meshes(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Meshes:
    """The samples `rows`."""
    solved = [_solved(settings, row, d) for row, d in zip(rows, channel_designs(settings, rows), strict=True)]
    return Meshes([s for s, _ in solved], provenance={"residual": max(r for _, r in solved)}, units=UNITS)


def _solved(settings: Mapping[str, Any], row: int, design: ChannelDesign) -> tuple[MeshSample, float]:
    mesh = channel_mesh(design, settings["size"])
    flow = _history(settings, design, mesh)
    space = TaylorHood(mesh)
    # what leaves each vertex's patch, over what the inflow brings to one
    leaves = np.abs(space.divergence @ flow.velocity[-1].ravel()).max() / (design.inflow * settings["size"])
    fields = {"velocity": np.ascontiguousarray(flow.velocity[:, : space.vertices]), "pressure": flow.pressure}
    times = settings["spacing"] * np.arange(settings["frames"])
    group = f"cylinder_flow {settings['seed']} {row}"
    return channel_sample(mesh, design, fields, times=times, group=group), float(leaves)


def _history(settings: Mapping[str, Any], design: ChannelDesign, mesh: Any) -> FlowHistory:
    """The flow at the frames, with time steps as long as they can be."""
    nu, spacing = design.viscosity, settings["spacing"]
    creeping = stokes(mesh, nu=nu, walls=design.walls).velocity
    steps = int(np.ceil(spacing / (_COURANT * settings["size"] / 4 / (1.5 * design.inflow))))
    settle = int(np.ceil(settings["settle"] / spacing))
    for attempt in range(_TRIES):
        dt = spacing / (steps * 2**attempt)
        times = dt * steps * 2**attempt * (settle + np.arange(settings["frames"]))
        try:
            return unsteady_flow(mesh, nu=nu, walls=design.walls, times=times, dt=dt, start=creeping)
        except DomainError:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError
