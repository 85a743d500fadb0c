"""Triton programs of equivariant polynomials: what polynomial_code prints as C, from the same expressions.

Every lane has one channel of one atom. Slopes by the coefficients, which atoms of an element share, are added up by
atomics. Triton's compiler takes time quadratic in the length of a program (minutes for 400 terms), so that terms are
shared out among several programs, launched one after another, which add to the same results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from surrogates.kernels.expressions import Graph, Node
from surrogates.kernels.polynomial_code import ARRAYS, Terms, _by_output, _leaves, _merged
from surrogates.kernels.triton_code import LANES, Sums, kernel, launch, program, statements

_TABLE = re.compile(r"(D?H?Q)\((\d+)\)")
_VARIABLE = re.compile(r"([aghxo])(\d+)")
_ARRAY = {"a": "a", "g": "g", "h": "ha", "x": "da", "o": "out"}
_MOST = {"forward": 128, "gradient": 64, "second": 32}  # terms of one program


def forward(terms: Terms, n_in: int, n_out: int, number: int) -> str:
    """out_M = P_M(a), the share of program `number`; the first one sets what the others add to."""
    share = _share(terms, _MOST["forward"], number)
    writer = _Writer(terms, share)
    for first, own in _by_first(terms, share):
        graph = Graph()
        leaves = [graph.leaf(f"g{m}") for m in range(n_out)]
        slope = graph.gradient(_by_output(graph, own, first), leaves)
        writer.block({f"o{m}": slope[leaf] for m, leaf in enumerate(leaves)})
    return writer.program(number == 0, {"o": n_out})


def gradient(terms: Terms, n_in: int, n_out: int, with_q: bool, number: int) -> str:
    """da = dE/da, and dq += dE/dq where asked, of E = sum_M g_M P_M(a)."""
    share = _share(terms, _MOST["gradient"], number)
    writer = _Writer(terms, share)
    for first, own in _by_first(terms, share):
        graph = Graph()
        a, q = _leaves(graph, own, n_in)
        slope = graph.gradient(_merged(graph, own, first), [*a, *q])
        results = {f"x{i}": slope[leaf] for i, leaf in enumerate(a)}
        results |= {f"DQ({t})": slope[leaf] for t, leaf in enumerate(q)} if with_q else {}
        writer.block(results)
    return writer.program(number == 0, {"x": n_in})


def second(terms: Terms, n_in: int, n_out: int, with_q: bool, number: int) -> str:
    """What the gradient (da, dq) becomes along (ha, hq), as da and dq, and dP_M along them, as out."""
    share = _share(terms, _MOST["second"], number)
    writer = _Writer(terms, share)
    for first, own in _by_first(terms, share):
        graph = Graph()
        a, q = _leaves(graph, own, n_in)
        along = {leaf: graph.leaf(f"h{i}") for i, leaf in enumerate(a)}
        along |= {leaf: graph.leaf(f"HQ({t})") for t, leaf in enumerate(q)} if with_q else {}
        slope = graph.gradient(_merged(graph, own, first), [*a, *q])
        results = {f"x{i}": graph.tangent(slope[leaf], along) for i, leaf in enumerate(a)}
        results |= {f"DQ({t})": graph.tangent(slope[leaf], along) for t, leaf in enumerate(q)}
        g = [graph.leaf(f"g{m}") for m in range(n_out)]
        value = graph.gradient(_by_output(graph, own, first), g)
        results |= {f"o{m}": graph.tangent(value[leaf], along) for m, leaf in enumerate(g)}
        writer.block(results)
    return writer.program(number == 0, {"x": n_in, "o": n_out})


def run(source: Any, key: tuple[Any, ...], fixed: tuple[Terms, int], element: Tensor, **arrays: Tensor | None) -> None:
    """Launch forward, gradient or second over all atoms and channels; arrays as polynomial_code names them."""
    a = arrays["a"]
    assert a is not None
    n_in, atoms, channels = a.shape
    terms, n_out = fixed
    tensors = [arrays.get(name) for name in ARRAYS]
    grid = (-(-atoms * channels // LANES),)
    for number in range(max(-(-len(terms) // _MOST[source.__name__]), 1)):
        function = kernel(source, terms, n_in, n_out, *key, number)
        launch(function, grid, *tensors, element, atoms, channels=channels, LANES=LANES)


def _share(terms: Terms, most: int, number: int) -> list[int]:
    """The terms of one program: neighbours in the order of their factors, which have most in common."""
    order = sorted(range(len(terms)), key=lambda t: (terms[t][1], terms[t][0]))
    return order[number * most : (number + 1) * most]


def _by_first(terms: Terms, share: list[int]) -> Iterator[tuple[int, Terms]]:
    own = tuple(terms[t] for t in share)
    for first in sorted({factors[0] for _, factors in own}):
        yield first, own


class _Writer:
    """Collects the code of one program; coefficients are counted among all terms again."""

    def __init__(self, terms: Terms, share: list[int]) -> None:
        self.n_terms, self.share = len(terms), share
        self.sums, self.loads, self.lines, self.blocks = Sums(), dict[str, str](), list[str](), 0

    def block(self, results: dict[str, Node | None]) -> None:
        """Add results to variables (`o`, `x`) and tables (`DQ(t)`)."""
        self.blocks += 1
        self.lines += statements(results, self._store, self._load, f"t{self.blocks}_")

    def program(self, sets: bool, results: dict[str, int]) -> str:
        """The whole file; results are variables and their numbers of components, set or added to."""
        head = [
            "stride = atoms * channels",
            "n = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)",
            "inside = n < stride",
            "kind = tl.load(element + n // channels, mask=inside, other=0)",
            f"place = kind * ({self.n_terms} * channels) + n % channels",
        ]
        loads = [f"{name} = {value}" for name, value in self.loads.items()]
        stores = []
        for name in [f"{kind}{i}" for kind, count in results.items() for i in range(count)]:
            there = name in self.sums.begun
            if sets or there:
                value = name if sets and there else "0.0" if sets else f"{name} + {_element(name)}"
                stores.append(f"tl.store({_address(name)}, {value}, mask=inside)")
        return program([*ARRAYS, "element"], ["atoms"], [*head, *loads, *self.lines, *stores], ["channels", "LANES"])

    def _load(self, name: str) -> tuple[str, list[str]]:
        found = _TABLE.fullmatch(name)
        if found is None:
            self.loads[name] = _element(name)
            return name, []
        table, t = found[1].lower(), self.share[int(found[2])]
        own = f"{table}{self.blocks}_{t}"
        return own, [f"{own} = tl.load({table} + place + {t} * channels, mask=inside, other=0.0)"]

    def _store(self, key: str, value: str) -> list[str]:
        found = _TABLE.fullmatch(key)
        if found is None:
            return [self.sums.add(key, value)]
        t = self.share[int(found[2])]
        return [f'tl.atomic_add(dq + place + {t} * channels, {value}, mask=inside, sem="relaxed")']


def _address(name: str) -> str:
    found = _VARIABLE.fullmatch(name)
    assert found is not None
    return f"{_ARRAY[found[1]]} + {found[2]} * stride + n"


def _element(name: str) -> str:
    return f"tl.load({_address(name)}, mask=inside, other=0.0)"
