"""Where a node is, told to a network on meshes: coordinates, places in the graph, rotations of queries and keys.

Rotary embedding: RoFormer: Enhanced Transformer with Rotary Position Embedding (arXiv:2104.09864), with the pairs of
channels split over the axes of space.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.meshes.edges import EdgeNorm
from surrogates.meshes.spectral import laplacian_vectors, walk_returns
from surrogates.physics.errors import DomainError

KINDS = ("none", "coordinates", "rotary", "walk", "laplacian")
_WAVES = (math.pi / 4, 16 * math.pi)  # slowest and fastest turn, radians per standard deviation of the coordinates
_KEPT = 256_000_000  # bytes of features that one network keeps


class Positions(nn.Module):
    """What a network is told, by words.

    "coordinates" and "rotary" use places in units of their standard deviation over the first million nodes of training
    (raw before that); "walk:k" are probabilities to be back after 1..k steps, "laplacian:k" the k lowest eigenvectors,
    whose signs are drawn anew in each step of training. Both default to 8 numbers and are found once for each mesh.

    Args:
        words: one or several of them; "none" for nothing. dim: coordinates of a point. channels: of a head.
    Raises DomainError for unknown words, and rotations of a single channel.
    """

    def __init__(self, words: str | Sequence[str], dim: int, channels: int) -> None:
        super().__init__()
        self.counts = _parse(words)
        self.words = [words] if isinstance(words, str) else list(words)
        self.coordinates, self.rotary = "coordinates" in self.counts, "rotary" in self.counts
        if self.coordinates or self.rotary:
            self.norm = EdgeNorm(dim)
        if self.rotary and channels < 2:
            raise DomainError(f"rotary positions turn pairs of channels, and a head has {channels}; take fewer heads")
        self.pairs, self.dim = channels // 2, dim
        self.kept = _Kept()

    @property
    def features(self) -> int:
        """Numbers of a node that are more inputs."""
        return self.dim * self.coordinates + sum(n for kind, n in self.counts.items() if kind in _GRAPHS)

    def forward(
        self, graph: MeshGraph
    ) -> tuple[
        Float[Tensor, "nodes features"], tuple[Float[Tensor, "nodes pairs"], Float[Tensor, "nodes pairs"]] | None
    ]:
        """More inputs, and cosines and sines of each pair of channels; None where nothing turns."""
        places = self.norm(graph.points) if self.coordinates or self.rotary else graph.points
        found = [places] if self.coordinates else []
        for kind, count in self.counts.items():
            if kind in _GRAPHS:
                found.append(self._of_edges(kind, count, graph))
        features = torch.cat(found, dim=1) if found else graph.points[:, :0]
        return features, _turns(places, self.pairs) if self.rotary else None

    def _of_edges(self, kind: str, count: int, graph: MeshGraph) -> Tensor:
        with torch._C._DisableFuncTorch():  # plain numbers, whatever transform is at work
            arrays = [self.kept(mesh, kind, count) for mesh in _apart(graph.edges, graph.offsets)]
        parts = [torch.from_numpy(array).to(graph.points) for array in arrays]
        if kind == "laplacian" and self.training:
            parts = [x * (2 * torch.randint(0, 2, (1, count), device=x.device) - 1) for x in parts]
        return torch.cat(parts)


def turned(
    x: Float[Tensor, "nodes heads channels"], turns: tuple[Tensor, Tensor] | None
) -> Float[Tensor, "nodes heads channels"]:
    """Each pair (c, c + pairs) of channels rotated by its angle; a last odd channel stays."""
    if turns is None:
        return x
    cos, sin = (t[:, None].to(x.dtype) for t in turns)
    pairs = cos.shape[2]
    a, b, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], dim=2)


def _turns(places: Tensor, pairs: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each pair's angle: pairs take the axes in turn, each axis from slow to fast."""
    dim = places.shape[1]
    levels = -(-pairs // dim)
    slow, fast = (math.log(w) for w in _WAVES)
    speeds = torch.linspace(slow, fast if levels > 1 else slow, levels, dtype=torch.float64).exp().to(places)
    angles = (speeds[:, None] * places[:, None, :]).flatten(1)[:, :pairs]
    return angles.cos(), angles.sin()


_GRAPHS: dict[str, Callable[[Csr, int], np.ndarray]] = {"walk": walk_returns, "laplacian": laplacian_vectors}


class _Kept:
    """Features by what the edges of a mesh are, the least recently used forgotten; copies and files begin empty."""

    def __init__(self) -> None:
        self.found: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self.used = 0

    def __call__(self, mesh: Csr, kind: str, count: int) -> np.ndarray:
        digest = hashlib.blake2b(f"{kind} {count}".encode(), digest_size=16)
        for array in (mesh.starts, mesh.senders):
            digest.update(array.numpy().tobytes())
        key = digest.digest()
        if key in self.found:
            self.found.move_to_end(key)
            return self.found[key]
        features = self.found[key] = _GRAPHS[kind](mesh, count)
        self.used += features.nbytes
        while self.used > _KEPT and len(self.found) > 1:
            self.used -= self.found.popitem(last=False)[1].nbytes
        return features

    def __deepcopy__(self, memo: Any) -> _Kept:
        return _Kept()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Kept, ()


def _apart(edges: Csr, offsets: Tensor) -> list[Csr]:
    """The patterns of meshes that lie side by side, each with its own numbers, on the CPU."""
    edges, ends = edges.to("cpu"), offsets.tolist()
    found = []
    for a, b in pairwise(ends):
        starts = edges.starts[a : b + 1]
        found.append(Csr(edges.senders[starts[0] : starts[-1]] - a, starts - starts[0], b - a))
    return found


def _parse(words: Any) -> dict[str, int]:
    """Kinds and their numbers."""
    found: dict[str, int] = {}
    for word in [words] if isinstance(words, str) else words:
        kind, colon, number = str(word).partition(":")
        counted = kind in _GRAPHS and (number.isdecimal() and int(number) > 0 if colon else True)
        if kind not in KINDS or (colon and not counted):
            raise DomainError(
                f"positions={word!r} are unknown; write 'none', 'coordinates', 'rotary', 'walk:8', 'laplacian:8', or "
                "several of them in a list"
            )
        if kind != "none":
            found[kind] = int(number) if colon else 8
    return found
