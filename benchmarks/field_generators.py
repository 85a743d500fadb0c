"""Work and precision of the periodic solvers: error against a refined reference for CPU seconds per 1000 samples.

    python benchmarks/field_generators.py burgers navier_stokes --samples 50 --results field_generators.jsonl

For each resolution and tolerance one row: the relative L2 error at the last time against a solution on twice the
finest grid (`error`) and against the same modes at a hundredth of the row's tolerance (`time_error`), CPU seconds per
1000 samples, and the same as a multiple of the bare real FFTs that its stages need, timed in the same row before and
after the run. Initial states hold the modes that the coarsest grid keeps, so that every row solves one problem. Rows
are appended as they are made; rows already in the file are not made again. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from surrogates.physics.fields import Equation, Grid, burgers, gaussian_random_field, navier_stokes, solve
from surrogates.physics.fields.navier_stokes import diagonal_forcing
from surrogates.physics.fields.spectral import Spectral


@dataclass(frozen=True)
class Problem:
    """What is solved, and how many real transforms one stage needs each way."""

    equation: Equation
    dim: int
    sides: tuple[int, ...]
    end: float
    nu: float
    field: dict[str, float]
    inverse: int
    forward: int
    forcing: Callable[[Grid], Tensor] | None
    tolerances: tuple[float, ...]


PROBLEMS = {
    # Fourier Neural Operator for Parametric Partial Differential Equations (arXiv:2010.08895), section 5.1
    "burgers": Problem(
        burgers(), 1, (256, 512, 1024), 1.0, 0.1, {"alpha": 2, "tau": 5, "sigma": 25}, 1, 1, None,
        (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9),
    ),
    # the same, section 5.3
    "navier_stokes": Problem(
        navier_stokes(), 2, (32, 48, 64), 20.0, 1e-3, {"alpha": 2.5, "tau": 7}, 2, 2, diagonal_forcing,
        (1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
    ),
}  # fmt: skip


def run(problem: Problem, initial: Tensor, side: int, tolerance: float) -> tuple[Tensor, float, Tensor]:
    """Last frame, CPU seconds and steps."""
    grid = Grid((side,) * problem.dim)
    forcing = None if problem.forcing is None else problem.forcing(grid)
    start = time.process_time()
    found = solve(
        problem.equation,
        initial,
        grid=grid,
        times=[0, problem.end],
        parameters={"nu": problem.nu},
        forcing=forcing,
        tolerance=tolerance,
    )
    return found.values[:, -1], time.process_time() - start, found.steps


def resample(values: Tensor, side: int, kept: int, dim: int) -> Tensor:
    """The field of the modes that a grid of `kept` points keeps, on another grid."""
    given = Spectral(Grid((values.shape[-1],) * dim), order=1)
    few = Spectral(Grid((kept,) * dim))
    assert few.limits[0] <= given.limits[0]
    return few.values(few.spectrum(values), (side,) * dim)


def relative(found: Tensor, exact: Tensor) -> float:
    """Mean over the samples of |found - exact| / |exact|."""
    return float(((found - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).mean())


def bare_ffts(problem: Problem, side: int, rows: int) -> float:
    """CPU seconds of the real transforms of one stage for one sample, in batches of `rows`."""
    dims = tuple(range(-problem.dim, 0))
    shape = (side,) * problem.dim
    points = torch.randn(rows, 1, *shape, dtype=torch.float64)
    spectrum = torch.fft.rfftn(points.expand(rows, problem.inverse, *shape).contiguous(), dim=dims)
    several = points.expand(rows, problem.forward, *shape).contiguous()
    times = []
    for _ in range(30):
        start = time.process_time()
        torch.fft.irfftn(spectrum, s=shape, dim=dims)
        torch.fft.rfftn(several, dim=dims)
        times.append(time.process_time() - start)
    return sorted(times)[len(times) // 2] / rows


def rows_of(name: str, samples: int, done: set[tuple[str, int, float, int]]) -> Iterator[dict[str, object]]:
    """Yield the rows of one problem that are not done yet."""
    problem = PROBLEMS[name]
    todo = [(s, t) for s in problem.sides for t in problem.tolerances if (name, s, t, samples) not in done]
    if not todo:
        return
    fine, coarse = 2 * problem.sides[-1], problem.sides[0]
    drawn = gaussian_random_field(
        Grid((fine,) * problem.dim), samples, **problem.field, generator=torch.Generator().manual_seed(0)
    )[:, None]
    initial = {side: resample(drawn, side, coarse, problem.dim) for side in (*problem.sides, fine)}
    exact, _, _ = run(problem, initial[fine], fine, 0.1 * problem.tolerances[-1])
    for side, tolerance in todo:
        before = bare_ffts(problem, side, min(samples, 8))
        found, seconds, steps = run(problem, initial[side], side, tolerance)
        after = bare_ffts(problem, side, min(samples, 8))
        same_modes, _, _ = run(problem, initial[side], side, 1e-2 * tolerance)
        stride = (slice(None), slice(None), *[slice(None, None, fine // side)] * problem.dim)
        on_side = exact[stride] if fine % side == 0 else resample(exact, side, side, problem.dim)
        mean_steps = float(steps.double().mean())
        yield {
            "problem": name,
            "side": side,
            "tolerance": tolerance,
            "samples": samples,
            "steps": mean_steps,
            "error": relative(found, on_side),
            "time_error": relative(found, same_modes),
            "cpu_seconds_per_1000": 1000 * seconds / samples,
            "times_bare_ffts": seconds / samples / (4 * mean_steps * (before + after) / 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--results", type=Path, default=Path("field_generators.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = arguments.results.read_text().splitlines() if arguments.results.exists() else []
    old = [json.loads(line) for line in lines]
    done = {(row["problem"], row["side"], row["tolerance"], row["samples"]) for row in old}
    print(f"{'problem':14} side tolerance  steps     error  in time  CPU s/1000  x bare FFTs")
    for name in arguments.problems:
        for row in [row for row in old if row["problem"] == name]:
            show(row)
        for row in rows_of(name, arguments.samples, done):
            with arguments.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            show(row)


def show(row: dict[str, object]) -> None:
    """One row as a line of the table."""
    print(
        "{problem:14} {side:4d} {tolerance:9.0e} {steps:6.0f} {error:9.1e} {time_error:8.1e} "
        "{cpu_seconds_per_1000:11.2f} {times_bare_ffts:12.1f}".format(**row),
        flush=True,
    )


if __name__ == "__main__":
    main()
