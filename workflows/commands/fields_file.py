"""Commands on trained operators and files of fields: evaluate, predict, check, info."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError, FileError


def evaluate_fields(fitted: Any, path: Path) -> None:
    """Print the scores of an operator; trajectories that it was trained on are refused."""
    data = _data(fitted, path)
    if seen := fitted.seen(data):
        raise FileError(
            f"{len(seen)} of {len(data)} trajectories in {path} (first: {seen[0]}) were trained on, so errors there "
            "say nothing; give trajectories kept apart"
        )
    print(fitted.evaluate(data))


def predict_fields(fitted: Any, path: Path, out: Path | None) -> None:
    """Print what an operator says of trajectories, and write it where asked for: NAME, and NAME_std with a spread."""
    from surrogates.datasets import Fields

    if out is not None and out.suffix not in (".h5", ".hdf5"):
        raise FileError(f"{out}: predicted fields are stored as HDF5; choose a name that ends in .h5 or .hdf5")
    data = _data(fitted, path)
    found = fitted.predict(data, spread=fitted.spread is not None)
    arrays = {name: values.cpu().numpy() for name, values in found.fields.items()}
    for name, values in arrays.items():
        print(f"{name}: {values.shape}, from {values.min():.6g} to {values.max():.6g}, mean {values.mean():.6g}")
    if out is None:
        return
    arrays |= {f"{name}_std": values.cpu().numpy() for name, values in (found.std or {}).items()}
    Fields.from_arrays(arrays, axes=data[0].axes, periodic=data[0].periodic, units=data.units).save(out)
    print(f"wrote {out}")


def check_fields(fitted: Any, path: Path) -> None:
    """Print the laws of an operator; exit code 1 when one is broken."""
    from surrogates.testing.field_check import check_operator

    report = check_operator(fitted, _data(fitted, path))
    print(report)
    if not report.passed:
        sys.exit(1)


def print_fields(path: Path) -> None:
    """What a file of fields holds."""
    from surrogates.workflows.field_inputs import field_data

    data = field_data(str(path))
    first = data[0]
    grid = " x ".join(map(str, first.space))
    print(f"{path}: {len(data)} trajectories of {len(first.times)} frames on {grid} points")
    print(f"fields {', '.join(first.fields)}; without time {', '.join(first.constants) or 'none'}")
    print(f"parameters {', '.join(data.parameter_names) or 'none'}\nhash {data.hash}")


def _data(fitted: Any, path: Path) -> Any:
    from surrogates.workflows.field_inputs import field_data

    if not hasattr(fitted.members[0], "rollout_batches"):
        raise DomainError(f"{path} holds fields, and this surrogate is for structures; give structures")
    return field_data(str(path))
