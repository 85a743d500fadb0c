"""Equations and their trained solutions as objects, made of what a workflow file says. Imported in workers only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surrogates.physics.errors import DomainError
from surrogates.pinns.named import named_problem
from surrogates.training.checkpoint import load
from surrogates.workflows.desk import Desk


def made_problem(part: Mapping[str, Any], derivatives: Any = None) -> Any:
    """The problem that {"use": "module:function", ...} names, its derivatives as a key `derivatives` says."""
    arguments = {word: value for word, value in part.items() if word != "use"}
    if derivatives is not None:
        arguments["how"] = _how(derivatives)
    return named_problem(str(part["use"]).partition(":")[2], **arguments)


def trained_equation(path: str, desk: Desk) -> Any:
    """The trained solution in a checkpoint. Raises DomainError for a surrogate of another kind."""
    fitted = load(path, trust=desk.trust)
    check_equation(fitted, path)
    return fitted if desk.device == "auto" else fitted.to(desk.device)


def is_equation(fitted: Any) -> bool:
    """Whether a surrogate is a network that solves an equation."""
    return hasattr(fitted.members[0], "residuals")


def check_equation(fitted: Any, path: str | Path) -> None:
    """Raises DomainError for a surrogate of another kind."""
    if not is_equation(fitted):
        raise DomainError(
            f"{Path(path).name} holds a {type(fitted.members[0]).__name__}, no solution of an equation; give the "
            "checkpoint of a step solve_equation"
        )


def _how(derivatives: Any) -> Any:
    from surrogates.derivatives import Dense, Exact, Sparse

    if derivatives.how == "exact":
        return Exact()
    if derivatives.how == "sparse":
        return Sparse(samples=derivatives.samples)
    return Dense(samples=derivatives.samples, law=derivatives.law)
