"""Training Transformers for Mesh-Based Simulations (arXiv:2508.18051): who attends to whom on a mesh.

Kept: the mesh's own edges, K hops of them, dilated windows, global nodes, random jumps.
Changed: the reference program has hops and random edges only; here a dilated window keeps whole rings of hop distance
1, 1 + s, 1 + 2 s, ..., with another stride s for each head and, head by head, for each layer. Random jumps are random
permutations and their inverses, so that every node has the same number of them. Everything is made once for each mesh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import reverse_cuthill_mckee

from surrogates.datasets.batch import Csr
from surrogates.physics.errors import DomainError

ORDER = "order"
_BLOCK = 8192  # rows whose rings are found at a time


@dataclass(frozen=True)
class AttentionPattern:
    """What each node of a mesh attends to, beside itself; plain numbers and words, as files hold them.

    Args:
        hops: all nodes up to so many edges away.
        strides: of dilated windows, one for each head in turn and shifted by one head from layer to layer; () for none.
        rings: of a dilated window, at 1, 1 + stride, ... edges. per_ring: nodes of each ring beyond the hops that are
            kept, chosen at random; 0 keeps all.
        globals: nodes that attend to all and are attended by all; chosen: "farthest" from each other, at "random", or
            the farthest among those of a tag, "tag:NAME".
        random: permutations of the nodes that add two entries a row each.
        loops: whether a node attends to itself. reorder: number nodes by reverse Cuthill-McKee inside the network, for
            meshes whose neighbours lie far from each other in memory. seed: of all choices at random.
    Raises DomainError for what makes no sense.
    """

    hops: int = 1
    strides: Sequence[int] = ()
    rings: int = 3
    per_ring: int = 0
    globals: int = 0
    chosen: str = "farthest"
    random: int = 0
    loops: bool = True
    reorder: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "strides", tuple(self.strides))
        least = {"hops": 0, "rings": 1, "per_ring": 0, "globals": 0, "random": 0, "seed": 0}
        numbers = [(name, getattr(self, name), low) for name, low in least.items()]
        for name, number, low in [*numbers, *(("strides", s, 1) for s in self.strides)]:
            if isinstance(number, bool) or not isinstance(number, int) or number < low:
                raise DomainError(f"an attention pattern with {name}={number!r}; give whole numbers from {low} up")
        if self.chosen not in ("farthest", "random") and not (self.chosen.startswith("tag:") and self.chosen[4:]):
            raise DomainError(f"global nodes chosen by {self.chosen!r}; write 'farthest', 'random' or 'tag:NAME'")
        if not (self.hops or self.strides or self.globals or self.random or self.loops):
            raise DomainError("an attention pattern without any entries; give hops, strides, globals, random or loops")

    @classmethod
    def of(cls, given: Any) -> AttentionPattern:
        """From a pattern, its arguments as a mapping, or None for the edges of the mesh."""
        if isinstance(given, cls):
            return given
        try:
            return cls(**({} if given is None else given))
        except TypeError:
            raise DomainError(
                f"pattern={given!r}; give an AttentionPattern, or a mapping of {', '.join(cls.__dataclass_fields__)}"
            ) from None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "strides": list(self.strides)}

    def name(self, head: int, layer: int) -> str:
        """Which of the patterns a head of a layer follows."""
        if not self.strides:
            return "attention"
        return f"attention {self.strides[(head + layer) % len(self.strides)]}"

    def __call__(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]:
        """The patterns of a mesh by name, and its "order" where nodes are numbered anew.

        Raises DomainError where the mesh has no node of the tag that global nodes are chosen from.
        """
        n = edges.rows
        parts = [hops(edges, self.hops, loops=self.loops)]
        if self.globals:
            parts.append(all_with(global_nodes(points, tags, self.globals, self.chosen, self.seed), n))
        if self.random:
            parts.append(jumps(n, self.random, self.seed))
        common = union(*parts)
        if not self.strides:
            found = {"attention": common}
        else:
            found = {}
            for stride in sorted(set(self.strides)):
                far = [1 + stride * k for k in range(self.rings) if 1 + stride * k > self.hops]
                found[f"attention {stride}"] = union(common, rings(edges, far, self.per_ring, self.seed + stride))
        if not self.reorder:
            return found
        order = nearby_order(edges)
        places = Csr(torch.from_numpy(order), torch.arange(n + 1), n)
        return {name: renumbered(pattern, order) for name, pattern in found.items()} | {ORDER: places}


def hops(edges: Csr, count: int, *, loops: bool = True) -> Csr:
    """The pattern of A + A^2 + ... + A^count, with the diagonal or without."""
    near = [union(*([diagonal(edges.rows)] if loops else []), rings(edges, range(1, count + 1)))]
    return union(*near)


def rings(edges: Csr, distances: Sequence[int] | range, per_ring: int = 0, seed: int = 0) -> Csr:
    """Nodes at one of these hop distances; at most `per_ring` a distance, chosen at random, where it is not 0."""
    wanted, n = set(distances), edges.rows
    if not wanted:
        return Csr.of_pairs(*torch.zeros(2, 0, dtype=torch.int64), rows=n)
    matrix, generator = _matrix(edges), np.random.default_rng(seed)
    pairs = [np.zeros((2, 0), dtype=np.int64)]
    pairs += [
        _some(ring, per_ring, generator) + np.array([[first], [0]])
        for first in range(0, n, _BLOCK)
        for distance, ring in _waves(matrix, first, min(first + _BLOCK, n), max(wanted))
        if distance in wanted
    ]
    return Csr.of_pairs(*torch.from_numpy(np.concatenate(pairs, axis=1)), rows=n)


def jumps(n: int, permutations: int, seed: int = 0) -> Csr:
    """Random permutations of n nodes and their inverses: two entries a row for each, fewer where they coincide."""
    generator, start = np.random.default_rng(seed), np.arange(n)
    ends = [generator.permutation(n) for _ in range(permutations)]
    both = [pair for end in ends for pair in ((start, end), (end, start))]
    receivers, senders = (np.concatenate([p[k] for p in both]).astype(np.int64) for k in (0, 1))
    return Csr.of_pairs(torch.from_numpy(receivers), torch.from_numpy(senders), rows=n)


def all_with(chosen: np.ndarray, n: int) -> Csr:
    """The chosen nodes attend to all n, and all to them."""
    every, some = np.tile(np.arange(n), len(chosen)), np.repeat(chosen, n)
    receivers, senders = np.concatenate([every, some]), np.concatenate([some, every])
    return Csr.of_pairs(torch.from_numpy(receivers), torch.from_numpy(senders), rows=n)


def global_nodes(
    points: np.ndarray, tags: Mapping[str, np.ndarray], count: int, chosen: str, seed: int = 0
) -> np.ndarray:
    """At most `count` nodes, int64: at random, far from each other, or the latter among those of a tag.

    Raises DomainError where no node has the tag.
    """
    if chosen == "random":
        return np.sort(np.random.default_rng(seed).permutation(len(points))[:count]).astype(np.int64)
    among = np.arange(len(points))
    if chosen != "farthest":
        name = chosen.removeprefix("tag:")
        among = np.flatnonzero(tags.get(name, ()))
        if not len(among):
            known = ", ".join(tags) or "none"
            raise DomainError(
                f"global nodes are those of the tag {name!r}, and no node of the mesh has it (tags: {known}); mark "
                "some, or choose 'farthest' or 'random'"
            )
    return among[farthest(np.asarray(points)[among], count)]


def farthest(points: np.ndarray, count: int) -> np.ndarray:
    """Indices of points chosen one by one, each the farthest from those before; the first, from the centroid."""
    distance = np.linalg.norm(points - points.mean(0), axis=1)
    found: list[int] = []
    for _ in range(min(count, len(points))):
        found.append(int(distance.argmax()))
        away = np.linalg.norm(points - points[found[-1]], axis=1)
        distance = away if len(found) == 1 else np.minimum(distance, away)
        distance[found] = -1
    return np.array(found, dtype=np.int64)


def diagonal(n: int) -> Csr:
    """Each node itself."""
    return Csr(torch.arange(n), torch.arange(n + 1), n)


def union(*patterns: Csr) -> Csr:
    """Entries of any of the patterns."""
    if len(patterns) == 1:
        return patterns[0]
    receivers, senders = (torch.cat([getattr(p, name) for p in patterns]) for name in ("receivers", "senders"))
    return Csr.of_pairs(receivers, senders, rows=patterns[0].rows, columns=patterns[0].columns)


def nearby_order(edges: Csr) -> np.ndarray:
    """The old number of each new one, int64: neighbours get numbers near to each other (reverse Cuthill-McKee)."""
    return np.asarray(reverse_cuthill_mckee(_matrix(edges), symmetric_mode=True), dtype=np.int64)


def renumbered(pattern: Csr, order: np.ndarray) -> Csr:
    """The same pattern between nodes whose old numbers are `order`."""
    place = torch.empty(len(order), dtype=torch.int64)
    place[torch.from_numpy(order)] = torch.arange(len(order))
    return Csr.of_pairs(place[pattern.receivers], place[pattern.senders], rows=pattern.rows)


def _matrix(edges: Csr) -> sp.csr_matrix:
    data = np.ones(len(edges), dtype=np.int32)
    return sp.csr_matrix((data, edges.senders.numpy(), edges.starts.numpy()), shape=(edges.rows, edges.columns))


def _waves(matrix: sp.csr_matrix, first: int, last: int, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """Hop distance 1, 2, ... and the pairs (row - first, node), (2, pairs), at that distance from the rows."""
    n = matrix.shape[0]
    rows = np.arange(first, last)
    ring = sp.csr_matrix((np.ones(len(rows), np.int32), (rows - first, rows)), shape=(len(rows), n))
    before = ring[:, :0] if n == 0 else sp.csr_matrix(ring.shape, dtype=np.int32)
    for distance in range(1, most + 1):
        reached = ring @ matrix
        reached.data[:] = 1
        known = before + ring  # neighbours of a ring lie on it, on the one before, or on the next
        new = reached - reached.multiply(known)
        new.eliminate_zeros()
        before, ring = ring, new.tocsr()
        if not ring.nnz:
            return
        found = ring.tocoo()
        yield distance, np.stack([found.row, found.col]).astype(np.int64)


def _some(pairs: np.ndarray, per_row: int, generator: np.random.Generator) -> np.ndarray:
    """At most `per_row` pairs of each row, at random; all where it is 0."""
    if not per_row:
        return pairs
    order = np.lexsort([generator.random(pairs.shape[1]), pairs[0]])
    pairs = pairs[:, order]
    starts = np.searchsorted(pairs[0], pairs[0])
    return pairs[:, np.arange(pairs.shape[1]) - starts < per_row]
