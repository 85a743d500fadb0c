"""CPU time and memory of differential operators of a network with their parameter gradient, route against route.

    python benchmarks/derivatives.py --peer .venv-jax/bin/python        (see requirements-jax.txt)
    python benchmarks/derivatives.py --problems laplacian biharmonic --width 1024
    python benchmarks/derivatives.py --device cuda --problems laplacian biharmonic high million

A tanh network of four hidden layers, batch 100, float32, one thread. A step is the sum over V = 16 directions of the
derivative of that order at each point, its mean square, and the gradient of that in the parameters.
Directions are the same for all routes: dense Gaussian ones at d = 1000, unit vectors at d = 1e5 and 1e6; "exact" is
the whole Laplacian at d = 1000. Routes of plain torch are in peers/derivative_routes.py, each in the best form of it
that we found: directions without a batch axis under vmap, chunks, loops, all directions as one batch of points. "peer"
is jax.experimental.jet, compiled.

Each route is a process of its own; turns alternate, so that a busy machine slows all. Ratios are of medians. "live" is
what torch's tensors held at most during a step, parameters and points not counted; "RSS" the peak of the process over
its size after the imports, everything counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
DENSE = (
    "along_directions",
    "jvp_in_jvp",
    "jvp_in_jvp_by_4",
    "jvp_in_jvp_rows",
    "jvp_of_grad",
    "nested",
    "nested_steps",
)
EXACT = ("exact_in_first_layer", "exact_by_coordinates", "exact_jvp_in_jvp", "exact_jvp_of_grad", "exact_nested")
COLUMNS = ("along_directions", "jvp_in_jvp_columns", "nested_columns", "nested_chosen_columns")
OURS = ("along_directions", "exact_in_first_layer", "exact_by_coordinates")


@dataclass(frozen=True)
class Problem:
    """d, order, routes (ours first), unit vectors as directions, block of a weight-shared first layer, turns."""

    d: int
    order: int
    routes: tuple[str, ...]
    sparse: bool = False
    block: int = 0
    turns: float = 1.0


PROBLEMS = {
    "laplacian": Problem(1000, 2, (*DENSE, "jacobians")),
    "biharmonic": Problem(1000, 4, (*DENSE, "jacobians")),
    "exact": Problem(1000, 2, EXACT, turns=0.3),
    "high": Problem(100_000, 2, COLUMNS, sparse=True, turns=0.3),
    "million": Problem(1_000_000, 2, COLUMNS[:1], sparse=True, block=50, turns=0.3),
}


class Side:
    """A process that makes steps on request."""

    def __init__(self, python: str, script: str, *arguments: object) -> None:
        self.messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, str(HERE / "peers" / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
            env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        )
        self._answer()

    def ask(self, command: str) -> float:
        assert self.process.stdin
        print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> float:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("answer"):
                return float(line.split()[1])
        self.messages.seek(0)
        raise SystemExit(f"a side stopped: {self.messages.read()[-2000:]}")


def files(problem: Problem, given: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """Weights, points and directions for torch and for jax."""
    torch.manual_seed(0)
    inputs = problem.d // problem.block if problem.block else problem.d
    sizes = [inputs, *[given.width] * 4, 1]
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    weights = [(layer.weight.data, layer.bias.data) for layer in layers]
    x = torch.randn(given.batch, problem.d) / problem.d**0.5
    chosen = torch.randperm(problem.d)[: given.directions]
    v = chosen if problem.sparse else torch.randn(given.directions, problem.d)
    shared = [problem.d, problem.block] if problem.block else []
    torch.save({"weights": weights, "x": x, "v": v, "shared": shared}, folder / "given.pt")
    if given.peer:
        named = {f"{name}{k}": t.numpy() for k, pair in enumerate(weights) for name, t in zip("wb", pair, strict=True)}
        np.savez(folder / "given.npz", x=x.numpy(), v=v.numpy(), **named)
    return folder / "given.pt", folder / "given.npz"


def compare(name: str, problem: Problem, given: argparse.Namespace) -> None:
    print(f"\n{name}: d = {problem.d}, order {problem.order}, width {given.width}, batch {given.batch}, {given.device}")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = files(problem, given, Path(folder))
        sides = {
            route: Side(sys.executable, "derivative_side.py", route, problem.order, given.device, ours)
            for route in problem.routes
            if route in OURS or not given.routes or route in given.routes
        }
        if given.peer and name != "exact" and not problem.block:
            sides["peer"] = Side(given.peer, "jax_derivative_side.py", "jet", problem.order, "cpu", theirs)
        times: dict[str, list[float]] = {route: [] for route in sides}
        for turn in range(max(2, round(given.turns * problem.turns)) + 1):
            for route, side in sides.items():
                seconds = side.ask("step 1")
                if turn:
                    times[route].append(1e3 * seconds)
        medians = {route: statistics.median(found) for route, found in times.items()}
        first = medians[problem.routes[0]]
        for route, side in sides.items():
            value, gradient = side.ask("value"), side.ask("gradient")
            rss, live = side.ask("rss"), side.ask("live")
            shown = f"ours: {route}" if route in OURS else route
            print(
                f"{shown:28s} ms {medians[route]:9.1f} (least {min(times[route]):9.1f})"
                f"  ratio {medians[route] / first:7.2f}  live MiB {live:8.1f}  RSS MiB {rss:8.1f}"
                f"  mean {value:.6e}  gradient {gradient:.6e}",
                flush=True,
            )
            side.close()
        others = {route: ms for route, ms in medians.items() if route not in OURS and route != "peer"}
        if others:
            best = min(others, key=others.__getitem__)
            print(f"fastest route of plain torch: {best}, {others[best] / first:.2f} times ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", default="", help="python of an environment with jax")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--routes", nargs="*", default=[], help="of plain torch, all unless given")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--directions", type=int, default=16)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.problems:
        compare(name, PROBLEMS[name], given)


if __name__ == "__main__":
    main()
