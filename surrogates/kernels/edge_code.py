"""C code of the sum over neighbours A_i = sum_j w_ij (Y(r_ij) x h_j), path by path, and of its derivatives.

One scalar says it all: E = sum over edges, paths, rows and components of g_row K[row, k] w h_k, where K = couplings
times Y(r_ij) are numbers of the edge that all channels share. A = dE/dg. Code holds integers only; couplings are data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from surrogates.kernels.expressions import Graph, Node, statements
from surrogates.kernels.native import prelude


@dataclass(frozen=True)
class PathCode:
    """One path (block of h, degree of Y -> block of A).

    Args:
        first, size: components of h that go in.
        block, place: which block of A, and which of the block's paths.
        rows: components that come out.
        entries: (row, component of h from `first`, ((harmonic, index of the coupling), ...)) where K is not zero.
    """

    first: int
    size: int
    block: int
    place: int
    rows: int
    entries: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True)
class EdgeCode:
    """All paths, and how many components, harmonics and paths of each block of A there are."""

    paths: tuple[PathCode, ...]
    n_in: int
    n_harmonics: int
    counts: tuple[int, ...]

    @property
    def firsts(self) -> list[int]:
        """Index of the first entry of each path among all entries."""
        sizes = [len(p.entries) for p in self.paths]
        return [sum(sizes[:k]) for k in range(len(sizes) + 1)]

    @property
    def offsets(self) -> list[int]:
        """Rows (component, path) of A before each block."""
        rows = [0] * len(self.counts)
        for path in self.paths:
            rows[path.block] = path.rows * self.counts[path.block]
        return [sum(rows[:k]) for k in range(len(rows) + 1)]


def forward(code: EdgeCode, dtype: torch.dtype, width: int) -> str:
    """A of the atoms first..last."""
    body = ["for (int64_t e = from; e < to; e++) {", *_edge_numbers(code, "k", "y", "(e - from)"), "}"]
    body += [_CHANNELS]
    for p, path in enumerate(code.paths):
        body += ["{", *[f"vec o{row} = {{0}};" for row in range(path.rows)]]
        body += [
            "for (int64_t e = from; e < to; e++) {",
            *_own_numbers(code, p, ["k"], "(e - from)"),
            *_inputs(code, p),
        ]
        graph, leaves = _path(path)
        slope = graph.gradient(_energy(graph, path, leaves), leaves["g"])
        body += statements({f"o{row} +=": slope[leaf] for row, leaf in enumerate(leaves["g"])}, "const vec")
        body += ["}", *[f"{_row(code, p, row, 'out')} = o{row};" for row in range(path.rows)], "}"]
    return _kernel(code, dtype, width, [*body, "}"])


def gradient(code: EdgeCode, with_h: bool, with_y: bool, dtype: torch.dtype, width: int) -> str:
    """dw, and dh += and dy where asked, of the edges of the atoms first..last."""
    body = ["for (int64_t e = from; e < to; e++) {", *_edge_numbers(code, "k", "y", "0"), *_harmonics_zero(code)]
    for p, path in enumerate(code.paths):
        body += [
            "{",
            *_own_numbers(code, p, ["k"], "0"),
            *_own_zero(path),
            _CHANNELS,
            *_inputs(code, p),
            *_rows(code, p),
        ]
        graph, leaves = _path(path)
        slope = graph.gradient(_energy(graph, path, leaves), [*leaves["w"], *leaves["h"], *leaves["k"]])
        slope |= {} if with_y else dict.fromkeys(leaves["k"])
        body += statements(_results(code, p, leaves, slope, with_h), "const vec")
        body += ["}", *_collect(path), "}"]
    return _kernel(code, dtype, width, [*body, *(_harmonics_store(code) if with_y else []), "}"])


def second(code: EdgeCode, given: tuple[bool, bool, bool], dtype: torch.dtype, width: int) -> str:
    """What the gradient (dh, dw, dy) becomes along those of hh, hw, hy that are `given`, and the change of A, as out.

    These are the derivatives of <hh, dE/dh> + <hw, dE/dw> + <hy, dE/dy> with respect to h, w, y and g. With hw, dE/dw
    itself comes too, as sw.
    """
    body = ["for (int64_t e = from; e < to; e++) {", *_edge_numbers(code, "k", "y", "0")]
    body += (_edge_numbers(code, "hk", "hy", "0") if given[2] else []) + _harmonics_zero(code)
    for p, path in enumerate(code.paths):
        numbers = ["k", "hk"] if given[2] else ["k"]
        body += ["{", *_own_numbers(code, p, numbers, "0"), *_own_zero(path), _CHANNELS]
        body += [*_inputs(code, p), *_rows(code, p), *_tangents(code, p, given)]
        graph, leaves = _path(path)
        along = _along(graph, leaves, given)
        energy = _energy(graph, path, leaves)
        slope = graph.gradient(energy, [leaf for group in leaves.values() for leaf in group])
        change = {leaf: graph.tangent(node, along) for leaf, node in slope.items()}
        results = _results(code, p, leaves, change, True)
        results |= {f"{_weight(code, p, 'sw')} =": slope[leaves["w"][0]]} if given[1] else {}
        results |= {f"{_row(code, p, row, 'out')} +=": change[leaf] for row, leaf in enumerate(leaves["g"])}
        body += [*statements(results, "const vec"), "}", *_collect(path), "}"]
    return _kernel(code, dtype, width, [*body, *_harmonics_store(code), "}"])


ARRAYS = ("h", "y", "w", "g", "hh", "hy", "hw", "dh", "dy", "dw", "sw", "out", "coupling", "k", "hk")
_SHADOWED = ("h", "w", "g", "hh", "hw", "k", "hk")  # the plain names are those of one edge's values
_CHANNELS = "for (int64_t c = begin * V; c < end * V; c += V) {"
Leaves = dict[str, list[Node]]


def _path(path: PathCode) -> tuple[Graph, Leaves]:
    graph = Graph()
    return graph, {
        "w": [graph.leaf("w")],
        "h": [graph.leaf(f"h{i}") for i in range(path.size)],
        "k": [graph.leaf(f"k{x}") for x in range(len(path.entries))],
        "g": [graph.leaf(f"g{row}") for row in range(path.rows)],
    }


def _energy(graph: Graph, path: PathCode, leaves: Leaves) -> Node | None:
    """w sum_i h_i (sum_row g_row K[row, i])."""
    parts = []
    for i, h in enumerate(leaves["h"]):
        own = [(row, x) for x, (row, k, _) in enumerate(path.entries) if k == i]
        parts.append(graph.mul(h, graph.total(graph.mul(leaves["g"][row], leaves["k"][x]) for row, x in own)))
    return graph.mul(leaves["w"][0], graph.total(parts))


def _along(graph: Graph, leaves: Leaves, given: tuple[bool, bool, bool]) -> dict[Node, Node]:
    groups = [group for group, there in zip("hwk", given, strict=True) if there]
    return {leaf: graph.leaf(f"h{leaf.name}") for group in groups for leaf in leaves[group]}


def _results(
    code: EdgeCode, p: int, leaves: Leaves, found: dict[Node, Node | None], with_h: bool
) -> dict[str, Node | None]:
    first = code.paths[p].first
    results = {f"{_weight(code, p, 'dw')} =": found[leaves["w"][0]]}
    if with_h:
        targets = [f"AT(dh + (({first} + {i}) * atoms + sender[e]) * channels + c) +=" for i in range(len(leaves["h"]))]
        results |= {target: found[leaf] for target, leaf in zip(targets, leaves["h"], strict=True)}
    return results | {f"d{x} +=": found[leaf] for x, leaf in enumerate(leaves["k"])}


def _edge_numbers(code: EdgeCode, name: str, harmonics: str, at: str) -> list[str]:
    """K = couplings times Y of one edge, written to scratch."""
    entries = [e for path in code.paths for e in path.entries]
    lines = [f"const real *Y = {harmonics} + e * {code.n_harmonics}; real *K = {name}_ + {at} * {len(entries)};"]
    sums = [" + ".join(f"coupling[{c}] * Y[{s}]" for s, c in terms) for _, _, terms in entries]
    return ["{", *lines, *[f"K[{k}] = {text};" for k, text in enumerate(sums)], "}"]


def _own_numbers(code: EdgeCode, p: int, names: list[str], at: str) -> list[str]:
    first, total = code.firsts[p], code.firsts[-1]
    count = len(code.paths[p].entries)
    return [f"const real {n}{x} = {n}_[{at} * {total} + {first + x}];" for n in names for x in range(count)]


def _inputs(code: EdgeCode, p: int) -> list[str]:
    path = code.paths[p]
    return [f"const vec w = {_weight(code, p, 'w_')};"] + [
        f"const vec h{i} = AT(h_ + (({path.first} + {i}) * atoms + sender[e]) * channels + c);"
        for i in range(path.size)
    ]


def _rows(code: EdgeCode, p: int) -> list[str]:
    return [f"const vec g{row} = {_row(code, p, row, 'g_')};" for row in range(code.paths[p].rows)]


def _tangents(code: EdgeCode, p: int, given: tuple[bool, bool, bool]) -> list[str]:
    path = code.paths[p]
    of_h = [
        f"const vec hh{i} = AT(hh_ + (({path.first} + {i}) * atoms + sender[e]) * channels + c);"
        for i in range(path.size)
    ]
    of_w = [f"const vec hw = {_weight(code, p, 'hw_')};"]
    return (of_h if given[0] else []) + (of_w if given[1] else [])


def _weight(code: EdgeCode, p: int, name: str) -> str:
    return f"AT({name} + (e * {len(code.paths)} + {p}) * channels + c)"


def _row(code: EdgeCode, p: int, row: int, name: str) -> str:
    path = code.paths[p]
    count, offset = code.counts[path.block], code.offsets[path.block]
    return f"AT({name} + (({offset} + {row * count}) * atoms + atom * {count} + {path.place}) * channels + c)"


def _own_zero(path: PathCode) -> list[str]:
    return [f"vec d{x} = {{0}};" for x in range(len(path.entries))]


def _collect(path: PathCode) -> list[str]:
    return [f"Y{s} += coupling[{c}] * d{x};" for x, (_, _, terms) in enumerate(path.entries) for s, c in terms]


def _harmonics_zero(code: EdgeCode) -> list[str]:
    return [f"vec Y{s} = {{0}};" for s in range(code.n_harmonics)]


def _harmonics_store(code: EdgeCode) -> list[str]:
    return [f"dy[e * {code.n_harmonics} + {s}] = total(Y{s});" for s in range(code.n_harmonics)]


def _kernel(code: EdgeCode, dtype: torch.dtype, width: int, body: list[str]) -> str:
    """Edges are sorted by receiver; those of an atom are start[atom]..start[atom + 1], counted from that of `first`.

    h, hh, dh: (components, atoms, channels). y, hy, dy: (edges, harmonics). w, hw, dw, sw: (edges, paths, channels).
    g, out: blocks of A one after another, each (components, atoms, paths, channels). dh and, in `second`, out are added
    to. k_, hk_: scratch, (largest number of neighbours, entries). What belongs to edges begins with the first one here.
    """
    total = "static inline real total(vec x) { real s = 0; for (int i = 0; i < V; i++) s += x[i]; return s; }"
    scalar = "static inline real total(vec x) { return x; }"
    names = [f"{name}_" if name in _SHADOWED else name for name in ARRAYS]
    head = (
        f"void run(int64_t begin, int64_t end, {', '.join(f'real *restrict {n}' for n in names)}, int64_t *start, "
        "int64_t *senders, int64_t atoms, int64_t channels, int64_t first, int64_t last) {"
    )
    loops = [
        "const int64_t zero = start[first];",
        "const int64_t *sender = senders + zero;",
        "for (int64_t atom = first; atom < last; atom++) {",
        "const int64_t from = start[atom] - zero, to = start[atom + 1] - zero;",
    ]
    return "\n".join([prelude(dtype, width), total if width > 1 else scalar, head, *loops, *body, "}", "}", ""])
