"""A surrogate goes first and the solver finishes: its field is the solver's start, and what that saves is counted.

The certified field is the solver's, to its own tolerance, whatever the surrogate said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from surrogates.physics.errors import DomainError


class Finished(Protocol):
    """What a solver must tell; `surrogates.physics.fields.sparse_spd.Iterated` does."""

    @property
    def values(self) -> Tensor:
        """(samples, *space)."""

    @property
    def iterations(self) -> Tensor:
        """(samples,)."""

    @property
    def residual(self) -> Tensor:
        """(samples,), relative to the right-hand side."""

    @property
    def converged(self) -> Tensor:
        """(samples,)."""


@dataclass(frozen=True)
class Certificate:
    """Fields that the solver finished.

    Args:
        values: certified fields. converged: whether the solver reached its tolerance from the surrogate's field.
        iterations: from there. from_zero: from a field of zeros. residual: relative, of `values`.
        error: relative L2 distance of the surrogate's field from the certified one; NaN where it was not usable.
        unusable: samples whose surrogate field was not finite; the solver began at zero for them.
    """

    values: Float[Tensor, "samples *space"]
    converged: Bool[Tensor, "samples"]
    iterations: Int[Tensor, "samples"]
    from_zero: Int[Tensor, "samples"]
    residual: Float[Tensor, "samples"]
    error: Float[Tensor, "samples"]
    unusable: Bool[Tensor, "samples"]

    @property
    def saved(self) -> float:
        """Share of the iterations that the surrogate saves, over all samples; negative where it harms."""
        zero = int(self.from_zero.sum())
        return 1 - int(self.iterations.sum()) / zero if zero else 0.0

    def __str__(self) -> str:
        n, done = len(self.converged), int(self.converged.sum())
        text = (
            f"{done} of {n} certified with {self.iterations.double().mean().item():.1f} iterations instead of "
            f"{self.from_zero.double().mean().item():.1f} from zero (mean; {100 * self.saved:.0f} % saved), relative "
            f"residual at most {self.residual.max().item():.1e}"
        )
        usable = self.error[~self.unusable]
        if len(usable):
            text += f"; the surrogate was {100 * usable.mean().item():.2g} % off"
        if bool(self.unusable.any()):
            text += f"; not finite, begun at zero: samples {self.unusable.nonzero()[:, 0].tolist()}"
        return text


@torch.no_grad()
def certify(
    surrogate: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "samples *shape"],
    solver: Callable[[Tensor, Tensor], Finished],
) -> Certificate:
    """Solve each problem twice, from the surrogate's field and from zero.

    Args:
        surrogate: inputs -> fields (samples, *space).
        inputs: what both take, the permeability for instance.
        solver: (inputs, start) -> what it reached and with how many iterations; for Darcy
            `lambda a, start: darcy.refine(start, a, 1.0, grid)`.
    Raises:
        DomainError: the surrogate does not return one field per input.
    """
    guess = surrogate(inputs)
    if len(guess) != len(inputs):
        raise DomainError(f"the surrogate returns {len(guess)} fields for {len(inputs)} inputs; it owes one for each")
    guess = guess.detach().to(inputs.dtype)
    unusable = ~guess.reshape(len(guess), -1).isfinite().all(dim=1)
    shape = (-1, *[1] * (guess.dim() - 1))
    warm = solver(inputs, torch.where(unusable.reshape(shape), 0.0, guess))
    cold = solver(inputs, torch.zeros_like(guess))
    flat = warm.values.reshape(len(guess), -1)
    error = (guess.reshape(len(guess), -1) - flat).norm(dim=1) / flat.norm(dim=1)
    error = torch.where(unusable, torch.nan, error)
    return Certificate(warm.values, warm.converged, warm.iterations, cold.iterations, warm.residual, error, unusable)
