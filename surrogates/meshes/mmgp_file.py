"""A fitted MMGP as one checkpoint file, and back: safetensors with JSON beside them (surrogates.tensor_file)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates import tensor_file
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes.band import Band
from surrogates.meshes.field_process import FieldProcess, FieldSummary
from surrogates.meshes.gaussian_process import GaussianProcess
from surrogates.meshes.morphing.register import Morphing
from surrogates.meshes.peak import Peak
from surrogates.meshes.pod import Modes
from surrogates.meshes.processes import Processes
from surrogates.meshes.shape_inputs import ShapeInputs
from surrogates.physics.errors import FileError
from surrogates.physics.meshes.mass import consistent_mass

FORMAT = 1
KIND = "mmgp"
PAPER = (
    "MMGP: a Mesh Morphing Gaussian Process-based machine learning method for regression of physical problems under "
    "non-parameterized geometrical variability (arXiv:2305.12871)"
)


def save(model: Any, path: str | Path) -> Path:
    """Write, atomically. Raises FileError for a full disk, and for a name that does not end in .safetensors."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise FileError(
            f"{path}: a checkpoint's name ends in .safetensors; use {path.with_suffix('.safetensors').name}"
        )
    arrays, fields = _arrays(model)
    metadata = {
        "kind": KIND,
        "format": FORMAT,
        "arguments": model.arguments,
        "components": {name: list(shape) for name, shape in model.components.items()},
        "morph": {key: getattr(model.morphing, key) for key in ("morph", "closed", "landmarks")},
        "parameters": list(model.inputs.parameters),
        "constant": model.inputs.constant,
        "fields": fields,
        "facts": model.facts,
        "versions": _versions(),
        "papers": [PAPER],
    }
    tensor_file.write(path, {name: torch.from_numpy(np.array(a, order="C")) for name, a in arrays.items()}, metadata)
    return path


def load(path: str | Path) -> Any:
    """Read. Raises FileError for a missing, damaged or foreign file."""
    return restored(path, *tensor_file.read(path))


