"""Commands on surrogates on meshes and files of meshes: evaluate, predict, check, info."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError, FileError
from surrogates.workflows.commands.structures_file import check_folder


def evaluate_meshes(fitted: Any, path: Path) -> None:
    """Print the scores of a surrogate; meshes that it was trained on are refused."""
    from surrogates.workflows.mesh_inputs import seen_by

    data = _data(path)
    if seen := seen_by(fitted, data):
        raise FileError(
            f"{len(seen)} of {len(data)} meshes in {path} (first: {seen[0]}) were trained on, so errors there say "
            "nothing; give designs kept apart"
        )
    print(fitted.evaluate(data))


def predict_meshes(fitted: Any, path: Path, out: Path | None, parameters: Sequence[str] = ()) -> None:
    """Print what a surrogate says of meshes; write it where asked for, NAME beside NAME_std: one mesh to a file such as
    plate.vtu, several to a folder. `parameters` (name=number) are told where the files do not have them."""
    from surrogates.workflows.mesh_inputs import predicted

    data = _told(_data(path), _numbers(parameters))
    _check_target(out, len(data))
    names = _names(path, len(data))
    print(f"{'mesh':<24} {'field':<16} {'from':>12} {'to':>12} {'mean std':>12} {'largest':>12} {'± 90 %':>10}")
    for name, said in zip(names, predicted(fitted, data), strict=True):
        for field in said.fields:
            print(f"{name:<24} {field:<16} {_row(said, field)}")
        if out is not None:
            target = out if len(data) == 1 else out / f"{name}.vtu"
            print(f"wrote {said.write(target)}")


def check_meshes(fitted: Any, path: Path, first: int) -> None:
    """Print the laws of a surrogate on meshes; exit code 1 when one is broken."""
    from surrogates.workflows.mesh_measures import laws_of

    report = laws_of(fitted, _data(path)[:first])
    print(report)
    if not report.passed:
        sys.exit(1)


def print_meshes(path: Path) -> None:
    """What files of meshes hold."""
    import numpy as np

    data = _data(path)
    first = data[0]
    sizes = [len(sample) for sample in data]
    nodes = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{sizes[0]}"
    cells = ", ".join(dict.fromkeys(kind for sample in data for kind in sample.cells))
    print(f"{path}: {len(data)} meshes of {nodes} nodes in {data.dim} dimensions; {cells}")
    if first.times is not None:
        print(f"{len(first.times)} frames from {first.times[0]:g} to {first.times[-1]:g}")
    lead = 1 if first.times is None else 2
    told = [
        f"{n}{np.shape(v)[lead:] or ''}{f' in {u}' if (u := data.units.get(n)) else ''}"
        for n, v in first.fields.items()
    ]
    print(f"fields {', '.join(told) or 'none'}; on cells {', '.join(data.cell_names) or 'none'}")
    print(f"tags {', '.join(data.tags) or 'none'}; parameters {', '.join(data.parameter_names) or 'none'}")
    print(f"{data.description}\nhash {data.hash}")


def _data(path: Path) -> Any:
    from surrogates.workflows.mesh_inputs import holds_meshes, mesh_data

    if not path.exists():
        raise FileError(f"there is no file {path}")
    if not holds_meshes(path):
        raise FileError(f"{path} holds no meshes; give a .vtu, .vtk, .msh, .xdmf, .stl or .inp, or a folder of them")
    return mesh_data(str(path))


def _numbers(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip() or not math.isfinite(found.get(name.strip(), math.nan)):
            raise DomainError(f"--parameter {text!r} is no number with a name; write it as --parameter poisson=0.3")
    return found


def _told(data: Any, numbers: dict[str, float]) -> Any:
    """The meshes with these parameters besides. Raises DomainError where a file says otherwise."""
    from surrogates.datasets import Meshes

    if not numbers:
        return data
    samples = []
    for k, sample in enumerate(data):
        for name, value in numbers.items():
            own = sample.parameters.get(name, value)
            if own != value:
                raise DomainError(
                    f"mesh {k} has {name} = {own:g}, and --parameter says {value:g}; leave one of them out"
                )
        samples.append(replace(sample, parameters={**sample.parameters, **numbers}))
    return Meshes(samples, provenance=data.provenance, units=data.units)


def _check_target(out: Path | None, count: int) -> None:
    """Before anything is computed: what is to be written can be."""
    if out is None:
        return
    from surrogates.datasets.adapters.mesh_files import SUFFIXES

    if count == 1:
        check_folder(out)
        if out.suffix.lower() not in SUFFIXES or out.suffix.lower() == ".stl":
            raise FileError(
                f"{out}: predicted meshes are written as .vtu, .vtk, .xdmf, .msh or .inp; choose such a name"
            )
    elif out.suffix or out.is_file():
        raise FileError(f"{out}: {count} meshes are written to a folder; give a name without an ending")
    else:
        out.mkdir(parents=True, exist_ok=True)


def _names(path: Path, count: int) -> list[str]:
    """How the meshes are called: by their files where each has one."""
    from surrogates.datasets.adapters.mesh_files import SUFFIXES

    files = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    stems = [f.stem for f in files]
    whole = len(stems) == count and len(set(stems)) == count
    return stems if whole else [f"{path.stem}-{k:04d}" for k in range(count)]


def _row(said: Any, field: str) -> str:
    import numpy as np

    values = np.asarray(said.fields[field], dtype=float)
    if not np.isfinite(values).all():
        raise DomainError(f"{field} is not finite; this checkpoint is no good, train anew")
    std = None if said.std is None or field not in said.std else float(np.mean(said.std[field]))
    peak = said.quantities.get(f"peak {field}") or said.quantities.get(f"peak_{field}")
    lengths = values if values.ndim == (1 if said.times is None else 2) else np.linalg.norm(values, axis=-1)
    value, width = peak if peak is not None else (float(np.abs(lengths).max()), None)
    told = f"{values.min():12.5g} {values.max():12.5g} {'-' if std is None else format(std, '.4g'):>12}"
    return f"{told} {value:12.5g} {'-' if width is None else format(1.645 * width, '.3g'):>10}"
