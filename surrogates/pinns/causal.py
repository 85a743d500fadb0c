"""Respecting causality is all you need for training physics-informed neural networks (arXiv:2203.07404).

Kept: the residual at a time counts once what comes before it is small, w_i = exp(-eps sum_{k < i} L_k), with no
gradient through w and the weighted error of initial conditions as first term of the sum; the schedule (algorithm 1):
eps goes through growing tolerances, to the next one when min_i w_i > delta or after a number of steps.
Changed: the points of a step need not lie on common times; they are sorted by time and cut into chunks of equal number,
and L_i is the mean of a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError

TOLERANCES = (1e-2, 1e-1, 1e0, 1e1, 1e2)


class Causal(nn.Module):
    """Loss of a step whose later times wait for the earlier ones: `Collocation(..., weighting=Causal())`.

    Args:
        chunks: pieces of time. tolerances: values of eps, in units of one over the squared residual; larger ones are
            stricter. delta: the smallest weight that opens the next tolerance. steps: after which the next one comes in
            any case; None waits for delta.
    """

    stage: Tensor
    since: Tensor
    eps: Tensor

    def __init__(
        self,
        *,
        chunks: int = 32,
        tolerances: Sequence[float | int] = TOLERANCES,
        delta: float | int = 0.99,
        steps: int | None = None,
    ) -> None:
        super().__init__()
        rising = all(a < b for a, b in pairwise(tolerances))
        if chunks < 2 or not tolerances or tolerances[0] <= 0 or not rising:
            raise DomainError(
                f"chunks={chunks}, tolerances={list(tolerances)}; give two chunks or more, rising tolerances"
            )
        if not 0 < delta < 1 or (steps is not None and steps < 1):
            raise DomainError(
                f"delta={delta}, steps={steps}; give a weight between 0 and 1, and a number of steps or None"
            )
        self.arguments = {"chunks": chunks, "tolerances": list(tolerances), "delta": delta, "steps": steps}
        self.chunks, self.delta, self.steps = chunks, float(delta), steps
        self.register_buffer("eps", torch.tensor([float(e) for e in tolerances]), persistent=False)
        self.register_buffer("stage", torch.zeros((), dtype=torch.long))
        self.register_buffer("since", torch.zeros((), dtype=torch.long))

    def forward(
        self, times: Float[Tensor, "points"], squares: Float[Tensor, "points"], before: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """mean_i w_i L_i of squared residuals at times, after the loss `before` of the start; in training the schedule
        goes on."""
        losses = self.losses(times, squares)
        weights = self.weights(losses.detach(), before.detach())
        if self.training:
            self._advance(weights)
        return (weights * losses).mean()

    def losses(self, times: Float[Tensor, "points"], squares: Float[Tensor, "points"]) -> Float[Tensor, "chunks"]:
        """L_i, mean squared residuals of the chunks from the earliest to the latest. Of fewer points than chunks, each
        is one."""
        ordered = squares[torch.argsort(times.detach(), stable=True)]
        return torch.stack([part.mean() for part in ordered.tensor_split(min(self.chunks, len(ordered)))])

    def weights(self, losses: Float[Tensor, "chunks"], before: Float[Tensor, ""]) -> Float[Tensor, "chunks"]:
        """w_i = exp(-eps (before + sum_{k < i} L_k)) at the present tolerance."""
        earlier = before + torch.cumsum(losses, dim=0) - losses
        return torch.exp(-self.eps[self.stage] * earlier)

    @torch.no_grad()
    def _advance(self, weights: Tensor) -> None:
        """To the next tolerance if it is time; in tensors, so that a GPU need not stop."""
        self.since += 1
        ready = weights.min() > self.delta
        if self.steps is not None:
            ready = ready | (self.since >= self.steps)
        ready = ready & (self.stage < len(self.eps) - 1)
        self.stage += ready.long()
        self.since *= (~ready).long()
