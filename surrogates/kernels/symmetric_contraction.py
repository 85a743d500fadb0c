"""Equivariant polynomials of a feature, channel by channel: the hot loop of many-body message passing.

P_M(a) = sum_t q[element, t, channel] a_i a_j a_k over the few terms whose coupling is not zero. Native code unrolls the
sum; the eager twin multiplies a table of couplings with all monomials at once. Both leave out what permutations of the
factors repeat. Components come first and channels last, so that a product of components is one of contiguous rows.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.kernels import polynomial_code, triton_code, triton_polynomials
from surrogates.kernels.constant import Constant
from surrogates.kernels.native import function, lanes, pointer
from surrogates.kernels.parallel import launch, ranges
from surrogates.kernels.polynomial_code import Terms
from surrogates.kernels.transforms import refuse_transforms
from surrogates.kernels.twice import last_derivative
from surrogates.physics.errors import DomainError

_ZERO = 1e-12  # coefficients below are rounding


def symmetric_contraction(
    a: Float[Tensor, "components atoms channels"],
    q: Float[Tensor, "elements terms channels"],
    element: Int[Tensor, "atoms"],
    polynomials: Polynomials,
) -> Float[Tensor, "components_out atoms channels"]:
    """P_M(a) of every atom with the coefficients of its element, by native code; twice differentiable in a and q.

    Raises DomainError where a shape or precision is not what the polynomials were made for.
    """
    found = (len(a), *q.shape[1:], len(element), q.dtype)
    wanted = (polynomials.n_in, len(polynomials.terms), a.shape[2], a.shape[1], a.dtype)
    if found != wanted:  # native code would read beyond the arrays
        raise DomainError(
            f"a contraction got (components, terms, channels, elements of atoms, precision) {found}, and needs {wanted}"
        )
    result: Tensor = _Contraction.apply(
        a.contiguous(), q.contiguous(), element.long().contiguous(), polynomials.terms, polynomials.n_out
    )
    return result


class _Contraction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, q: Tensor, element: Tensor, terms: Terms, n_out: int) -> Tensor:
        ctx.save_for_backward(a, q, element)  # inputs themselves: a copy would be cut off from the graph
        ctx.fixed = (terms, n_out)
        out = a.new_empty(n_out, *a.shape[1:])
        _run(polynomial_code.forward, (), ctx.fixed, element, a=a, q=q, out=out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # type: ignore[override]
        refuse_transforms(g)
        a, q, element = ctx.saved_tensors
        return *_Gradient.apply(a, q, g, element, ctx.fixed, ctx.needs_input_grad[1]), None, None, None


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, q: Tensor, g: Tensor, element: Tensor, fixed: Any, with_q: bool) -> Any:
        g = g.contiguous()
        ctx.save_for_backward(a, q, g, element)
        ctx.fixed = fixed
        ctx.set_materialize_grads(False)
        da, dq = torch.empty_like(a), torch.zeros_like(q) if with_q else None
        _run(polynomial_code.gradient, (with_q,), fixed, element, a=a, q=q, g=g, da=da, dq=dq)
        return da, dq

    @staticmethod
    def backward(ctx: Any, ha: Tensor | None, hq: Tensor | None) -> Any:  # type: ignore[override]
        refuse_transforms(ha, hq)
        a, q, g, element = ctx.saved_tensors
        if ha is None and hq is None:
            return None, None, None, None, None, None
        ha = torch.zeros_like(a) if ha is None else ha.contiguous()
        hq = None if hq is None else hq.contiguous()
        da, dq, out = torch.empty_like(a), torch.zeros_like(q), torch.empty_like(g)
        arrays = {"a": a, "q": q, "g": g, "ha": ha, "hq": hq, "da": da, "dq": dq, "out": out}
        _run(polynomial_code.second, (hq is not None,), ctx.fixed, element, **arrays)
        return *last_derivative((da, dq, out), (a, q, g, ha, hq)), None, None, None


def _run(source: Any, key: tuple[Any, ...], fixed: tuple[Terms, int], element: Tensor, **arrays: Tensor | None) -> None:
    terms, n_out = fixed
    a = arrays["a"]
    assert a is not None
    if triton_code.device(a):
        triton_polynomials.run(getattr(triton_polynomials, source.__name__), key, fixed, element, **arrays)
        return
    n_in, atoms, channels = a.shape
    width = lanes(channels, a.dtype)
    run = function(source, terms, n_in, n_out, *key, a.dtype, width)
    tensors = [pointer(arrays.get(name)) for name in polynomial_code.ARRAYS]
    sizes = [ctypes.c_int64(n) for n in (atoms, channels, len(terms))]

    def call(_: int, begin: int, end: int) -> None:
        run(ctypes.c_int64(begin), ctypes.c_int64(end), *tensors, pointer(element), *sizes)

    launch(call, ranges(channels // width))


class Polynomials:
    """Structure and coefficients of sum_p w_p P_{M,p}(a), where every path p belongs to one output irrep.

    Args:
        coefficients: for each output irrep and degree 1, 2, ..., (paths, 2L + 1, monomials).
        monomials: component indices of each monomial, ascending, (monomials, degree) for each degree.
    `terms` are the monomials of each output component that have a coefficient, `table` holds these (terms, paths);
    paths are counted by output irrep, then degree.
    """

    def __init__(self, coefficients: Sequence[Sequence[np.ndarray]], monomials: Sequence[np.ndarray]) -> None:
        self.n_paths = sum(len(found) for of_output in coefficients for found in of_output)
        terms: list[tuple[int, tuple[int, ...]]] = []
        table: list[np.ndarray] = []
        rows: list[tuple[int, int]] = []  # output component and path
        path = component = 0
        for of_output in coefficients:
            first, size = path, of_output[0].shape[1]
            for found, factors in zip(of_output, monomials, strict=True):
                for m, k in np.argwhere((np.abs(found) > _ZERO).any(axis=0)).tolist():
                    terms.append((component + m, tuple(int(i) for i in factors[k])))
                    table.append(np.zeros(self.n_paths))
                    table[-1][path : path + len(found)] = found[:, m, k]
                path += len(found)
            rows += [(component + m, p) for m in range(size) for p in range(first, path)]
            component += size
        self.n_in = 1 + max((int(i) for factors in monomials for i in np.ravel(factors)), default=-1)
        self.n_out, self.terms = component, tuple(terms)
        exact = np.array(table).reshape(-1, self.n_paths)
        self.table = Constant(torch.from_numpy(exact))
        self.chain = Chain([factors for _, factors in terms])
        self.component, self.path = torch.tensor(rows, dtype=torch.long).reshape(-1, 2).T
        by_row = np.zeros((len(rows), len(self.chain.order)))
        for row, (m, p) in enumerate(rows):
            own = [t for t, (output, _) in enumerate(terms) if output == m]
            by_row[row, [self.chain.order[terms[t][1]] for t in own]] = exact[own, p]
        self.rows = Constant(torch.from_numpy(by_row))


class Chain:
    """All monomials that are needed, each one multiplication after another one: the eager twin's products.

    `order` tells where each stands in what calling it returns.
    """

    def __init__(self, wanted: Sequence[tuple[int, ...]]) -> None:
        needed = {m[:n] for m in wanted for n in range(1, len(m) + 1)}
        by_degree = [sorted(m for m in needed if len(m) == n) for n in range(1, 1 + max(map(len, needed), default=0))]
        self.order = {m: k for k, m in enumerate(m for degree in by_degree for m in degree)}
        self.factors = []
        for n, degree in enumerate(by_degree):
            below = {m: k for k, m in enumerate(by_degree[n - 1])} if n else {}
            pairs = [(below[m[:-1]] if n else 0, m[-1]) for m in degree]
            self.factors.append(torch.tensor(pairs, dtype=torch.long).T)

    def __call__(self, a: Float[Tensor, "components atoms channels"]) -> Float[Tensor, "monomials atoms channels"]:
        found: list[Tensor] = []
        for below, last in (pairs.to(a.device) for pairs in self.factors):
            new = a.index_select(0, last)
            found.append(found[-1].index_select(0, below) * new if found else new)
        return torch.cat(found) if found else a[:0]


def values(
    polynomials: Polynomials,
    a: Float[Tensor, "components atoms channels"],
    weights: Float[Tensor, "atoms paths channels"],
) -> Float[Tensor, "components_out atoms channels"]:
    """sum_p w_p P_{M,p}(a), the eager twin: one matrix product of a table of couplings with all monomials."""
    monomials = polynomials.chain(a)
    rows = (polynomials.rows.like(a) @ monomials.flatten(1)).view(len(polynomials.path), *a.shape[1:])
    weighted = rows * weights.transpose(0, 1).index_select(0, polynomials.path.to(a.device))
    return weighted.new_zeros(polynomials.n_out, *a.shape[1:]).index_add(
        0, polynomials.component.to(a.device), weighted
    )
