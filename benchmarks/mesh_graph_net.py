"""CPU time and memory of one training step of MeshGraphNet in several forms, turn by turn.

    python benchmarks/mesh_graph_net.py
    python benchmarks/mesh_graph_net.py --peer .venv-meshes/bin/python       (see requirements-meshes.txt)

    split              ours: the first layer on edges split over its inputs
    joined             ours, edges and both nodes joined before that layer, as the paper writes it
    lean               ours, blocks computed again for the gradient
    physicsnemo        PhysicsNeMo's MeshGraphNet, our weights copied into it
    physicsnemo-split  the same with its own `do_concat_trick`

Triangles of random points, width 128, 15 blocks, float32, one thread; a step is loss and gradient, without the
optimiser. Each form is a process of its own, and turns alternate, so that a busy machine slows all. "live" is what
torch's tensors held at most during a step, parameters and input not counted. The last column is the largest difference
of the result to that of "joined", over its largest value.

Then the bi-stride network (4 levels) beside MeshGraphNet at equal width on meshes of growing size, seconds a step.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import Delaunay

from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.bi_stride import BiStrideMeshGraphNet
from surrogates.meshes.mesh_graph_net import MeshGraphNet

OURS, THEIRS = ("joined", "split", "lean"), ("physicsnemo", "physicsnemo-split")
SCRIPT = Path(__file__).parent / "peers" / "mesh_graph_net_side.py"


class Side:
    """A process that makes steps on request."""

    def __init__(self, python: str, form: str, path: Path) -> None:
        self.process = subprocess.Popen(
            [python, str(SCRIPT), form, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self.form = form
        self.parameters = int(self._answer())

    def ask(self, command: str) -> float:
        assert self.process.stdin
        print(command, file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("answer"):
                return line.split()[1]
        raise SystemExit(f"{self.form} stopped: is what it needs installed? try it by hand: {SCRIPT}")


def mesh(nodes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Points, and edges (2, e) as (sender, receiver), both ways, sorted by receiver."""
    points = np.random.default_rng(seed).random((nodes, 2))
    cells = Delaunay(points).simplices
    pairs = np.concatenate([cells[:, [a, b]] for a in range(3) for b in range(3) if a != b]).astype(np.int64)
    pattern = Csr.of_pairs(*torch.from_numpy(pairs).T, rows=nodes)
    return torch.from_numpy(points).float() * nodes**0.5, torch.stack([pattern.senders, pattern.receivers])


def forms(given: argparse.Namespace) -> None:
    """Step time, memory and results of the joined, split and lean forms, in turns."""
    points, edges = mesh(given.nodes)
    sizes = {"dim": 2, "in_channels": 9, "out_channels": 2, "width": given.width, "depth": given.depth}
    torch.manual_seed(0)
    state = MeshGraphNet(**sizes).state_dict()
    print(f"{given.nodes} nodes, {edges.shape[1]} edges both ways")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.pt"
        values = torch.randn(given.nodes, 9)
        torch.save({"points": points, "edges": edges, "values": values, "sizes": sizes, "state": dict(state)}, path)
        sides = [Side(sys.executable, form, path) for form in OURS]
        sides += [Side(given.peer, form, path) for form in THEIRS] if given.peer else []
        times: dict[str, list[float]] = {side.form: [] for side in sides}
        for turn in range(given.turns + 1):
            for side in sides:
                seconds = side.ask("step 1")
                if turn:
                    times[side.form].append(seconds)
        results = {}
        for side in sides:
            side.ask(f"save {folder}/{side.form}.pt")
            results[side.form] = torch.load(f"{folder}/{side.form}.pt", weights_only=True)
        plain = times["joined"]
        print("form              | CPU s a step: smallest, median | joined / this, median | live MiB | difference")
        for side in sides:
            own = times[side.form]
            ratio = statistics.median(a / b for a, b in zip(plain, own, strict=True))
            apart = (results[side.form] - results["joined"]).abs().max() / results["joined"].abs().max()
            print(
                f"{side.form:17s} | {min(own):6.3f} {statistics.median(own):6.3f} | {ratio:5.2f} | "
                f"{side.ask('live'):7.1f} | {apart.item():.1e}",
                flush=True,
            )
            side.close()


def levels(given: argparse.Namespace) -> None:
    """Step time of bi-stride levels beside as many plain blocks."""
    print(
        "nodes | CPU s a step: MeshGraphNet of 9 blocks, bi-stride network of 4 levels (9 blocks) | CPU s of its levels"
    )
    for nodes in given.sizes:
        points, edges = mesh(nodes)
        pattern, values = Csr.of_pairs(*edges.flip(0), rows=nodes), torch.randn(nodes, 9)
        given_sizes = {"dim": 2, "in_channels": 9, "out_channels": 2, "width": given.width}
        nets = (
            MeshGraphNet(depth=9, lean=True, **given_sizes),
            BiStrideMeshGraphNet(levels=4, lean=True, **given_sizes),
        )
        seconds, built = [], 0.0
        for net in nets:
            start = time.process_time()
            patterns = net.patterns(points.double().numpy(), pattern, {})
            built = time.process_time() - start
            graph = MeshGraph(points, {"edges": pattern, **patterns}, torch.tensor([0, nodes]))
            own = []
            for _ in range(3):
                start = time.process_time()
                net(values, graph).square().mean().backward()
                own.append(time.process_time() - start)
            seconds.append(min(own))
        print(f"{nodes:6d} | {seconds[0]:.2f} {seconds[1]:.2f} | {built:.2f}", flush=True)


def main() -> None:
    """The comparisons asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="python of an environment with PhysicsNeMo")
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=15)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[2000, 20000], help="of the second table; none: without"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    forms(given)
    if given.sizes:
        levels(given)


if __name__ == "__main__":
    main()
