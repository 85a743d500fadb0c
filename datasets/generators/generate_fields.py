"""Trajectories of a user's own equation on a periodic grid, from random or given initial states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from inspect import signature
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from surrogates.datasets.field_parts.checks import check_times
from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GaussianField, Number, Times, as_range, plain_number
from surrogates.datasets.generators.field_jobs import FieldJob, Progress, block_size, make_fields
from surrogates.datasets.generators.solved_fields import Initial, Problem, imported, solved
from surrogates.physics.errors import DomainError
from surrogates.physics.fields import Equation, Grid


def generate_fields(
    equation: Equation | str,
    samples: int,
    *,
    grid: Grid,
    times: Times,
    initial: Initial | GaussianField | str | Tensor | None = None,
    parameters: Mapping[str, Number] | None = None,
    forcing: Callable[[Grid], Tensor] | str | None = None,
    amplitude: Number = 1.0,
    refine: int = 1,
    settle: float | int = 0.0,
    tolerance: float = 1e-8,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
) -> Fields:
    """Solve `equation` from `samples` initial states; the numbers it was solved with are parameters of the data.

    Args:
        equation: an Equation, or the import path "module:function" of a function that returns one, which is told
            `dim`, the grid's dimensions, where it takes that.
        grid: of the frames, periodic along each axis. times: of the frames, rising.
        initial: (grid, samples, torch generator) -> (samples, components, *space); a `GaussianField` (the default), an
            import path, or states (samples, components, *space) on this very grid.
        parameters: by name a number, or (low, high) or Range(low, high, log=True) to draw each sample's from.
        forcing: (grid) -> (1, components, *space), added to the right-hand side and stored as a constant field.
        amplitude: its factor, a number or a range.
        refine: solve on a grid so many times finer and keep every refine-th point.
        settle: time to pass between the initial state and the first frame.
        tolerance: relative error of the solution at the last time that the solver aims at.
        workers: share the samples: processes where equation, initial and forcing are import paths, else threads.
        directory: where to keep the data; a run that was killed continues there.

    Raises DomainError: parameters, shapes or times that do not fit, or a solution that breaks down (naming sample and
    time); FileError where `directory` holds other data.
    """
    if initial is None:
        initial = GaussianField()
    if isinstance(initial, Tensor):
        initial = initial.detach().to("cpu", torch.float64)
    settings = {
        "equation": _plain(equation),
        "shape": list(grid.shape),
        "lengths": list(grid.lengths),
        "times": [float(t) for t in check_times(times)],
        "initial": _plain(initial),
        "parameters": {k: plain_number(as_range(k, v)) for k, v in (parameters or {}).items()},
        "forcing": None if forcing is None else _plain(forcing),
        "amplitude": plain_number(as_range("amplitude", amplitude)),
        "refine": int(refine),
        "settle": float(settle),
        "tolerance": float(tolerance),
        "seed": int(seed),
    }
    given = {"equation": equation, "initial": initial, "forcing": forcing}
    problem = problem_of(settings, given)
    _check(problem, grid, samples)
    name = problem.equation.name
    job = FieldJob(
        maker="surrogates.datasets.generators.generate_fields:samples_of",
        settings=settings,
        samples=int(samples),
        block=block_size(prod(grid.shape) * refine**grid.dim * problem.equation.components),
        provenance={"name": name, "description": f"{name}: trajectories on {grid.shape} points, seed {seed}"},
    )
    named = all(p is None or isinstance(p, str | GaussianField) for p in given.values())
    maker = None if named else partial(_samples, problem)
    return make_fields(job, workers=workers, progress=progress, directory=directory, maker=maker)


def samples_of(settings: Mapping[str, Any], rows: range) -> Fields:
    """The samples `rows` of what `generate_fields` was asked for, where everything has an import path."""
    return solved(problem_of(settings), rows)


def problem_of(settings: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Problem:
    """The problem that JSON-able settings describe; `given` has what they only tell by its fingerprint."""
    given = given or {}
    parts: dict[str, Any] = {}
    for name in ("equation", "initial", "forcing"):
        found = given.get(name)
        if found is None and (described := settings[name]) is not None:
            found = imported(described["use"]) if "use" in described else GaussianField(**described)
        parts[name] = imported(found) if isinstance(found, str) else found
    grid = Grid(settings["shape"], settings["lengths"], True)
    equation = _equation(parts["equation"], grid, settings["equation"])
    return Problem(
        equation=equation,
        grid=grid,
        times=tuple(settings["times"]),
        initial=parts["initial"],
        parameters={k: as_range(k, v) for k, v in settings["parameters"].items()},
        forcing=parts["forcing"],
        amplitude=as_range("amplitude", settings["amplitude"]),
        refine=settings["refine"],
        tolerance=settings["tolerance"],
        settle=settings["settle"],
        seed=settings["seed"],
    )


def _equation(found: Any, grid: Grid, told: Mapping[str, Any]) -> Equation:
    if callable(found) and not isinstance(found, Equation):
        takes_dim = "dim" in signature(found).parameters
        try:
            found = found(dim=grid.dim) if takes_dim else found()
        except TypeError as error:
            raise DomainError(
                f"{told} cannot be called for an equation ({error}); name a function that needs nothing "
                "but, perhaps, dim"
            ) from error
    if not isinstance(found, Equation):
        raise DomainError(f"{told} is no equation but {type(found).__name__}; give an Equation or a path to one")
    return found


def _samples(problem: Problem, settings: Mapping[str, Any], rows: range) -> Fields:
    return solved(problem, rows)


def _check(problem: Problem, grid: Grid, samples: int) -> None:
    """Raise DomainError for what would else only show in the first block."""
    equation = problem.equation
    if grid.dim != equation.dim or not all(grid.periodic):
        raise DomainError(
            f"{equation.name} has {equation.dim} dimensions and is solved on a periodic grid; the grid {grid.shape} "
            f"has {grid.dim}, periodic {grid.periodic}"
        )
    if set(problem.parameters) != set(equation.parameters):
        raise DomainError(
            f"{equation.name} given the parameters {sorted(problem.parameters)}; it needs exactly "
            f"{sorted(equation.parameters)}"
        )
    if problem.refine < 1 or problem.settle < 0 or not problem.tolerance > 0:
        raise DomainError(
            f"refine={problem.refine}, settle={problem.settle}, tolerance={problem.tolerance}; give a whole number "
            "from 1, a time from 0 and a positive number"
        )
    if isinstance(problem.initial, Tensor):
        expected = (samples, equation.components, *grid.finer(problem.refine).shape)
        if tuple(problem.initial.shape) != expected:
            raise DomainError(
                f"initial states of shape {tuple(problem.initial.shape)}; (samples, components, *space) of the "
                f"solver's grid is {expected}"
            )


def _plain(part: Any) -> dict[str, Any]:
    """What is stored of an equation, an initial state or a forcing."""
    if isinstance(part, str):
        return {"use": part}
    if isinstance(part, GaussianField):
        return asdict(part)
    if isinstance(part, Tensor):
        return {"states": hashlib.sha256(part.contiguous().numpy().tobytes()).hexdigest()}
    digest = hashlib.sha256()
    pieces = [part.linear, part.nonlinear] if isinstance(part, Equation) else [part]
    for piece in pieces:
        code = getattr(piece, "__code__", None)
        digest.update(repr(piece).encode() if code is None else code.co_code + repr(_constants(code)).encode())
    return {
        "object": getattr(part, "name", getattr(part, "__qualname__", type(part).__name__)),
        "sha256": digest.hexdigest(),
    }


def _constants(code: Any) -> list[Any]:
    """Constants and names that a function's code uses, those of functions inside it too."""
    inner = [_constants(c) if hasattr(c, "co_code") else c for c in code.co_consts]
    return [code.co_names, inner]
