"""Stiffened panels under pressure, as shells: each of its own size, number of stiffeners, thicknesses and supports.

The plating carries a uniform pressure, and patches of more where asked for; stiffeners end at diaphragms unless told
otherwise. Stress at the clamped ends of stiffeners has no finite limit under refinement, so such supports are not the
default: peaks of all that is drawn here converge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.datasets.generators.draws import Number, Range, as_range, draw_numbers, plain_number
from surrogates.datasets.generators.field_jobs import FieldJob, Progress
from surrogates.datasets.generators.mesh_jobs import BLOCK, make_meshes
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Panel, PanelMesh, Patch, Resolution, Stiffener, panel_mesh, solve_panel
from surrogates.physics.meshes.stiffened_panel import EDGES, KINDS, SUPPORTS, PanelSolution

THICKNESS = {"plating": (0.008, 0.012, 0.016), "web": (0.006, 0.008, 0.010), "flange": (0.010, 0.014, 0.018)}
"""Three classes of sheet for each part, m."""
YOUNG, POISSON = 210e3, 0.3
UNITS = {
    "points": "m",
    "displacement": "m",
    "von_mises": "MPa",
    "thickness": "m",
    "pressure": "MPa",
    "young": "MPa",
    "poisson": "1",
    "length": "m",
    "width": "m",
    "spacing": "m",
    "web_height": "m",
    "web_thickness": "m",
    "flange_width": "m",
    "flange_thickness": "m",
}
_SUPPORTS = {
    "x0": ("simply_supported",),
    "x1": ("simply_supported",),
    "y0": ("clamped", "simply_supported"),
    "y1": ("clamped", "simply_supported"),
}
_JITTER = Range(-0.1, 0.1)  # of a stiffener's place, in spacings
_PATCH = {"length": Range(0.2, 0.5), "width": Range(0.2, 0.5), "x": Range(0.0, 1.0), "y": Range(0.0, 1.0)}
_MOST = 40  # stiffeners


def panels(
    samples: int = 500,
    stiffeners: int | tuple[int, int] = (2, 4),
    seed: int = 0,
    *,
    length: Number = (1.8, 3.6),
    spacing: Number = (0.4, 0.8),
    pressure: Number = (0.02, 0.08),
    patches: int = 0,
    supports: Mapping[str, str | Sequence[str]] | None = None,
    resolution: Resolution | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Meshes:
    """Fields "displacement" (nodes, 3), "von_mises" (nodes,) and "fixed" (nodes, 6) on quadrilaterals in space.

    "von_mises" at a node is the largest of both faces and of all plates that meet there. Fields of cells: "von_mises"
    (cells, 8) at the four corners on the outer and inner face, corner by corner, each plate by itself; "plate", the
    number of the plate; "thickness"; "pressure" along +z. Cell tags plating, web, flange; tags x0, x1, y0, y1 and the
    kinds of supports. Webs are 0.05 to 0.09 of the length high, flanges 0.35 to 0.6 of that wide, thicknesses of three
    classes each, stiffeners up to a tenth of the spacing out of their places. Sample k of a seed is the same design
    whatever the number of samples and the mesh.

    Args:
        stiffeners: how many, or (fewest, most). length: along them, m. spacing: between them, m.
        pressure: on the whole plating, MPa; a number, or (low, high) to draw each sample's from.
        patches: rectangles with up to three times that pressure besides, of 0.2 to 0.5 of length and width.
        supports: by edge a word of physics.meshes.stiffened_panel.SUPPORTS, or several to draw from; stiffeners end at
            x0 and x1. Edges that are not named: diaphragms there, clamped or simply supported at y0 and y1.
        resolution: of the mesh. workers: processes that share the samples. progress: called with (samples so far,
            samples in all). directory: where to keep the data; a run that was killed continues there.
    Raises DomainError for numbers without a solution, FileError where `directory` holds other data.
    """
    wanted = {"length": as_range("length", length), "spacing": as_range("spacing", spacing)}
    wanted["pressure"] = as_range("pressure", pressure)
    fewest, most = (stiffeners, stiffeners) if isinstance(stiffeners, int) else stiffeners
    choices = _checked(wanted, fewest, most, patches, supports or {})
    settings = {
        "seed": int(seed),
        "stiffeners": [int(fewest), int(most)],
        "numbers": {name: plain_number(value) for name, value in wanted.items()},
        "patches": int(patches),
        "supports": {edge: list(words) for edge, words in choices.items()},
        "resolution": asdict(resolution or Resolution()),
    }
    told = f"stiffened panels: shells with {fewest} to {most} stiffeners under pressure, seed {seed}"
    job = FieldJob(
        maker="surrogates.datasets.generators.panels:samples_of",
        settings=settings,
        samples=int(samples),
        block=BLOCK,
        provenance={"name": "panels", "description": told},
        units=UNITS,
    )
    return make_meshes(job, workers=workers, progress=progress, directory=directory)


def samples_of(settings: Mapping[str, Any], rows: range) -> Meshes:
    """The samples `rows`."""
    made, residual = [], 0.0
    for row, (panel, pressure, patches, parameters) in zip(rows, _designs(settings, rows), strict=True):
        found = solve_panel(panel, pressure=pressure, patches=patches, resolution=Resolution(**settings["resolution"]))
        group = f"panels {settings['seed']} {settings['stiffeners']} {row}"
        made.append(_sample(found.mesh, found.pressure, found, parameters, group))
        residual = max(residual, found.shell.residual)
    return Meshes(made, provenance={"residual": residual}, units=UNITS)


def panel_sample(
    panel: Panel,
    *,
    pressure: float | int = 0.0,
    patches: Sequence[Patch] = (),
    resolution: Resolution | None = None,
    solved: bool = True,
) -> MeshSample:
    """One panel of the user's own (m and MPa), as `panels` makes them; not `solved`: without stress and displacement.

    Raises DomainError as `solve_panel`.
    """
    whole = Patch(pressure, (0.0, float(panel.length)), (0.0, float(panel.width)))
    if solved:
        found = solve_panel(panel, pressure=pressure, patches=patches, resolution=resolution)
        return _sample(found.mesh, found.pressure, found, _parameters(panel, pressure, patches), "")
    mesh = panel_mesh(panel, resolution)
    return _sample(mesh, mesh.pressure([whole, *patches]), None, _parameters(panel, pressure, patches), "")


def _designs(
    settings: Mapping[str, Any], rows: range
) -> list[tuple[Panel, float, tuple[Patch, ...], dict[str, float]]]:
    fewest, most = settings["stiffeners"]
    wanted: dict[str, float | Range] = {name: as_range(name, v) for name, v in settings["numbers"].items()}
    wanted |= {"count": Range(fewest, most + 1), "height": Range(0.05, 0.09), "flange": Range(0.35, 0.6)}
    wanted |= {f"{part} class": Range(0, 3) for part in THICKNESS} | {edge: Range(0, 1) for edge in EDGES}
    wanted |= {f"place {k}": _JITTER for k in range(most)}
    for k in range(settings["patches"]):
        wanted |= {f"patch {k} {name}": value for name, value in _PATCH.items()} | {f"patch {k} load": Range(1, 3)}
    drawn = draw_numbers({f"panels {name}": value for name, value in wanted.items()}, settings["seed"], rows)
    found = []
    for row in range(len(rows)):
        values = {name: float(drawn[f"panels {name}"][row]) for name in wanted}
        count = min(int(values["count"]), most)
        sheet = {part: classes[min(int(values[f"{part} class"]), 2)] for part, classes in THICKNESS.items()}
        height = values["length"] * values["height"]
        bars = tuple(
            Stiffener(
                values["spacing"] * (k + 1 + values[f"place {k}"]),
                height,
                sheet["web"],
                height * values["flange"],
                sheet["flange"],
            )
            for k in range(count)
        )
        supports = {
            e: words[min(int(values[e] * len(words)), len(words) - 1)] for e, words in settings["supports"].items()
        }
        width = values["spacing"] * (count + 1)
        panel = Panel(values["length"], width, sheet["plating"], bars, supports, YOUNG, POISSON)
        patches = tuple(_patch(values, k, panel) for k in range(settings["patches"]))
        parameters = _parameters(panel, values["pressure"], patches) | {"spacing": values["spacing"]}
        found.append((panel, values["pressure"], patches, parameters))
    return found


def _patch(values: Mapping[str, float], k: int, panel: Panel) -> Patch:
    ends = []
    for size, axis, whole in (("length", "x", panel.length), ("width", "y", panel.width)):
        share = values[f"patch {k} {size}"]
        begin = values[f"patch {k} {axis}"] * (1 - share) * float(whole)
        ends.append((begin, begin + share * float(whole)))
    return Patch(values["pressure"] * values[f"patch {k} load"], *ends)


def _parameters(panel: Panel, pressure: float | int, patches: Sequence[Patch]) -> dict[str, float]:
    """What determines the solution beside mesh and tags; of the stiffeners their means, () has zeros."""
    found = {"young": panel.young, "poisson": panel.poisson, "pressure": pressure, "length": panel.length}
    found |= {"width": panel.width, "plating_thickness": panel.thickness, "stiffeners": len(panel.stiffeners)}
    bars = [(s.height, s.web, s.flange, s.flange_thickness) for s in panel.stiffeners] or [(0.0, 0.0, 0.0, 0.0)]
    names = ("web_height", "web_thickness", "flange_width", "flange_thickness")
    found |= dict(zip(names, np.mean(np.array(bars, dtype=float), axis=0).tolist(), strict=True))
    for k, patch in enumerate(patches):
        numbers = (patch.pressure, *patch.x, *patch.y)
        found |= {f"patch_{k}_{n}": v for n, v in zip(("pressure", "x0", "x1", "y0", "y1"), numbers, strict=True)}
    return {name: float(value) for name, value in found.items()}


def _sample(
    mesh: PanelMesh, load: np.ndarray, found: PanelSolution | None, parameters: dict[str, float], group: str
) -> MeshSample:
    kinds = np.array([plate.kind for plate in mesh.plates])[mesh.plate]
    cells = {"plate": mesh.plate.astype(np.int64), "thickness": mesh.shell.thickness.astype(float), "pressure": load}
    fields = {"fixed": mesh.fixed().astype(float)}
    if found is not None:
        cells["von_mises"] = found.von_mises.reshape(len(mesh.plate), 8)
        fields |= {"displacement": found.shell.displacement[:, :3].copy(), "von_mises": found.nodal}
    tags = {edge: mesh.on(edge) for edge in EDGES}
    for word in SUPPORTS[:-1]:
        edges = [tags[edge] for edge in EDGES if mesh.panel.support(edge) == word]
        tags[word] = np.any(edges, axis=0) if edges else np.zeros(len(mesh.shell.nodes), dtype=bool)
    return MeshSample(
        np.ascontiguousarray(mesh.shell.nodes, dtype=np.float64),
        {"quad": mesh.shell.quads.astype(np.int64)},
        fields=fields,
        cell_fields={name: {"quad": values} for name, values in cells.items()},
        tags=tags,
        cell_tags={kind: {"quad": kinds == kind} for kind in KINDS},
        parameters=parameters,
        units=UNITS,
        group=group,
    )


def _checked(
    wanted: Mapping[str, float | Range],
    fewest: int,
    most: int,
    patches: int,
    supports: Mapping[str, str | Sequence[str]],
) -> dict[str, Sequence[str]]:
    """What is drawn for each edge. Raises DomainError for what has no solution."""
    for name, value in wanted.items():
        low = float(value.low if isinstance(value, Range) else value)
        if not low > 0:
            raise DomainError(f"{name} from {low}; give positive numbers")
    if not 0 <= fewest <= most <= _MOST or patches < 0:
        raise DomainError(
            f"stiffeners=({fewest}, {most}), patches={patches}; give 0 <= fewest <= most <= {_MOST} and patches from 0"
        )
    choices: dict[str, Sequence[str]] = {
        **_SUPPORTS,
        **{e: (w,) if isinstance(w, str) else tuple(w) for e, w in supports.items()},
    }
    for edge, words in choices.items():
        if edge not in EDGES or not words or not set(words) <= set(SUPPORTS):
            raise DomainError(
                f"supports[{edge!r}]={list(words)}; edges are {', '.join(EDGES)}, supports {', '.join(SUPPORTS)}"
            )
    if all(set(words) <= {"free", "symmetry"} for words in choices.values()):
        raise DomainError("no edge holds the panel against the pressure; clamp or simply support one")
    return choices
