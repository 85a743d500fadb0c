"""Commands on networks that solve an equation: evaluate, predict and check them at points."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError, FileError
from surrogates.workflows.commands.points_file import read_points, write_points

_POINTS, _SEED = 4000, 900  # that scores are measured at where no file is given
_RESIDUAL, _CONDITION = 0.1, 0.05  # largest violations that `check` accepts, over their scales


def evaluate_equation(fitted: Any, path: Path | None) -> None:
    """Print the scores of a solution: at random points of its problem, or against the columns of a file."""
    problem = fitted.members[0].problem
    if path is None:
        found = fitted.evaluate(problem.points(_POINTS, seed=_SEED))
        print(replace(found, parameters=fitted.task.parameters_found))
        return
    points, rest = read_points(path, problem.names)
    outputs = _names(fitted, points)
    missing = [name for name in outputs if name not in rest]
    if missing:
        raise FileError(
            f"{path} has points and {', '.join(rest) or 'nothing else'}; to score against it, it needs the values of "
            f"{', '.join(missing)} too; without a file, the problem's own solution counts"
        )
    truth = np.stack([rest[name] for name in outputs], axis=1)
    said = _predicted(fitted, points)[0]
    size = float(np.linalg.norm(truth)) or 1.0
    constant = float(np.linalg.norm(truth - truth.mean(axis=0))) / size
    print(f"{len(points)} points of {path}")
    print(f"relative L2 error {float(np.linalg.norm(said - truth)) / size:.3e} (a constant: {constant:.2g})")
    print(f"largest error {float(np.abs(said - truth).max()):.3e}")


def predict_equation(fitted: Any, path: Path, out: Path | None) -> None:
    """Print what a solution says at points of a .csv, .npz or .h5 file; write it, with NAME_std, where asked for."""
    problem = fitted.members[0].problem
    points, _ = read_points(path, problem.names)
    names = _names(fitted, points)
    values, std = _predicted(fitted, points)
    columns = {name: points[:, k] for k, name in enumerate(problem.names)}
    for k, name in enumerate(names):
        columns[name] = values[:, k]
        spread = "no spread: one network" if std is None else f"mean std {std[:, k].mean():.3g}"
        low, high = values[:, k].min(), values[:, k].max()
        print(f"{name}: {len(points)} points, from {low:.6g} to {high:.6g}, {spread}")
        if std is not None:
            columns[f"{name}_std"] = std[:, k]
    _warn_outside(problem, points)
    if out is not None:
        write_points(out, columns)
        print(f"wrote {out}")


def check_equation(fitted: Any) -> None:
    """Print by how much a solution violates its equation and its conditions; exit code 1 where it is too much."""
    from surrogates.workflows.equation_measures import conditions_of, exactly, look, residual_scale, size_of

    fitted = replace(fitted, members=tuple(exactly(member) for member in fitted.members))
    problem = fitted.members[0].problem
    data = problem.points(1000, seed=_SEED)
    seen = look(fitted, data)
    scale, name = residual_scale(fitted, problem, data.interior)
    rows = [("equation", float(np.sqrt(np.mean(seen.residual**2))), scale, _RESIDUAL, name or "no scale is known")]
    size = size_of(seen)
    rows += [(n, e, size, _CONDITION, "scatter of the solution") for n, e in conditions_of(fitted, data).items()]
    print(f"{'law':<24} {'violation':>10} {'scale':>10} {'allowed':>8}  holds")
    failed = False
    for what, error, beside, allowed, told in rows:
        holds = beside is None or error <= allowed * beside
        failed |= not holds
        shown = "-" if beside is None else f"{beside:.3g}"
        verdict = "?" if beside is None else "yes" if holds else "NO"
        print(f"{what:<24} {error:>10.3g} {shown:>10} {100 * allowed:>6.0f} %  {verdict}  ({told})")
    if failed:
        sys.exit(1)


def _predicted(fitted: Any, points: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and standard deviations (n, outputs): calibrated ones, or the members' own scatter."""
    import torch

    spread = fitted.spread is not None or len(fitted.members) > 1
    solver = fitted if fitted.spread is not None else fitted.task
    found = solver.predict(torch.from_numpy(points), spread=spread)
    values = found.values.cpu().double().numpy()
    if not np.isfinite(values).all():
        raise DomainError("values are not finite; this checkpoint is no good, train anew")
    return values, None if found.std is None else found.std.cpu().double().numpy()


def _names(fitted: Any, points: np.ndarray) -> list[str]:
    """u, or u1, u2, ... of several fields."""
    outputs = _predicted(fitted, points[:1])[0].shape[1]
    return ["u"] if outputs == 1 else [f"u{k + 1}" for k in range(outputs)]


def _warn_outside(problem: Any, points: np.ndarray) -> None:
    """Say how many points lie outside the domain that the network was trained on."""
    domain = None if problem.spec is None else problem.domain
    if domain is None or not hasattr(domain, "inside"):
        return
    outside = int((~np.asarray(domain.inside(points), dtype=bool)).sum())
    if outside:
        print(f"{outside} of {len(points)} points lie outside the domain of the equation: values there mean nothing")
