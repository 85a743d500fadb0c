"""C code of f(z(t)) on truncated Taylor series of many directions, and of its gradient, in one pass over memory.

With f_m = f^(m)(z_0) / m!, the coefficient of t^k is h_k = sum over m = 1..k of f_m [(z - z_0)^m]_k. The f_m have no
axis of directions; the code of one direction is sums and products in registers. The top coefficient may be wanted
summed over directions with weights w_v, and then comes in and goes out without an axis of directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from surrogates.kernels.expressions import Graph, Node, statements
from surrogates.kernels.native import prelude

BLOCK = 256
"""Numbers of one row that are worked on at a time: a few rows of this length stay in the fastest memory."""


@dataclass(frozen=True)
class Composition:
    """What is composed; K is `order`.

    Args:
        smooth: for f_1..f_(K+1), whether it is there (not zero everywhere).
        there, shared: for z_1..z_K, whether it is there, and whether all points of the batch share it.
        summed: whether the coefficient K is summed over directions.
        given: of the gradient, for h_0..h_K, whether the derivative with respect to it is there.
    """

    smooth: tuple[bool, ...]
    there: tuple[bool, ...]
    shared: tuple[bool, ...]
    summed: bool
    given: tuple[bool, ...] = ()

    @property
    def order(self) -> int:
        return len(self.there)

    @property
    def per_direction(self) -> range:
        """Orders that have an axis of directions."""
        return range(1, self.order + (not self.summed))

    @cached_property
    def results(self) -> tuple[bool, ...]:
        """For h_1..h_K, whether it is not zero."""
        _, h = _series(self)
        found = [node is not None for node in h[1:]]
        found[-1] |= self.summed and self.there[-1] and self.smooth[0]
        return tuple(found)


def forward(code: Composition, dtype: torch.dtype, width: int) -> str:
    """h_1..h_K."""
    graph, h = _series(code)
    top = code.order
    results = {f"AT(ph{k} + i) =": h[k] for k in code.per_direction}
    inner = graph.mul(graph.leaf("weight"), h[top]) if code.summed else None
    body = _each(["AT(sum + i) = (T){0};"]) if inner else []
    body += _directions(code, "h") + _each([*_loads(code, "f", "z"), *_assigned(results | {"AT(sum + i) +=": inner})])
    body += ["}"]
    if code.summed and code.results[-1]:
        parts = ["AT(pf1 + i) * AT(ztop + i)"] if code.there[-1] and code.smooth[0] else []
        body += _each([f"AT(otop + i) = {' + '.join([*parts, *(['AT(sum + i)'] if inner else [])])};"])
    return _kernel(code, body, dtype, width)


def gradient(code: Composition, dtype: torch.dtype, width: int) -> str:
    """d/dz_0..d/dz_K of sum over k of <g_k, h_k>; f_m changes by (m + 1) f_(m+1) dz_0."""
    graph, h = _series(code)
    order = code.order
    g = [graph.leaf(f"g{k}") if there else None for k, there in enumerate(code.given)]
    energy = graph.total(graph.mul(g[k], h[k]) for k in range(1, order + 1))
    z, f = ([graph.leaf(f"{name}{k}") for k in range(order + 1)] for name in "zf")
    slope = graph.gradient(energy, [*z, *f])
    own = [k for k in code.per_direction if code.there[k - 1]]
    results = {f"AT(pd{k} + i) {'+=' if code.shared[k - 1] else '='}": slope[z[k]] for k in own}
    lost = [f"AT(pd{k} + i) = (T){{0}};" for k in own if slope[z[k]] is None and not code.shared[k - 1]]
    changes = [m for m in range(1, order + 1) if code.smooth[m]]  # a change of f_m that f_(m+1) passes on to z_0
    results |= {f"AT(b[{m}] + i) +=": slope[f[m]] for m in changes}
    body = _each([f"AT(b[{m}] + i) = (T){{0}};" for m in changes])
    body += _directions(code, "d") + _each([*_loads(code, "f", "z", "g"), *_assigned(results), *lost]) + ["}"]
    return _kernel(code, [*body, *_each(_ends(code, changes))], dtype, width)


def _ends(code: Composition, changes: Sequence[int]) -> list[str]:
    """What follows all directions: d/dz_0, and that of a summed z_K."""
    lines = []
    if code.summed and code.given[-1] and code.there[-1] and code.smooth[0]:
        lines = ["AT(b[1] + i) += AT(gtop + i) * AT(ztop + i);"] if 1 in changes else []
        lines += ["AT(dtop + i) = AT(pf1 + i) * AT(gtop + i);"]
    total = ["AT(pf1 + i) * AT(gvalue + i)"] if code.given[0] and code.smooth[0] else []
    total += [f"(real){m + 1} * AT(pf{m + 1} + i) * AT(b[{m}] + i)" for m in changes]
    return [*lines, f"AT(dvalue + i) = {' + '.join(total) or '(T){0}'};"]


def _series(code: Composition) -> tuple[Graph, list[Node | None]]:
    """h_0..h_K of one direction; a summed coefficient lacks f_1 z_K, which has no axis of directions."""
    graph, order = Graph(), code.order
    z: list[Node | None] = [None] * (order + 1)
    for k in code.per_direction:
        z[k] = graph.leaf(f"z{k}") if code.there[k - 1] else None
    f = [None, *(graph.leaf(f"f{m}") if smooth else None for m, smooth in enumerate(code.smooth, start=1))]
    power, h = z, [graph.mul(f[1], zk) for zk in z]
    for m in range(2, order + 1):
        power = [graph.total(graph.mul(z[i], power[k - i]) for i in range(1, k)) for k in range(order + 1)]
        h = [graph.add(hk, graph.mul(f[m], pk)) for hk, pk in zip(h, power, strict=True)]
    return graph, h


def _assigned(results: dict[str, Node | None]) -> list[str]:
    return statements(results, "const T")


def _loads(code: Composition, *names: str) -> list[str]:
    """The numbers of one direction as variables; a summed g_K is the same for all, up to the weight."""
    there = {"f": [m for m in range(1, code.order + 1) if code.smooth[m - 1]]}
    there["z"] = [k for k in code.per_direction if code.there[k - 1]]
    there["g"] = [k for k in code.per_direction if code.given and code.given[k]]
    lines = [f"const T {name}{k} = AT(p{name}{k} + i);" for name in names for k in there[name]]
    if "g" in names and code.summed and code.given[-1]:
        lines.append(f"const T g{code.order} = weight * AT(gtop + i);")
    return lines


def _directions(code: Composition, out: str) -> list[str]:
    """The head of the loop over directions, with pointers to the block of each."""
    lines = ["for (int64_t v = 0; v < directions; v++) {", "const real weight = w[v];"]
    for k in code.per_direction:
        own = "v * batch * size + base"
        place = "v * size + column" if code.shared[k - 1] else own
        lines.append(f"real *const pz{k} = Z{k} + {place}, *const pg{k} = G{k} + {own};")
        lines.append(f"real *const p{out}{k} = O{k} + {place if out == 'd' else own};")
    return lines


def _each(lines: Sequence[str]) -> list[str]:
    """The lines for all numbers of a block: vectors first, what is left one by one."""
    if not lines:
        return []
    return [
        "{ int64_t i = 0;",
        *("#define T vec", "#define AT(p) (*(vec *)(p))", "for (; i + V <= n; i += V) {", *lines, "}"),
        *("#undef T", "#undef AT", "#define T real", "#define AT(p) (*(real *)(p))"),
        *("for (; i < n; i++) {", *lines, "}", "#undef T", "#undef AT"),
        "}",
    ]


def _kernel(code: Composition, body: Sequence[str], dtype: torch.dtype, width: int) -> str:
    """run(first, last, directions, batch, size, weights, f_1..f_(K+1), Z_1..Z_K, G_0..G_K, O_0..O_K); O is h or d."""
    order = code.order
    names = [f"F{m}" for m in range(1, order + 2)] + [f"Z{k}" for k in range(1, order + 1)]
    names += [f"{a}{k}" for a in "GO" for k in range(order + 1)]
    arguments = ", ".join(f"real *{name}" for name in ["w", *names])
    blocks = {f"pf{m}": f"F{m}" for m in range(1, order + 2)} | {"gvalue": "G0", "dvalue": "O0"}
    blocks |= {"ztop": f"Z{order}", "gtop": f"G{order}", "otop": f"O{order}", "dtop": f"O{order}"}
    return "\n".join(
        [
            prelude(dtype, width),
            "#undef AT",
            f"void run(int64_t first, int64_t last, int64_t directions, int64_t batch, int64_t size, {arguments}) {{",
            f"real b[{order + 1}][{BLOCK}], sum[{BLOCK}];",
            "for (int64_t row = 0; row < batch; row++)",
            f"for (int64_t column = first; column < last; column += {BLOCK}) {{",
            f"const int64_t n = last - column < {BLOCK} ? last - column : {BLOCK}, base = row * size + column;",
            *[f"real *const {block} = {array} + base;" for block, array in blocks.items()],
            *body,
            "}}",
        ]
    )
