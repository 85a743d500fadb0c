"""Stiffened panels: a rectangular plating with T or flat-bar stiffeners, as flat-facet shells.

The plating lies in z = 0, 0 <= x <= length, 0 <= y <= width. Stiffeners run along x at their y; their webs stand on the
plating towards +z and end in flanges parallel to it. Pressure pushes the plating along +z, onto the stiffeners. Every
rectangle between two lines where plates meet is a plate of its own (a bay of the plating, a web, a flange), meshed by
rows and columns that fit those of its neighbours. Any consistent units: N, m and Pa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.shells import ShellMesh, ShellSolution, solve_shell

Array = np.ndarray
KINDS = ("plating", "web", "flange")
EDGES = ("x0", "x1", "y0", "y1")
SUPPORTS = ("clamped", "simply_supported", "symmetry", "free")


@dataclass(frozen=True)
class Stiffener:
    """Along x at y = `position`; `height` from the plating's middle surface to the flange's, `web` its thickness.

    `flange` is the width of the flange, 0 for a flat bar, and `flange_thickness` its thickness.
    """

    position: float | int
    height: float | int
    web: float | int
    flange: float | int = 0.0
    flange_thickness: float | int = 0.0


@dataclass(frozen=True)
class Patch:
    """Pressure along +z on the part of the plating with low <= x <= high and low <= y <= high."""

    pressure: float | int
    x: tuple[float | int, float | int]
    y: tuple[float | int, float | int]


@dataclass(frozen=True)
class Panel:
    """Geometry, material and supports.

    Args:
        length, width: of the plating along x and y. thickness: of the plating.
        stiffeners: in order of y. young, poisson: of the material.
        supports: by edge ("x0" is x = 0, "y1" is y = width): "clamped"; "simply_supported" by a diaphragm, which holds
            the displacements and the rotation in its own plane (hard support) of plating and stiffeners; "symmetry",
            where the structure goes on as its mirror image; "free". Edges that are not named are clamped.
    Raises DomainError for sizes that are not positive, stiffeners that overlap or leave the plating, unknown supports.
    """

    length: float | int
    width: float | int
    thickness: float | int
    stiffeners: tuple[Stiffener, ...] = ()
    supports: Mapping[str, str] = field(default_factory=dict)
    young: float | int = 210e9
    poisson: float | int = 0.3

    def __post_init__(self) -> None:
        for name in ("length", "width", "thickness", "young"):
            _positive(name, getattr(self, name))
        for edge, support in self.supports.items():
            if edge not in EDGES or support not in SUPPORTS:
                raise DomainError(
                    f"supports={{{edge!r}: {support!r}}}; edges are {', '.join(EDGES)}, supports {', '.join(SUPPORTS)}"
                )
        end, before = 0.0, "the edge y = 0"
        for k, s in enumerate(self.stiffeners):
            _positive(f"stiffener {k}: height", s.height)
            _positive(f"stiffener {k}: web", s.web)
            if s.flange < 0 or (s.flange > 0 and not s.flange_thickness > 0):
                raise DomainError(
                    f"stiffener {k}: flange={s.flange}, flange_thickness={s.flange_thickness}; give a width of 0 for a "
                    "flat bar, or positive numbers"
                )
            if not s.position - s.flange / 2 > end:
                raise DomainError(
                    f"stiffener {k} at y={s.position} overlaps {before}; order them by y, with room between"
                )
            end, before = s.position + s.flange / 2, f"stiffener {k}"
        if not end < self.width:
            raise DomainError(f"{before} reaches y={end} on a plating of width {self.width}; move it inside")

    def support(self, edge: str) -> str:
        """Of one edge."""
        return self.supports.get(edge, "clamped")


@dataclass(frozen=True)
class Resolution:
    """Quadrilaterals along x, across each bay, over the height of a web, across each half of a flange.

    `grading` in [0, 1) draws the lines towards the ends of a plate, where stresses are steep; 0 spaces them evenly.
    """

    along: int = 20
    across: int = 8
    web: int = 3
    flange: int = 2
    grading: float | int = 0.6

    def __post_init__(self) -> None:
        counts = (self.along, self.across, self.web, self.flange)
        if not all(isinstance(n, int) and n >= 1 for n in counts) or not 0 <= self.grading < 1:
            raise DomainError(f"{self}: give whole numbers from 1 and a grading from 0 to below 1")

    def refined(self, times: int) -> Resolution:
        """So many times as many elements in each direction."""
        along, across, web, flange = (times * n for n in (self.along, self.across, self.web, self.flange))
        return Resolution(along, across, web, flange, self.grading)


@dataclass(frozen=True)
class PanelPlate:
    """One rectangle: `nodes` (rows, columns) of the mesh, rows along x (the first local axis), columns across.

    The second local axis is y in platings and flanges and z in webs; the normal is their cross product. Across the
    columns in `lines` the stress may jump, since another plate ends there.
    """

    name: str
    kind: str
    nodes: Array
    lines: tuple[int, ...] = ()

    @property
    def quads(self) -> Array:
        """(facets, 4), row by row."""
        n = self.nodes
        return np.stack([n[:-1, :-1], n[1:, :-1], n[1:, 1:], n[:-1, 1:]], axis=-1).reshape(-1, 4)


@dataclass(frozen=True)
class PanelMesh:
    """The shell and its plates, facets in the plates' order; `plate` (m,) is the plate of each facet."""

    panel: Panel
    shell: ShellMesh
    plates: tuple[PanelPlate, ...]
    plate: Array

    @property
    def area(self) -> Array:
        """Of each facet, (m,)."""
        corners = self.shell.nodes[self.shell.quads]
        across = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
        found: Array = np.linalg.norm(across, axis=1) / 2
        return found

    def on(self, edge: str) -> Array:
        """Nodes of plating, webs and flanges in the plane of an edge, (n,) bool."""
        axis = "xy".index(edge[0])
        value = 0.0 if edge[1] == "0" else float((self.panel.length, self.panel.width)[axis])
        found: Array = np.isclose(self.shell.nodes[:, axis], value, rtol=0, atol=1e-8 * float(self.panel.width))
        return found

    def fixed(self) -> Array:
        """Displacements and rotations that the supports hold at zero, (n, 6).

        Where no support holds a translation of the whole panel in its plane, one node of the plating does: the loads
        have no part along it.
        """
        held = np.zeros((len(self.shell.nodes), 6), dtype=bool)
        for edge in EDGES:
            across = "xy".index(edge[0])
            parts = {
                "clamped": [0, 1, 2, 3, 4, 5],
                "simply_supported": [1 - across, 2, 3 + across],
                "symmetry": [across, 4 - across, 5],
                "free": [],
            }[self.panel.support(edge)]
            held[np.ix_(np.flatnonzero(self.on(edge)), np.array(parts, dtype=int))] = True
        for axis in (0, 1):
            if not held[:, axis].any():
                held[self.plates[0].nodes[0, 0], axis] = True
        return held

    def pressure(self, patches: Sequence[Patch]) -> Array:
        """Along +z on each facet (m,): of a facet partly under a patch the share of its area."""
        found = np.zeros(len(self.plate))
        low, high = (f(self.shell.nodes[self.shell.quads], axis=1) for f in (np.min, np.max))
        flat = np.array([p.kind == "plating" for p in self.plates])[self.plate]
        for patch in patches:
            share = np.ones(len(found))
            for axis, (begin, end) in enumerate((patch.x, patch.y)):
                limit = float((self.panel.length, self.panel.width)[axis])
                if not 0 <= begin < end <= limit * (1 + 1e-12):
                    raise DomainError(f"{patch} leaves the plating, 0 to {limit} along {'xy'[axis]}, or has no area")
                inside = np.minimum(high[:, axis], end) - np.maximum(low[:, axis], begin)
                share *= np.clip(inside, 0, None) / np.where(flat, high[:, axis] - low[:, axis], 1.0)
            found += np.where(flat, patch.pressure * share, 0.0)
        return found


