"""What a network is told of a mesh beside fields: tags, places, distances and parameters; and the mesh as a graph.

Everything here is made once for each mesh and kept, since training reads a mesh at every step.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.mass import lumped_mass

KEPT = 2_000_000_000  # bytes of graphs that one task keeps
_DISTANCE = "distance:"


@dataclass(frozen=True)
class NodeInputs:
    """Channels that do not change with time.

    Args:
        tags: names of sets of nodes, a channel of zeros and ones each. places: "points", "centred" (about the centre
            of the mesh's mass) or "distance:TAG" (to the nearest node of a tag; the mesh's diagonal where it has none).
        parameters: numbers of the mesh, the same at each node.
    """

    tags: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @classmethod
    def of(cls, tags: Any, coordinates: Any, parameters: Any) -> NodeInputs:
        """From what a user writes: words or lists of them; `coordinates` also True or False."""
        places = _words(coordinates) if not isinstance(coordinates, bool) else ("points",) * coordinates
        wrong = [p for p in places if p not in ("points", "centred") and not p.startswith(_DISTANCE)]
        if wrong:
            raise DomainError(
                f"coordinates={wrong[0]!r} is unknown; write 'points', 'centred', 'distance:TAG', or several"
            )
        return cls(_words(tags), places, _words(parameters))

    @property
    def used_tags(self) -> tuple[str, ...]:
        """Tags that some channel needs."""
        far = [p[len(_DISTANCE) :] for p in self.places if p.startswith(_DISTANCE)]
        return tuple(dict.fromkeys([*self.tags, *far]))

    def names(self, dim: int) -> list[str]:
        """Of the channels, in order."""
        found = [f"tag {name}" for name in self.tags]
        for place in self.places:
            found += [place] if place.startswith(_DISTANCE) else [f"{place} {'xyz'[k]}" for k in range(dim)]
        return found + [f"parameter {name}" for name in self.parameters]

    def channels(self, sample: Any, mass: np.ndarray) -> np.ndarray:
        """(nodes, channels) of a mesh, in its units."""
        n = len(sample)
        parts = [_tag(sample, name).astype(np.float64)[:, None] for name in self.tags]
        for place in self.places:
            if place.startswith(_DISTANCE):
                parts.append(distance(sample, _tag(sample, place[len(_DISTANCE) :]))[:, None])
            else:
                middle = mass @ sample.points / mass.sum() if place == "centred" else 0.0
                parts.append(sample.points - middle)
        parts.append(np.broadcast_to(self.told(sample), (n, len(self.parameters))))
        return np.concatenate(parts, axis=1)

    def told(self, sample: Any) -> np.ndarray:
        """The parameters (n,). Raises DomainError for one that the mesh does not have."""
        for name in self.parameters:
            if name not in sample.parameters:
                known = ", ".join(sample.parameters) or "none"
                raise DomainError(f"the mesh has no parameter {name!r}; it has {known}")
        return np.array([float(sample.parameters[name]) for name in self.parameters])


@dataclass(frozen=True)
class MeshParts:
    """What one mesh always brings to a batch: its graph, static channels (nodes, k), and masses (nodes,)."""

    graph: MeshGraph
    static: Tensor
    mass: Tensor

    @classmethod
    def of(cls, sample: Any, inputs: NodeInputs, model: Any) -> MeshParts:
        """With the patterns that `model` asks for."""
        if not np.isfinite(sample.points).all():
            raise DomainError("a coordinate is not finite; repair the mesh or leave it out")
        if sample.cells and len(loose := sample.unused):
            raise DomainError(
                f"{len(loose)} nodes belong to no cell (node {loose[0]} for one), and nothing reaches them; leave them "
                "out"
            )
        mass = node_mass(sample)
        senders, starts = (torch.from_numpy(x) for x in sample.edges())
        edges = Csr(senders, starts, len(sample))
        points = torch.from_numpy(np.array(sample.points, dtype=np.float64))
        patterns = {"edges": edges}
        if hasattr(model, "patterns"):
            patterns |= model.patterns(np.asarray(sample.points), edges, dict(sample.tags))
        graph = MeshGraph(points, patterns, torch.tensor([0, len(sample)]))
        return cls(graph, torch.from_numpy(inputs.channels(sample, mass)), torch.from_numpy(mass))

    @property
    def size(self) -> int:
        """Bytes, about."""
        entries = sum(len(p) + p.rows for p in self.graph.patterns.values())
        return 8 * (entries + self.static.numel() + self.mass.numel() + self.graph.points.numel())


@dataclass
class KeptParts:
    """Parts by mesh, as long as the mesh lives and there is room; copies and files begin empty."""

    limit: int = KEPT
    used: int = 0
    _found: Any = field(default_factory=weakref.WeakKeyDictionary, repr=False)

    def __call__(self, sample: Any, inputs: NodeInputs, model: Any) -> MeshParts:
        """Those of a mesh, kept or made."""
        known = self._found.get(sample)
        if known is None:
            known = MeshParts.of(sample, inputs, model)
            if self.used + known.size <= self.limit:
                self._found[sample] = known
                self.used += known.size
                weakref.finalize(sample, _freed, weakref.ref(self), known.size)
        return known

    def __deepcopy__(self, memo: Any) -> KeptParts:
        return KeptParts(self.limit)

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptParts, (self.limit,)

    __hash__ = object.__hash__


def node_mass(sample: Any) -> np.ndarray:
    """The share of the domain of each node (nodes,); equal shares where there are no cells."""
    found = lumped_mass(sample.points, sample.cells)
    return found if found.sum() > 0 else np.ones(len(sample))


def distance(sample: Any, marked: np.ndarray) -> np.ndarray:
    """Of each node from the nearest marked one (nodes,), straight through; the mesh's diagonal where none is."""
    if not marked.any():
        return np.full(len(sample), float(np.linalg.norm(np.ptp(sample.points, axis=0))))
    return np.asarray(cKDTree(sample.points[marked]).query(sample.points)[0], dtype=np.float64)


def marked(sample: Any, tags: Mapping[str, Sequence[int] | None], shape: tuple[int, ...]) -> np.ndarray:
    """Components (nodes, n) that are prescribed: all of them on a tag, or those listed."""
    size = int(np.prod(shape, dtype=int))
    found = np.zeros((len(sample), size), dtype=bool)
    for name, components in tags.items():
        here = _tag(sample, name)
        for k in range(size) if components is None else components:
            found[:, k] |= here
    return found


def _tag(sample: Any, name: str) -> np.ndarray:
    found = sample.tags.get(name)
    return np.zeros(len(sample), dtype=bool) if found is None else np.asarray(found, dtype=bool)


def _words(given: Any) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(word, str) for word in found):
        raise DomainError(f"{given!r} are no names; write words, such as ['inlet', 'wall']")
    return found


def _freed(kept: Any, size: int) -> None:
    alive = kept()
    if alive is not None:
        alive.used -= size
