"""One training step of the mesh transformer from 1,000 to 100,000 nodes: CPU time, its slope, memory, MeshGraphNet's.

    python benchmarks/mesh_transformer.py [--size S] [--nodes 1000 3000 10000 30000 100000] [--against 2000]

A step is the mean square of the result with its gradient by all weights, float32, one thread, on plates with a hole
meshed by our own generator. The slope is that of log time over log nodes, by least squares. Memory is what torch had
allocated at most during a step beyond what it had before. Against MeshGraphNet: the same width and depth, turn by turn.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.mesh_graph_net import MeshGraphNet
from surrogates.meshes.transformer import SIZES, MeshTransformer
from surrogates.physics.meshes import Ellipse, Plate, triangulate

ENDS = {"dim": 2, "in_channels": 5, "out_channels": 3}


def plate(nodes: int) -> tuple[np.ndarray, Csr]:
    """Points and edges of a plate with a hole, of about so many nodes."""
    region = Plate(2.0, 1.0, [Ellipse((0.9, 0.5), (0.2, 0.12), 0.4)])
    mesh = triangulate(region, (2.2 / nodes) ** 0.5, near=(2.2 / nodes) ** 0.5)
    cells = torch.from_numpy(mesh.triangles)
    pairs = torch.cat([cells[:, [a, b]] for a in range(3) for b in range(3) if a != b])
    return mesh.vertices, Csr.of_pairs(pairs[:, 0], pairs[:, 1], rows=len(mesh.vertices))


class Side:
    """A network on one mesh."""

    def __init__(self, model: torch.nn.Module, points: np.ndarray, edges: Csr) -> None:
        patterns = {"edges": edges, **model.patterns(points, edges, {})}
        self.model = model
        self.graph = MeshGraph(torch.from_numpy(points).float(), patterns, torch.tensor([0, len(points)]))
        self.values = torch.randn(len(points), ENDS["in_channels"])

    def step(self) -> None:
        """Loss and gradient."""
        self.model.zero_grad(set_to_none=True)
        self.model(self.values, self.graph).square().mean().backward()

    def seconds(self) -> float:
        """CPU time of a step."""
        start = time.process_time()
        self.step()
        return time.process_time() - start

    def peak(self) -> float:
        """MiB of tensors alive at most during a step beyond those before."""
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
            self.step()
        found = [(e.start_ns(), e.nbytes()) for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
        return max(np.cumsum([size for _, size in sorted(found)])) / 2**20


def networks(size: str) -> dict[str, torch.nn.Module]:
    """The transformer and a MeshGraphNet of equal width and depth."""
    width, depth, _ = SIZES[size]
    return {
        "transformer": MeshTransformer(size=size, **ENDS),
        "transformer, lean": MeshTransformer(size=size, lean=True, **ENDS),
        "transformer, bfloat16": MeshTransformer(size=size, bfloat16=True, **ENDS),
        "MeshGraphNet": MeshGraphNet(width=width, depth=depth, **ENDS),
    }


def scaling(given: argparse.Namespace) -> None:
    """Step time and memory against the number of nodes, and the slope."""
    spent, sizes = [], []
    for nodes in given.nodes:
        points, edges = plate(nodes)
        side = Side(MeshTransformer(size=given.size, **ENDS), points, edges)
        side.step()
        times = [side.seconds() for _ in range(given.turns)]
        sizes.append(len(points))
        spent.append(min(times))
        print(
            f"{given.size}: {len(points):6d} nodes, smallest {1e3 * min(times):8.1f} ms, median "
            f"{1e3 * statistics.median(times):8.1f} ms, {1e6 * min(times) / len(points):5.1f} µs a node, "
            f"{side.peak():6.0f} MiB",
            flush=True,
        )
    if len(sizes) > 1:
        print(f"slope of log time over log nodes: {np.polyfit(np.log(sizes), np.log(spent), 1)[0]:.3f}")


def against(given: argparse.Namespace) -> None:
    """Step time and memory beside MeshGraphNet, in turns."""
    points, edges = plate(given.against)
    sides = {name: Side(model, points, edges) for name, model in networks(given.size).items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(given.turns + 1):
        for name, side in sides.items():
            seconds = side.seconds()
            if turn:
                times[name].append(seconds)
    base = min(times["MeshGraphNet"])
    print(f"{given.size}, {len(points)} nodes:")
    for name, side in sides.items():
        count = sum(p.numel() for p in side.model.parameters())
        share = min(times[name]) / base
        print(
            f"  {name:22s} smallest {1e3 * min(times[name]):8.1f} ms ({share:.2f} of MeshGraphNet's), "
            f"median {1e3 * statistics.median(times[name]):8.1f} ms, {side.peak():6.0f} MiB, {count} weights",
            flush=True,
        )


def main() -> None:
    """The parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="S", choices=list(SIZES))
    parser.add_argument("--nodes", type=int, nargs="*", default=[1000, 3000, 10000, 30000, 100000])
    parser.add_argument("--against", type=int, default=2000, help="nodes for MeshGraphNet's step; 0: none")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if given.against:
        against(given)
    if given.nodes:
        scaling(given)


if __name__ == "__main__":
    main()
