"""Characterizing possible failure modes in physics-informed neural networks (arXiv:2109.01050): sequence to sequence.

Kept: one network for each piece of time, trained one after the other, each from where the one before ended (section 4).
Changed: a piece begins at its start exactly, u_k(x, t) = u_{k-1}(x, t_k) + (t - t_k) / (t_{k+1} - t_k) N_k(x, t), where
the authors add the end of the piece before as initial data to the loss; so u is continuous in time, for equations of
first order in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.pinns.drawing import in_double
from surrogates.pinns.problem import Problem


class TimeWindows(nn.Module):
    """A field made of pieces in time; `training.march` trains them in turn.

    Args:
        nets: one for each piece, points (n, dim) -> (n, outputs), with times from -1 to 1 through the piece as last
            coordinate.
        edges: times between which the pieces lie, one more than nets; the last piece goes on beyond its end.
        initial: u at edges[0], of whole points; a module such as FourierSeries, or a function of the user's own.
    `active` is the piece that trains, which then speaks for all times; None for the whole field.
    """

    def __init__(self, nets: Sequence[nn.Module], *, edges: Sequence[float | int], initial: Any) -> None:
        super().__init__()
        if not len(nets) or len(edges) != len(nets) + 1 or not all(a < b for a, b in pairwise(edges)):
            raise DomainError(
                f"{len(nets)} nets and edges={list(edges)}; give one net more than none, rising times around"
            )
        if not callable(initial):
            raise DomainError(f"initial={initial!r} is no function; give u0(points), or a module")
        self.arguments = {"nets": list(nets), "edges": list(edges), "initial": initial}
        self.nets, self.edges, self.initial = nn.ModuleList(nets), [float(e) for e in edges], initial
        self.active: int | None = None

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch outputs"]:
        if self.active is not None:
            return self._piece(self.active, x)
        t = x[:, -1:]
        begin = [float("-inf"), *self.edges[1:-1], float("inf")]
        out = None
        for k in range(len(self.nets)):
            inside = ((t >= begin[k]) & (t < begin[k + 1])).to(t.dtype)
            part = inside * self._piece(k, x)
            out = part if out is None else out + part
        assert out is not None
        return out

    def _piece(self, k: int, x: Tensor) -> Tensor:
        """u_k at any time, from the ends of all pieces before it."""
        start: Tensor = self.initial(x)
        end = 0.0 * x[:, -1:] + 1.0
        for net in self.nets[:k]:
            start = start + net(torch.cat([x[:, :-1], end], dim=1))
        share = (x[:, -1:] - self.edges[k]) / (self.edges[k + 1] - self.edges[k])
        out: Tensor = start + share * self.nets[k](torch.cat([x[:, :-1], 2.0 * share - 1.0], dim=1))
        return out


def in_window(problem: Problem, begin: float, end: float) -> Problem:
    """The same problem between two times, without its initial condition, which the pieces hold exactly.

    Points are uniform in it, also where the problem draws them otherwise. Raises DomainError where the geometry has no
    time, or conditions are tied to another geometry or to data.
    """
    whole = problem.domain
    if not hasattr(whole, "timedomain"):
        raise DomainError("windows in time need a geometry with a time; give deepxde.geometry.GeometryXTime")
    if not callable(problem.conditions) and len(problem.conditions):
        raise DomainError(
            "these conditions are tied to one geometry; give conditions as a function of the geometry, so that each "
            "window in time has its own"
        )

    def geometry() -> Any:
        return type(whole)(whole.geometry, type(whole.timedomain)(begin, end))

    def conditions(domain: Any) -> dict[str, Any]:
        with in_double():
            there = replace(problem, geometry=domain, spec=None)
        kept = {name: c for name, c in there.edges.items() if c.kind != "initial"}
        if data := [name for name, c in kept.items() if "observations" in c.kind]:
            raise DomainError(f"condition {data[0]!r} is data at given times, which windows in time cannot take")
        return {name: c.source for name, c in kept.items()}

    own = conditions if callable(problem.conditions) else ()
    return replace(problem, geometry=geometry, conditions=own, sample=None, spec=None)