@dataclass(frozen=True)
class PanelSolution:
    """`stress` (m, 4, 2, 3) at the facets' corners, on the outer (+normal) and inner face, xx, yy, xy in the plate's
    axes; `pressure` (m,) and `fixed` (n, 6) as solved.

    A bilinear element's stress is most accurate at its centre; polynomials through the centres of the nearest facets
    along each axis carry it to the nodes, each plate by itself, and each half of a flange.
    """

    mesh: PanelMesh
    shell: ShellSolution
    stress: Array
    pressure: Array
    fixed: Array

    @property
    def von_mises(self) -> Array:
        """At the facets' corners on the outer and inner face, (m, 4, 2)."""
        xx, yy, xy = np.moveaxis(self.stress, -1, 0)
        return np.sqrt(xx**2 - xx * yy + yy**2 + 3 * xy**2)

    @property
    def nodal(self) -> Array:
        """The largest von Mises stress at each node, of both faces of all plates that meet there, (n,)."""
        found = np.zeros(len(self.mesh.shell.nodes))
        np.maximum.at(found, self.mesh.shell.quads, self.von_mises.max(axis=2))
        return found

    @property
    def reaction(self) -> Array:
        """Forces and moments (n, 6) of the supports on the panel."""
        return self.shell.reaction


def panel_mesh(panel: Panel, resolution: Resolution | None = None) -> PanelMesh:
    """Rectangles row by row, joined where they meet."""
    size = resolution or Resolution()
    along = float(panel.length) * _graded(size.along, size.grading)
    feet = [0.0, *(float(s.position) for s in panel.stiffeners), float(panel.width)]
    across = [a + (b - a) * _graded(size.across, size.grading) for a, b in pairwise(feet)]
    parts: list[tuple[str, str, Array, float]] = []  # name, kind, points (rows, columns, 3), thickness
    for k, y in enumerate(across):
        parts.append((f"plating {k}", "plating", _sheet(along, y, np.zeros_like(y)), float(panel.thickness)))
    for k, s in enumerate(panel.stiffeners):
        up = float(s.height) * _graded(size.web, size.grading)
        parts.append((f"web {k}", "web", _sheet(along, np.full_like(up, s.position), up), float(s.web)))
        if s.flange:
            half = float(s.flange) / 2 * _graded(size.flange, 0.0)
            y = float(s.position) + np.concatenate([-half[::-1], half[1:]])
            sheet = _sheet(along, y, np.full_like(y, s.height))
            parts.append((f"flange {k}", "flange", sheet, float(s.flange_thickness)))
    points = np.concatenate([sheet.reshape(-1, 3) for _, _, sheet, _ in parts])
    unit = 1e-9 * max(float(panel.length), float(panel.width))
    _, first, back = np.unique(np.rint(points / unit), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))  # nodes are numbered as they come
    number, begin, plates = order[back.ravel()], 0, []
    for name, kind, sheet, _ in parts:
        rows, columns = sheet.shape[:2]
        lines = (columns // 2,) if kind == "flange" else ()
        plates.append(PanelPlate(name, kind, number[begin : begin + rows * columns].reshape(rows, columns), lines))
        begin += rows * columns
    quads = [plate.quads for plate in plates]
    plate = np.repeat(np.arange(len(plates)), [len(q) for q in quads])
    thickness = np.array([part[3] for part in parts])[plate]
    shell = ShellMesh(points[np.sort(first)], np.concatenate(quads), thickness)
    return PanelMesh(panel, shell, tuple(plates), plate)


def solve_panel(
    panel: Panel,
    *,
    pressure: float | int = 0.0,
    patches: Sequence[Patch] = (),
    resolution: Resolution | None = None,
) -> PanelSolution:
    """Small displacements and stresses under a uniform pressure on the plating and patches of more.

    Raises DomainError for a panel that is free to move, or a patch outside the plating.
    """
    mesh = panel_mesh(panel, resolution)
    whole = Patch(pressure, (0.0, float(panel.length)), (0.0, float(panel.width)))
    load, fixed = mesh.pressure([whole, *patches]), mesh.fixed()
    found = solve_shell(mesh.shell, young=panel.young, poisson=panel.poisson, fixed=fixed, pressure=load)
    centres = np.stack([found.stress(mesh.shell, face).mean(axis=1) for face in (1.0, -1.0)], axis=1)
    corners = [_at_corners(mesh, plate, centres[mesh.plate == k]) for k, plate in enumerate(mesh.plates)]
    return PanelSolution(mesh, found, np.concatenate(corners), load, fixed)


def _at_corners(mesh: PanelMesh, plate: PanelPlate, centres: Array) -> Array:
    """Values at facets' centres (facets, ...) of one plate -> at their corners (facets, 4, ...)."""
    rows, columns = (n - 1 for n in plate.nodes.shape)
    values = centres.reshape(rows, columns, *centres.shape[1:])
    points = mesh.shell.nodes[plate.nodes]
    along, across = (np.linalg.norm(line - line[0], axis=-1) for line in (points[:, 0], points[0]))
    found = []
    for begin, end in pairwise((0, *plate.lines, columns)):
        ends = _to_ends(across[begin : end + 1])
        nodal = np.einsum("ir,js,rs...->ij...", _to_ends(along), ends, values[:, begin:end], optimize=True)
        found.append(np.stack([nodal[:-1, :-1], nodal[1:, :-1], nodal[1:, 1:], nodal[:-1, 1:]], axis=2))
    return np.concatenate(found, axis=1).reshape(rows * columns, 4, *centres.shape[1:])


def _to_ends(ends: Array) -> Array:
    """Matrix (n + 1, n) from values in the middles of n intervals to their ends, by polynomials through the two middles
    on either side, and through the nearest three at the first and last ends."""
    middles, n = (ends[1:] + ends[:-1]) / 2, len(ends) - 1
    found = np.zeros((n + 1, n))
    for row, x in enumerate(ends):
        near = np.arange(max(0, min(row - 2, n - 3)), min(n, max(row + 2, 3)))
        for k in near:
            others = middles[near[near != k]]
            found[row, k] = np.prod((x - others) / (middles[k] - others))
    return found


def _graded(parts: int, grading: float | int) -> Array:
    """0 to 1 in `parts` steps, drawn towards both ends by a cosine."""
    even = np.arange(parts + 1) / parts
    return (1 - grading) * even + grading * (1 - np.cos(np.pi * even)) / 2


def _sheet(x: Array, y: Array, z: Array) -> Array:
    """Points (x, columns, 3) of a plate along x with the cross section (y, z)."""
    return np.stack([np.broadcast_to(a, (len(x), len(y))) for a in (x[:, None], y, z)], axis=-1)


def _positive(name: str, value: float | int) -> None:
    if not (np.isfinite(value) and value > 0):
        raise DomainError(f"{name}={value}; give a positive number")
