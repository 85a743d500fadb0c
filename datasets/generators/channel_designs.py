"""Channels with an obstacle, as Schaefer and Turek's benchmark (10.1007/978-3-322-89849-4_39) has them: their shapes,
meshes and inflow.

The channel is 0.41 m high; the inflow is a parabola, walls and obstacle are at rest, the fluid leaves freely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.generators.draws import Range, as_range, draw_numbers
from surrogates.datasets.generators.plate import meshed
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Ellipse, Plate

HEIGHT = 0.41
UNITS = {
    "points": "m",
    "time": "s",
    "velocity": "m/s",
    "pressure": "m2/s2",
    "reynolds": "1",
    "viscosity": "m2/s",
    "inflow": "m/s",
}
_TAGS = {"left": "inlet", "right": "outlet", "bottom": "wall", "top": "wall", "hole": "cylinder"}
_ROUND = {"x": Range(0.2, 0.4), "y": Range(0.15, 0.26), "a": Range(0.04, 0.06)}
_ELLIPTIC = {**_ROUND, "a": Range(0.03, 0.09), "b": Range(0.03, 0.09), "angle": Range(0.0, np.pi)}


@dataclass(frozen=True)
class ChannelDesign:
    """A channel with an obstacle (m), its Reynolds number by the obstacle's height across the flow, and viscosity."""

    plate: Plate
    reynolds: float
    viscosity: float

    @property
    def inflow(self) -> float:
        """Mean velocity, m/s."""
        (hole,) = self.plate.holes
        return self.reynolds * self.viscosity / (2 * float(hole.extent()[1]))

    def profile(self, points: np.ndarray) -> np.ndarray:
        """Velocity (n, 2) at points of the inlet: 6 U y (H - y) / H^2."""
        y = points[:, 1]
        return np.stack([6 * self.inflow * y * (HEIGHT - y) / HEIGHT**2, 0 * y], axis=1)

    @property
    def walls(self) -> dict[str, Any]:
        """Velocities by boundary, as the solvers take them."""
        return {"left": self.profile, "bottom": (0.0, 0.0), "top": (0.0, 0.0), "hole": (0.0, 0.0)}


def channel_designs(settings: Mapping[str, Any], rows: range) -> list[ChannelDesign]:
    """The designs `rows` of a data set whose `provenance["settings"]` are given."""
    shape = _ELLIPTIC if settings["elliptic"] else _ROUND
    kind = "channel" if settings["elliptic"] else "cylinder"
    numbers = {"reynolds": as_range("reynolds", settings["reynolds"])}
    found = draw_numbers({f"{kind} {k}": v for k, v in {**shape, **numbers}.items()}, settings["seed"], rows)
    made = []
    for k in range(len(rows)):
        n = {name: float(found[f"{kind} {name}"][k]) for name in (*shape, *numbers)}
        hole = Ellipse((n["x"], n["y"]), (n["a"], n.get("b", n["a"])), n.get("angle", 0.0))
        region = Plate(settings["length"], HEIGHT, (hole,))
        made.append(ChannelDesign(region, n["reynolds"], settings["viscosity"]))
    return made


def channel_mesh(design: ChannelDesign, size: float) -> Any:
    """Six-node triangles, four times finer at the obstacle."""
    return meshed(design.plate, size, size / 4, growth=0.13)


def channel_sample(mesh: Any, design: ChannelDesign, fields: Mapping[str, np.ndarray], **known: Any) -> MeshSample:
    """A sample of plain triangles with fields at the mesh's vertices."""
    whole, count = from_skfem(mesh), int(mesh.t.max()) + 1
    tags: dict[str, np.ndarray] = {}
    for side, tag in _TAGS.items():
        tags[tag] = tags.get(tag, False) | whole.tags[side][:count]
    numbers = {"reynolds": design.reynolds, "viscosity": design.viscosity, "inflow": design.inflow}
    return MeshSample(
        np.ascontiguousarray(whole.points[:count]),
        {"triangle": np.ascontiguousarray(whole.cells["triangle6"][:, :3])},
        fields=fields,
        tags=tags,
        parameters=numbers,
        units=UNITS,
        **known,
    )


def checked(reynolds: float | Range, size: float | int, length: float | int, viscosity: float | int) -> None:
    """Raises DomainError for numbers without a flow."""
    low = reynolds.low if isinstance(reynolds, Range) else reynolds
    if low <= 0 or viscosity <= 0 or not 0 < size <= 0.1 or length < 0.8:
        raise DomainError(
            f"reynolds={reynolds}, viscosity={viscosity}, size={size}, length={length}; give positive numbers, an edge "
            "length of at most 0.1 m and a channel of at least 0.8 m"
        )
