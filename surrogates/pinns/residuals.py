"""The residuals of a problem at points, named and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError

if TYPE_CHECKING:
    from surrogates.pinns.problem import Problem


def residuals_at(
    problem: Problem, u: Callable[[Tensor], Tensor], x: Float[Tensor, "points dim"], parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Residuals by name, each (points, k). Raises DomainError where the problem's function gives something else."""
    x = x.detach().requires_grad_()
    found = problem.residual(u, x, parameters) if problem.parameters else problem.residual(u, x)
    named = found if isinstance(found, Mapping) else {"residual": found}
    return {name: _column(name, r, len(x)) for name, r in named.items()}


def mean_squares(residuals: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean over points of the sum over components of r^2, by name."""
    return {name: r.square().sum(dim=1).mean() for name, r in residuals.items()}


def _column(name: str, residual: Any, points: int) -> Tensor:
    if not isinstance(residual, Tensor) or residual.ndim not in (1, 2) or len(residual) != points:
        given = tuple(residual.shape) if isinstance(residual, Tensor) else type(residual).__name__
        raise DomainError(
            f"residual {name!r} is {given} for {points} points; it must be a tensor ({points},) or ({points}, k): "
            "did an operation mix points, or was a sum taken?"
        )
    if residual.ndim == 2 and residual.shape[1] == points and points > 1:
        raise DomainError(
            f"residual {name!r} has shape {tuple(residual.shape)}: a column (points, 1) was combined with a row "
            "(points,); keep the columns, x[:, :1] and u(x)[:, :1]"
        )
    return residual if residual.ndim == 2 else residual[:, None]