def restored(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Any:
    """The MMGP of a file's content."""
    if metadata.get("kind") != KIND:
        raise FileError(
            f"{path} holds no MMGP but {metadata.get('kind', 'something unknown')!r}; read it with "
            "surrogates.training.load"
        )
    if metadata.get("format") != FORMAT:
        raise FileError(f"{path} has format {metadata.get('format')}; update surrogates: this version reads {FORMAT}")
    try:
        return _made({name: t.numpy() for name, t in tensors.items()}, metadata)
    except (KeyError, TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
        raise FileError(
            f"{path} does not fit this version of surrogates ({type(error).__name__}: {error}); train anew"
        ) from error


def card(name: str, metadata: Mapping[str, Any]) -> str:
    """What a file holds, as text."""
    facts, lines = metadata["facts"], [f"{name}: surrogates checkpoint, MMGP, format {metadata['format']}"]
    given = {key: value for key, value in metadata["arguments"].items() if value not in (None, False, [])}
    lines.append("surrogates.meshes.mmgp:MMGP " + ", ".join(f"{key}={value}" for key, value in given.items()))
    lines.append(f"training data: {facts['rows']} meshes, hash {facts['hash']}")
    for field, found in metadata["fields"].items():
        f = found["summary"]
        lines.append(
            f"{field}: {f['modes']} modes; relative L2 of the modes {100 * f['truncation']:.2g} %, of the way there "
            f"and back {100 * f['morph']:.2g} %, left out {100 * f['left_out']:.3g} %"
        )
    lines.append(
        f"parameters: {', '.join(metadata['parameters']) or 'none'}; the same in all: {metadata['constant'] or 'none'}"
    )
    lines.append("spread: leave-one-out")
    lines += [f"paper: {paper}" for paper in metadata["papers"]]
    lines.append("versions: " + ", ".join(f"{k}={v}" for k, v in metadata["versions"].items()))
    return "\n".join(lines)


def _arrays(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    common, inputs = model.morphing.common, model.inputs
    arrays = {"common.points": common.points}
    arrays |= {f"common.cells.{kind}": nodes for kind, nodes in common.cells.items()}
    arrays |= {f"common.tags.{name}": np.asarray(tag, dtype=bool) for name, tag in common.tags.items()}
    arrays |= {f"common.fields.{name}": values for name, values in common.fields.items()}
    arrays |= _of_modes("shape", inputs.shape) | {"shape.center": inputs.center, "shape.scale": inputs.scale}
    plain: dict[str, Any] = {}
    for k, (name, field) in enumerate(model.processes.items()):
        at = f"field.{k}"
        arrays |= _of_modes(at, field.modes) | {f"{at}.residual": field.residual}
        arrays |= {f"{at}.band.{part}": getattr(field.band, part) for part in ("shares", "widths", "factors")}
        arrays |= _of_processes(f"{at}.processes", field.processes.each)
        plain[name] = {"summary": {**vars(field.summary), "spectrum": list(field.summary.spectrum)}, "peak": None}
        if field.peak is not None:
            arrays |= _of_processes(f"{at}.peak", (field.peak.process,))
            plain[name]["peak"] = {"way": field.peak.way, "factor": field.peak.factor}
    return arrays, plain


def _of_modes(at: str, modes: Modes) -> dict[str, np.ndarray]:
    return {f"{at}.mean": modes.mean, f"{at}.modes": modes.modes, f"{at}.spectrum": modes.spectrum}


def _of_processes(at: str, processes: tuple[GaussianProcess, ...]) -> dict[str, np.ndarray]:
    return {
        f"{at}.inputs": processes[0].inputs,
        f"{at}.outputs": np.stack([p.outputs for p in processes]),
        f"{at}.lengths": np.stack([p.lengths for p in processes]),
        f"{at}.nuggets": np.array([p.nugget for p in processes]),
    }


def _made(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Any:
    from surrogates.meshes.mmgp import MMGP

    model = MMGP(**metadata["arguments"])
    fields: dict[str, Any] = {"cells": {}, "tags": {}, "fields": {}}
    for name, array in arrays.items():
        parts = name.split(".", 2)
        if parts[0] == "common" and len(parts) == 3:
            fields[parts[1]][parts[2]] = array
    model.morphing = Morphing(MeshSample(arrays["common.points"], **fields), **metadata["morph"])
    mass = consistent_mass(arrays["common.points"], model.morphing.cells)
    model.inputs = ShapeInputs(
        _modes(arrays, "shape", mass),
        tuple(metadata["parameters"]),
        dict(metadata["constant"]),
        arrays["shape.center"],
        arrays["shape.scale"],
    )
    model.components = {name: tuple(shape) for name, shape in metadata["components"].items()}
    model.facts = dict(metadata["facts"])
    for k, name in enumerate(model.names):
        found, at = metadata["fields"][name], f"field.{k}"
        summary = FieldSummary(**{**found["summary"], "spectrum": tuple(found["summary"]["spectrum"])})
        told = found["peak"]
        peak = None if told is None else Peak(told["way"], _processes(arrays, f"{at}.peak")[0], told["factor"])
        band = Band(*(arrays[f"{at}.band.{part}"] for part in ("shares", "widths", "factors")))
        processes = Processes(_processes(arrays, f"{at}.processes"))
        residual = arrays[f"{at}.residual"]
        model.processes[name] = FieldProcess(_modes(arrays, at, mass), processes, residual, band, peak, summary)
    return model


def _modes(arrays: Mapping[str, np.ndarray], at: str, mass: Any) -> Modes:
    return Modes(arrays[f"{at}.mean"], arrays[f"{at}.modes"], mass, arrays[f"{at}.spectrum"])


def _processes(arrays: Mapping[str, np.ndarray], at: str) -> tuple[GaussianProcess, ...]:
    inputs, rows = arrays[f"{at}.inputs"], (arrays[f"{at}.{part}"] for part in ("outputs", "lengths", "nuggets"))
    return tuple(GaussianProcess(inputs, y, lengths, float(nugget)) for y, lengths, nugget in zip(*rows, strict=True))


def _versions() -> dict[str, str]:
    from surrogates import __version__

    return {"surrogates": __version__, **{name: version(name) for name in ("numpy", "scipy", "scikit-fem")}}
