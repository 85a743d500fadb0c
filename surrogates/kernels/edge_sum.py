"""Sum over neighbours of the channel-wise tensor product of their features with the harmonics of edges.

Messages, which would be the largest tensors of a model, are never stored. Weights given as a product of two matrices
are multiplied out for a few atoms at a time, and again in the backward pass: cheaper than to write and read them.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.kernels import edge_code, triton_code, triton_edges
from surrogates.kernels.constant import Constant
from surrogates.kernels.edge_code import EdgeCode
from surrogates.kernels.native import function, lanes, pointer
from surrogates.kernels.parallel import launch, ranges
from surrogates.kernels.transforms import refuse_transforms
from surrogates.kernels.twice import last_derivative
from surrogates.physics.errors import DomainError

_TILE = 256  # edges whose weights are in the cache at the same time
_GPU_TILE = 32768


@dataclass(frozen=True)
class Tile:
    """Atoms first..last - 1 and their edges."""

    first: int
    last: int
    edges: slice


@dataclass(frozen=True)
class Neighbors:
    """Edges sorted by receiver: `sender` of each, and where those of each atom start, (atoms + 1,)."""

    sender: Int[Tensor, "edges"]
    start: Int[Tensor, "atoms_1"]
    most: int

    def tiles(self, like: Tensor) -> list[Tile]:
        """Runs of atoms with about as many edges together as fit in the cache, or fill a GPU."""
        most = _GPU_TILE if like.is_cuda else _TILE
        starts = self.start.tolist()
        found, first = [], 0
        for atom in range(1, len(starts)):
            if atom == len(starts) - 1 or starts[atom + 1] - starts[first] > most:
                found.append(Tile(first, atom, slice(starts[first], starts[atom])))
                first = atom
        return found


def by_receiver(edges: Int[Tensor, "2 edges"], n_atoms: int) -> tuple[Neighbors, Tensor | None]:
    """Neighbours of each atom, and the order of edges that sorts them; None where they are sorted already."""
    receiver, sender = edges.long()
    order = None
    if receiver.numel() > 1 and bool((receiver[1:] < receiver[:-1]).any()):
        order = receiver.argsort(stable=True)
        sender = sender.index_select(0, order)
    count = torch.bincount(receiver, minlength=n_atoms)
    start = torch.nn.functional.pad(count.cumsum(0), (1, 0))
    return Neighbors(sender.contiguous(), start, int(count.max()) if n_atoms else 0), order


def edge_sum(
    h: Float[Tensor, "components atoms channels"],
    harmonics: Float[Tensor, "edges harmonics"],
    left: Float[Tensor, "edges rank"],
    right: Float[Tensor, "rank weights"] | None,
    neighbors: Neighbors,
    code: EdgeCode,
    couplings: Constant,
) -> Float[Tensor, "rows_atoms_channels"]:
    """A = sum_j w_ij (Y x h_j), flat: one block (components, atoms, paths, channels) after another.

    w = left @ right, (edges, paths * channels); right None means that left is w. Twice differentiable.
    Raises DomainError where a shape or precision is not what the code was made for.
    """
    last = left if right is None else right
    n = len(neighbors.sender)
    found = (h.shape[0], *harmonics.shape, left.shape[0], last.shape[1], {x.dtype for x in (harmonics, left, last)})
    wanted = (code.n_in, n, code.n_harmonics, n, len(code.paths) * h.shape[2], {h.dtype})
    if found != wanted:  # native code would read beyond the arrays
        raise DomainError(
            f"a sum over neighbours got (components, edges, harmonics, edges, weights, precisions) {found}, and its "
            f"code, {n} edges and {h.shape[2]} channels need {wanted}"
        )
    result: Tensor = _EdgeSum.apply(
        h.contiguous(), harmonics.contiguous(), left.contiguous(), right, (neighbors, code, couplings)
    )
    return result


Fixed = tuple[Neighbors, EdgeCode, Constant]


class _EdgeSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, y: Tensor, left: Tensor, right: Tensor | None, fixed: Fixed) -> Tensor:
        ctx.save_for_backward(h, y, left, right)  # inputs themselves: a copy would be cut off from the graph
        ctx.fixed = fixed
        out = h.new_empty(fixed[1].offsets[-1] * h.shape[1] * h.shape[2])
        run = _runner(edge_code.forward, (), fixed, h)
        for tile in fixed[0].tiles(h):
            run(tile, h=h, y=y[tile.edges], w=_product(left[tile.edges], right), out=out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # type: ignore[override]
        refuse_transforms(g)
        needs = tuple(ctx.needs_input_grad[:4])
        return *_EdgeSumGradient.apply(*ctx.saved_tensors, g, ctx.fixed, needs), None


class _EdgeSumGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, y: Tensor, left: Tensor, right: Tensor | None, g: Tensor, fixed: Fixed, needs: Any
    ) -> Any:
        g = g.contiguous()
        ctx.save_for_backward(h, y, left, right, g)
        ctx.fixed = fixed
        ctx.set_materialize_grads(False)
        dh = torch.zeros_like(h) if needs[0] else None
        dright = torch.zeros_like(right) if right is not None and needs[3] else None
        dy, dleft = torch.empty_like(y) if needs[1] else None, torch.empty_like(left)
        run = _runner(edge_code.gradient, (dh is not None, dy is not None), fixed, h)
        for tile in fixed[0].tiles(h):
            rows = tile.edges
            w = _product(left[rows], right)
            dw = dleft[rows] if right is None else torch.empty_like(w)
            run(tile, h=h, y=y[rows], w=w, g=g, dh=dh, dy=None if dy is None else dy[rows], dw=dw)
            if right is not None:
                torch.mm(dw, right.T, out=dleft[rows])
            if dright is not None:
                dright.addmm_(left[rows].T, dw)
        return dh, dy, dleft, dright

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, hh: Tensor | None, hy: Tensor | None, hleft: Tensor | None, hright: Tensor | None
    ) -> Any:
        refuse_transforms(hh, hy, hleft, hright)
        h, y, left, right, g = ctx.saved_tensors
        hh, hy, hleft = (None if x is None else x.contiguous() for x in (hh, hy, hleft))
        given = (hh is not None, hleft is not None or hright is not None, hy is not None)
        if not any(given):
            return None, None, None, None, None, None, None
        blank = torch.empty_like if given[0] or given[2] else torch.zeros_like  # dE/dw itself does not depend on w
        dh, out, dy, dleft = torch.zeros_like(h), torch.zeros_like(g), torch.empty_like(y), blank(left)
        dright = None if right is None else torch.zeros_like(right)
        run = _runner(edge_code.second, (given,), ctx.fixed, h)
        for tile in ctx.fixed[0].tiles(h):
            rows = tile.edges
            w, own = _product(left[rows], right), dleft[rows]
            hw = _change(left[rows], right, None if hleft is None else hleft[rows], hright)
            dw = own if right is None else blank(w)
            sw = None if hw is None else torch.empty_like(w)
            here = {"y": y[rows], "hy": None if hy is None else hy[rows], "dy": dy[rows]}
            run(tile, h=h, w=w, g=g, hh=hh, hw=hw, dh=dh, dw=dw, sw=sw, out=out, **here)
            if right is None or dright is None:
                continue
            torch.mm(dw, right.T, out=own)
            dright.addmm_(left[rows].T, dw)
            if hright is not None and sw is not None:
                own.addmm_(sw, hright.T)
            if hleft is not None and sw is not None:
                dright.addmm_(hleft[rows].T, sw)
        inputs = (h, y, left, right, g, hh, hy, hleft, hright)
        return *last_derivative((dh, dy, dleft, dright, out), inputs), None, None


def _product(left: Tensor, right: Tensor | None) -> Tensor:
    return left if right is None else (left @ right).to(left.dtype)  # autocast may have come after the forward pass


def _change(left: Tensor, right: Tensor | None, hleft: Tensor | None, hright: Tensor | None) -> Tensor | None:
    """The tangent of left @ right along (hleft, hright)."""
    if right is None or hright is None:
        return hleft if hleft is None or right is None else _product(hleft, right)
    one = _product(left, hright)
    return one if hleft is None else one.addmm_(hleft, right)


def _runner(source: Any, key: tuple[Any, ...], fixed: Fixed, like: Tensor) -> _Runner | triton_edges.Runner:
    if triton_code.device(like):
        return triton_edges.Runner(getattr(triton_edges, source.__name__), key, fixed, like)
    return _Runner(source, key, fixed, like)


class _Runner:
    """One compiled function, with what does not change from tile to tile."""

    def __init__(self, source: Any, key: tuple[Any, ...], fixed: Fixed, like: Tensor) -> None:
        self.neighbors, self.code, couplings = fixed
        self.atoms, self.channels = like.shape[1:]
        width = lanes(self.channels, like.dtype)
        self.run = function(source, self.code, *key, like.dtype, width)
        self.couplings = couplings.like(like)
        self.parts = ranges(self.channels // width)
        shape = (2, len(self.parts), max(self.neighbors.most * self.code.firsts[-1], 1))
        self.scratch = like.new_empty(shape)

    def __call__(self, tile: Tile, **arrays: Tensor | None) -> None:
        dy = arrays.pop("dy", None)
        slopes = [dy] if dy is None or len(self.parts) == 1 else [torch.empty_like(dy) for _ in self.parts]
        numbers = [ctypes.c_int64(n) for n in (self.atoms, self.channels, tile.first, tile.last)]
        indices = [pointer(self.neighbors.start), pointer(self.neighbors.sender)]

        def call(part: int, begin: int, end: int) -> None:
            given = arrays | {"dy": slopes[part % len(slopes)], "k": self.scratch[0, part], "hk": self.scratch[1, part]}
            given["coupling"] = self.couplings
            tensors = [pointer(given.get(name)) for name in edge_code.ARRAYS]
            self.run(ctypes.c_int64(begin), ctypes.c_int64(end), *tensors, *indices, *numbers)

        launch(call, self.parts)
        if dy is not None and len(self.parts) > 1:
            torch.sum(torch.stack([s for s in slopes if s is not None]), dim=0, out=dy)
