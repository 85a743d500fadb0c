"""CPU time of attention over a mesh, forward and backward: our kernel, edge forms in plain torch, torch_geometric.

    python benchmarks/csr_attention.py --peer .venv-geometric/bin/python   (see requirements-torch-geometric.txt)

4 heads of 32 channels, float32, one thread, Delaunay triangulations of random points with self loops. Turns alternate,
so that a busy machine slows all; smallest and median CPU times are printed, and how often each of the others' fits into
ours. Plain torch is measured in five forms that differ in how they gather, multiply and sum.
"""

import argparse
import functools
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from surrogates.datasets.batch import Csr
from surrogates.kernels.csr_attention import csr_attention, edge_attention
from surrogates.meshes.patterns import hops, nearby_order, renumbered

HEADS, CHANNELS = 4, 32
SCALE = 1 / math.sqrt(CHANNELS)


def triangulation(n: int) -> Csr:
    """Sides of the Delaunay triangles of n random points in a square, neighbours near to each other in memory."""
    cells = Delaunay(np.random.default_rng(0).random((n, 2))).simplices.astype(np.int64)
    pairs = torch.from_numpy(np.concatenate([cells[:, [a, b]] for a in range(3) for b in range(3) if a != b]))
    edges = Csr.of_pairs(pairs[:, 0], pairs[:, 1], rows=n)
    return renumbered(edges, nearby_order(edges))


def softmax_over_rows(scores: Tensor, at: Csr) -> Tensor:
    """Of (entries, heads), by index_add and index_select."""
    peak = scores.new_full((at.rows, HEADS), -torch.inf)
    index = at.receivers[:, None].expand_as(scores)
    peak = peak.scatter_reduce(0, index, scores.detach(), "amax")
    raised = (scores - peak.index_select(0, at.receivers)).exp()
    total = torch.zeros_like(peak).index_add(0, at.receivers, raised)
    return raised / total.index_select(0, at.receivers)


def by_index_select(q: Tensor, k: Tensor, v: Tensor, at: Csr) -> Tensor:
    """Gathered by index_select, summed by index_add."""
    scores = (q.index_select(0, at.receivers) * k.index_select(0, at.senders)).sum(-1) * SCALE
    messages = softmax_over_rows(scores, at)[..., None] * v.index_select(0, at.senders)
    return torch.zeros_like(q).index_add(0, at.receivers, messages)


def by_repetition(q: Tensor, k: Tensor, v: Tensor, at: Csr) -> Tensor:
    """Queries repeated row by row, since entries are sorted by row."""
    scores = (q.repeat_interleave(at.degrees, dim=0) * k.index_select(0, at.senders)).sum(-1) * SCALE
    messages = softmax_over_rows(scores, at)[..., None] * v.index_select(0, at.senders)
    return torch.zeros_like(q).index_add(0, at.receivers, messages)


def by_segments(q: Tensor, k: Tensor, v: Tensor, at: Csr) -> Tensor:
    """Summed by segment_reduce over sorted entries."""
    scores = (q.index_select(0, at.receivers) * k.index_select(0, at.senders)).sum(-1) * SCALE
    messages = softmax_over_rows(scores, at)[..., None] * v.index_select(0, at.senders)
    return torch.segment_reduce(messages, "sum", offsets=at.starts, axis=0)


def by_products(q: Tensor, k: Tensor, v: Tensor, at: Csr) -> Tensor:
    """Scores as batched products of vectors; gathered by index_select, summed by index_add."""
    rows, columns = q.index_select(0, at.receivers), k.index_select(0, at.senders)
    scores = torch.matmul(rows[:, :, None], columns[..., None])[..., 0, 0] * SCALE
    messages = softmax_over_rows(scores, at)[..., None] * v.index_select(0, at.senders)
    return torch.zeros_like(q).index_add(0, at.receivers, messages)


FORMS = {
    "twin": functools.partial(edge_attention, scale=SCALE),
    "index_select": by_index_select,
    "repeat_interleave": by_repetition,
    "segment_reduce": by_segments,
    "matmul": by_products,
}


class Peer:
    """A process of torch_geometric that works when told to."""

    def __init__(self, python: str, path: Path) -> None:
        script = Path(__file__).parent / "peers" / "geometric_attention.py"
        self.process = subprocess.Popen(
            [python, str(script), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"OMP_NUM_THREADS": "1"},
        )
        self._answer()

    def ask(self, what: str) -> float:
        """The answer to one command."""
        assert self.process.stdin
        print(what, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> float:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("answer"):
                return float(line.split()[1])
        raise SystemExit("the peer stopped: is torch_geometric installed in the environment of --peer?")

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, at: Csr, given: argparse.Namespace) -> None:
    """Both sides and all forms in turns on one mesh and pattern; prints medians, ratios and the largest difference."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(at.rows, HEADS, CHANNELS, generator=generator).requires_grad_() for _ in range(3))
    g = torch.randn(at.rows, HEADS, CHANNELS, generator=generator)

    def results(form):
        y = form(q, k, v, at)
        return [y.detach(), *torch.autograd.grad(y, (q, k, v), g)]

    def seconds(form):
        start = time.process_time()
        results(form)
        return time.process_time() - start

    forms = {"ours": csr_attention, **{name: FORMS[name] for name in given.forms}}
    expected = results(csr_attention)  # this first pass warms up, too
    errors = {kind: difference(results(form), expected) for kind, form in forms.items()}
    peer = None
    with tempfile.TemporaryDirectory() as folder:
        if given.peer:
            path, answer = Path(folder) / "inputs.pt", Path(folder) / "answer.pt"
            plain = {"q": q.detach(), "k": k.detach(), "v": v.detach(), "g": g}
            torch.save({**plain, "senders": at.senders, "receivers": at.receivers}, path)
            peer = Peer(given.peer, path)
            peer.ask(f"save {answer}")
            errors["torch_geometric"] = difference(torch.load(answer, weights_only=True), expected)
    times: dict[str, list[float]] = {kind: [] for kind in (*forms, *(["torch_geometric"] if peer else []))}
    for _ in range(given.turns):
        for kind, spent in times.items():
            spent.append(seconds(forms[kind]) if kind in forms else peer.ask("step 1"))
    if peer:
        peer.close()
    print(f"{name}: {at.rows} nodes, {len(at) / at.rows:.1f} entries a row")
    for kind, choose in (("smallest", min), ("median", statistics.median)):
        found = {other: 1e3 * choose(spent) for other, spent in times.items()}
        ours = found["ours"]
        plain = min(found[form] for form in given.forms)
        print(f"  {kind:8s} ms: " + ", ".join(f"{other} {ms:.2f}" for other, ms in found.items()))
        theirs = f", torch_geometric / ours {found['torch_geometric'] / ours:.1f}" if peer else ""
        print(f"           fastest plain torch / ours {plain / ours:.1f}{theirs}")
    print(f"  largest difference from ours: {max(errors.values()):.1e}", flush=True)


def difference(ones: list[Tensor], others: list[Tensor]) -> float:
    """|one - other| / |other|, largest."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ones, others, strict=True))


def main() -> None:
    """The cases asked for, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", help="python of an environment with torch_geometric; none: plain torch only")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=list(FORMS), help="of plain torch")
    parser.add_argument("--nodes", type=int, nargs="*", default=[2000, 20000])
    parser.add_argument("--hops", type=int, nargs="*", default=[1, 3])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for n in given.nodes:
        edges = triangulation(n)
        for count in given.hops:
            compare("edges" if count == 1 else f"{count} hops", hops(edges, count), given)


if __name__ == "__main__":
    main()
