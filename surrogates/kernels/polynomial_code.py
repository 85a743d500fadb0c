"""C code of equivariant polynomials, channel by channel: P_M(a) = sum_t q[t] a_i a_j a_k, and its derivatives.

Only integers enter the code: which component each factor is and which output each term belongs to. Coefficients q are
data, one for every element and channel.
"""

from __future__ import annotations

import torch

from surrogates.kernels.expressions import Graph, Node, statements
from surrogates.kernels.native import prelude

ARRAYS = ("a", "q", "g", "ha", "hq", "da", "dq", "out")
Terms = tuple[tuple[int, tuple[int, ...]], ...]  # (output, ascending components) of each term


def forward(terms: Terms, n_in: int, n_out: int, dtype: torch.dtype, width: int) -> str:
    """out_M = P_M(a)."""
    body = _load("a", n_in) + _zero("o", n_out)
    for first in range(n_in):
        graph = Graph()
        leaves = [graph.leaf(f"g{m}") for m in range(n_out)]
        slope = graph.gradient(_by_output(graph, terms, first), leaves)
        body += _block({f"o{m} +=": slope[leaf] for m, leaf in enumerate(leaves)})
    return _kernel(dtype, width, body + _store("out", "o", n_out))


def gradient(terms: Terms, n_in: int, n_out: int, with_q: bool, dtype: torch.dtype, width: int) -> str:
    """da = dE/da, and dq += dE/dq where asked, of E = sum_M g_M P_M(a)."""
    body = _load("a", n_in) + _load("g", n_out) + _zero("x", n_in)
    for first in range(n_in):
        graph = Graph()
        energy = _merged(graph, terms, first)
        a, q = _leaves(graph, terms, n_in)
        slope = graph.gradient(energy, [*a, *q])
        results = {f"x{i} +=": slope[leaf] for i, leaf in enumerate(a)}
        results |= {f"DQ({t}) +=": slope[leaf] for t, leaf in enumerate(q)} if with_q else {}
        body += _block(results)
    return _kernel(dtype, width, body + _store("da", "x", n_in))


def second(terms: Terms, n_in: int, n_out: int, with_q: bool, dtype: torch.dtype, width: int) -> str:
    """What the gradient (da, dq) becomes along (ha, hq), as da and dq, and dP_M along them, as out.

    These are the derivatives of <ha, dE/da> + <hq, dE/dq> with respect to a, q and g. hq is left out unless `with_q`.
    """
    body = _load("a", n_in) + _load("g", n_out) + _load("h", n_in, "ha") + _zero("x", n_in) + _zero("o", n_out)
    for first in range(n_in):
        graph = Graph()
        a, q = _leaves(graph, terms, n_in)
        along = {leaf: graph.leaf(f"h{i}") for i, leaf in enumerate(a)}
        along |= {leaf: graph.leaf(f"HQ({t})") for t, leaf in enumerate(q)} if with_q else {}
        slope = graph.gradient(_merged(graph, terms, first), [*a, *q])
        results = {f"x{i} +=": graph.tangent(slope[leaf], along) for i, leaf in enumerate(a)}
        results |= {f"DQ({t}) +=": graph.tangent(slope[leaf], along) for t, leaf in enumerate(q)}
        g = [graph.leaf(f"g{m}") for m in range(n_out)]
        value = graph.gradient(_by_output(graph, terms, first), g)
        results |= {f"o{m} +=": graph.tangent(value[leaf], along) for m, leaf in enumerate(g)}
        body += _block(results)
    return _kernel(dtype, width, body + _store("da", "x", n_in) + _store("out", "o", n_out))


def _leaves(graph: Graph, terms: Terms, n_in: int) -> tuple[list[Node], list[Node]]:
    return [graph.leaf(f"a{i}") for i in range(n_in)], [graph.leaf(f"Q({t})") for t in range(len(terms))]


def _by_output(graph: Graph, terms: Terms, first: int) -> Node | None:
    """sum_M g_M (the terms of P_M that begin with a_first), one Horner scheme an output: best for the values."""
    outputs = sorted({m for m, factors in terms if factors[0] == first})
    parts = []
    for m in outputs:
        own = {factors: graph.leaf(f"Q({t})") for t, (out, factors) in enumerate(terms) if out == m}
        parts.append(graph.mul(graph.leaf(f"g{m}"), _horner(graph, own, (first,))))
    return graph.total(parts)


def _merged(graph: Graph, terms: Terms, first: int) -> Node | None:
    """The same with one Horner scheme for all outputs, in the coefficients sum_M g_M q: best for the gradient."""
    coefficients: dict[tuple[int, ...], Node] = {}
    for t, (m, factors) in enumerate(terms):
        if factors[0] == first:
            term = graph.mul(graph.leaf(f"g{m}"), graph.leaf(f"Q({t})"))
            total = graph.add(coefficients.get(factors), term)
            assert total is not None
            coefficients[factors] = total
    return _horner(graph, coefficients, (first,))


def _horner(graph: Graph, coefficients: dict[tuple[int, ...], Node], prefix: tuple[int, ...]) -> Node | None:
    """prod_{i in prefix[-1:]} a_i (q_prefix + sum over longer factors), None where no term begins so."""
    longer = sorted({f[: len(prefix) + 1] for f in coefficients if len(f) > len(prefix) and f[: len(prefix)] == prefix})
    inner = graph.total([coefficients.get(prefix), *(_horner(graph, coefficients, following) for following in longer)])
    return graph.mul(graph.leaf(f"a{prefix[-1]}"), inner)


def _load(name: str, count: int, source: str | None = None) -> list[str]:
    return [f"const vec {name}{i} = AT({source or name} + {i} * stride);" for i in range(count)]


def _zero(name: str, count: int) -> list[str]:
    return [f"vec {name}{i} = {{0}};" for i in range(count)]


def _store(target: str, name: str, count: int) -> list[str]:
    return [f"AT({target} + {i} * stride) = {name}{i};" for i in range(count)]


def _block(results: dict[str, Node | None]) -> list[str]:
    return ["{", *statements(results, "const vec"), "}"]


def _kernel(dtype: torch.dtype, width: int, body: list[str]) -> str:
    """One atom and one vector of channels at a time; the coefficients of a vector stay in the cache for all atoms.

    a, g, ha, da, out: (components, atoms, channels). q, hq, dq: (elements, terms, channels). dq is added to.
    """
    pointers = ", ".join(f"real *{name}_" for name in ARRAYS)
    shifted = [f"real *{n} = {n}_ + atom * channels + c;" for n in ("a", "g", "ha", "da", "out")]
    tables = [f"real *{n} = {n}_ + (element[atom] * terms) * channels + c;" for n in ("q", "hq", "dq")]
    macros = [f"#define {n.upper()}(t) AT({n} + (t) * channels)" for n in ("q", "hq", "dq")]
    head = (
        f"void run(int64_t begin, int64_t end, {pointers}, int64_t *element, int64_t atoms, int64_t channels, "
        "int64_t terms)"
    )
    loops = ["for (int64_t c = begin * V; c < end * V; c += V)", "for (int64_t atom = 0; atom < atoms; atom++) {"]
    inside = ["const int64_t stride = atoms * channels;", *shifted, *tables, *body]
    return "\n".join([prelude(dtype, width), *macros, head + " {", *loops, *inside, "}", "}", ""])
