"""Triton programs of the sum over neighbours: what edge_code prints as C, from the same expressions.

One program has one receiving atom and a warp of channels; it walks over the atom's edges with all rows of A, or their
slopes, in registers. What belongs to senders is added up by atomics, what belongs to edges is summed over channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from surrogates.kernels.edge_code import ARRAYS, EdgeCode, _along, _energy, _path
from surrogates.kernels.expressions import Node
from surrogates.kernels.triton_code import LANES, Sums, indented, kernel, launch, program, statements

if TYPE_CHECKING:
    from surrogates.kernels.edge_sum import Fixed, Tile

_ROWS = 48  # rows of A that one walk over the edges keeps in registers
_NAMES = [name for name in ARRAYS if name not in ("k", "hk")]


def forward(code: EdgeCode) -> str:
    """A of the atoms from `first` on."""
    body = []
    for paths in groups(code, _ROWS):
        walk = _Walk(code, paths)
        for p in paths:
            graph, leaves = _path(code.paths[p])
            slope = graph.gradient(_energy(graph, code.paths[p], leaves), leaves["g"])
            walk.add(p, {f"o{row}": slope[leaf] for row, leaf in enumerate(leaves["g"])})
        rows = walk.rows()
        body += [*[f"{name} = zero" for name, _ in rows], *walk.loop()]
        body += [f"tl.store(out + {at}, {name}, mask=inside)" for name, at in rows]
    return _program(code, body)


def gradient(code: EdgeCode, with_h: bool, with_y: bool) -> str:
    """dw, and dh += and dy where asked; dy apart for each group of paths and warp of channels."""
    body = []
    for number, paths in enumerate(groups(code, _ROWS)):
        walk = _Walk(code, paths)
        for p in paths:
            graph, leaves = _path(code.paths[p])
            slope = graph.gradient(_energy(graph, code.paths[p], leaves), [*leaves["w"], *leaves["h"], *leaves["k"]])
            slope |= {} if with_y else dict.fromkeys(leaves["k"])
            slope |= {} if with_h else dict.fromkeys(leaves["h"])
            walk.add(p, {f"d{leaf.name}": node for leaf, node in slope.items()})
        body += [*walk.slopes(), *walk.loop(number)]
    return _program(code, body)


def second(code: EdgeCode, given: tuple[bool, bool, bool]) -> str:
    """What the gradient becomes along those of hh, hw, hy that are `given`, and the change of A, as out."""
    body = []
    for number, paths in enumerate(groups(code, _ROWS // 2)):
        walk = _Walk(code, paths)
        for p in paths:
            graph, leaves = _path(code.paths[p])
            along = _along(graph, leaves, given)
            energy = _energy(graph, code.paths[p], leaves)
            slope = graph.gradient(energy, [leaf for group in leaves.values() for leaf in group])
            change = {leaf: graph.tangent(node, along) for leaf, node in slope.items()}
            results = {f"d{n.name}": change[n] for n in [*leaves["w"], *leaves["h"], *leaves["k"]]}
            results |= {"sw": slope[leaves["w"][0]]} if given[1] else {}
            walk.add(p, results | {f"o{row}": change[leaf] for row, leaf in enumerate(leaves["g"])})
        rows = walk.rows()
        body += [*walk.slopes(), *[f"{name} = zero" for name, _ in rows], *walk.loop(number)]
        body += [f"tl.store(out + {at}, {name}, mask=inside)" for name, at in rows]
    return _program(code, body)


def groups(code: EdgeCode, most: int) -> list[list[int]]:
    """Paths that are walked together: up to `most` rows, at least one path."""
    found: list[list[int]] = []
    rows = most
    for p, path in enumerate(code.paths):
        if rows + path.rows > most:
            found.append([])
            rows = 0
        found[-1].append(p)
        rows += path.rows
    return found


class Runner:
    """One program with what does not change from tile to tile; `source` is the function above that prints it."""

    def __init__(self, source: Any, key: tuple[Any, ...], fixed: Fixed, like: Tensor) -> None:
        self.neighbors, self.code, couplings = fixed
        self.run = kernel(source, self.code, *key)
        self.atoms, self.channels = like.shape[1:]
        self.blocks = -(-self.channels // LANES)
        self.walks = len(groups(self.code, _ROWS // 2 if source is second else _ROWS))
        self.couplings = couplings.like(like)

    def __call__(self, tile: Tile, **arrays: Tensor | None) -> None:
        dy = arrays.pop("dy", None)
        edges = tile.edges.stop - tile.edges.start
        parts = None if dy is None else dy.new_zeros(self.walks * self.blocks, *dy.shape)
        given = arrays | {"dy": parts, "coupling": self.couplings}
        tensors = [given.get(name) for name in _NAMES]
        numbers = (self.atoms, tile.first, edges)
        launch(
            self.run,
            (tile.last - tile.first, self.blocks),
            *tensors,
            self.neighbors.start,
            self.neighbors.sender,
            *numbers,
            channels=self.channels,
            LANES=LANES,
        )
        if dy is not None and parts is not None:
            torch.sum(parts, dim=0, out=dy)


class _Walk:
    """The code of one walk over the edges of an atom."""

    def __init__(self, code: EdgeCode, paths: Sequence[int]) -> None:
        self.code, self.paths = code, paths
        self.loads: dict[str, str] = {}
        self.edge = Sums()
        self.body: list[str] = []

    def add(self, p: int, results: dict[str, Node | None]) -> None:
        """Code of one path: results are rows `o`, slopes `dw dh dk` and the plain `sw`."""
        self.body += statements(
            results, lambda key, value: self._store(p, key, value), lambda n: self._load(p, n), f"t{p}_"
        )

    def rows(self) -> list[tuple[str, str]]:
        """Variables of the rows of A, and where they are in the array."""
        return [(f"o{p}_{row}", self._row(p, row)) for p in self.paths for row in range(self.code.paths[p].rows)]

    def slopes(self) -> list[str]:
        """Loads of dE/dA, once for all edges."""
        return [
            f"g{p}_{row} = tl.load(g + {self._row(p, row)}, mask=inside, other=0.0)"
            for p in self.paths
            for row in range(self.code.paths[p].rows)
        ]

    def loop(self, number: int = 0) -> list[str]:
        """The walk itself, after all paths have been added."""
        ends = []
        for name in sorted(self.edge.begun):
            kind, k = name.split("_")
            if kind == "dh":
                ends.append(f'tl.atomic_add(dh + {k} * stride + far, {name}, mask=inside, sem="relaxed")')
            else:
                part = f"({number} * tl.num_programs(1) + tl.program_id(1))"
                ends.append(
                    f"tl.store(dy + ({part} * edges + e) * {self.code.n_harmonics} + {k}, tl.reduce({name}, 0, plus))"
                )
        loads = [f"{name} = {value}" for name, value in self.loads.items()]
        inside = ["far = tl.load(sender + zeroth + e) * channels + c", *loads, *self.body, *ends]
        return ["for e in range(begin, end):", *indented(inside)]

    def _load(self, p: int, name: str) -> tuple[str, list[str]]:
        """A variable, and the lines that fill it; what several paths use is loaded at the top of the loop."""
        path = self.code.paths[p]
        kind = name.rstrip("0123456789")
        number = int(name[len(kind) :] or 0)
        if kind == "g":
            return f"g{p}_{number}", []
        if kind in ("w", "hw"):
            return f"{kind}_{p}", [f"{kind}_{p} = tl.load({kind} + {self._weight(p)}, mask=inside, other=0.0)"]
        if kind in ("h", "hh"):
            k = path.first + number
            self.loads[f"{kind}_{k}"] = f"tl.load({kind} + {k} * stride + far, mask=inside, other=0.0)"
            return f"{kind}_{k}", []
        array = {"k": "y", "hk": "hy"}[kind]
        own = f"{kind}{p}_{number}"
        products = []
        for s, c in path.entries[number][2]:
            self.loads[f"{array}_{s}"] = f"tl.load({array} + e * {self.code.n_harmonics} + {s})"
            products.append(f"{array}_{s} * tl.load(coupling + {c})")
        lines = [f"{own} = {products[0]}"]
        return own, lines + [f"{own} += {product}" for product in products[1:]]

    def _store(self, p: int, key: str, value: str) -> list[str]:
        path = self.code.paths[p]
        if key[0] == "o":
            return [f"o{p}_{key[1:]} += {value}"]
        if key in ("dw", "sw"):
            return [f"tl.store({key} + {self._weight(p)}, {value}, mask=inside)"]
        number = int(key[2:])
        if key[:2] == "dh":
            return [self.edge.add(f"dh_{path.first + number}", value)]
        terms = path.entries[number][2]
        return [self.edge.add(f"dy_{s}", f"tl.load(coupling + {c}) * {value}") for s, c in terms]

    def _weight(self, p: int) -> str:
        return f"(e * {len(self.code.paths)} + {p}) * channels + c"

    def _row(self, p: int, row: int) -> str:
        path = self.code.paths[p]
        count, offset = self.code.counts[path.block], self.code.offsets[path.block]
        return f"{offset + row * count} * stride + (atom * {count} + {path.place}) * channels + c"


def _program(code: EdgeCode, body: list[str]) -> str:
    """Arrays as in edge_code; what belongs to edges begins with the first one of the atom `first`."""
    head = [
        "atom = first + tl.program_id(0)",
        "c = tl.program_id(1) * LANES + tl.arange(0, LANES)",
        "inside = c < channels",
        "stride = atoms * channels",
        "zeroth = tl.load(start + first)",
        "begin = tl.load(start + atom) - zeroth",
        "end = tl.load(start + atom + 1) - zeroth",
        "zero = tl.full([LANES], 0.0, coupling.dtype.element_ty)",
    ]
    return program([*_NAMES, "start", "sender"], ["atoms", "first", "edges"], head + body, ["channels", "LANES"])
