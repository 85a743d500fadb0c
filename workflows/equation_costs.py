"""What a solved equation costs beside the known solution. Imported in workers only."""

from __future__ import annotations

import sys
from typing import Any

import torch

from surrogates.pinns.named import named_problem
from surrogates.workflows.cpu import cpu_seconds, seconds_a_call
from surrogates.workflows.steps.evaluate_equation import EquationCosts

_SOLVERS = ("surrogates.physics.", "surrogates.pinns.problems.")


def costs(fitted: Any, points: int, seed: int) -> EquationCosts:
    """CPU seconds of the network's values at points, and of the known solution's: from nothing, and once more."""
    problem = fitted.members[0].problem
    x = problem.draw(points, seed)
    network = seconds_a_call(lambda: fitted.predict(x))
    if problem.exact is None:
        return EquationCosts(points, network)
    _forget()
    spec = problem.spec
    fresh = problem if spec is None else named_problem(spec["name"], **{k: v for k, v in spec.items() if k != "name"})
    begun = cpu_seconds()
    with torch.no_grad():
        fresh.exact(x)
    first = cpu_seconds() - begun
    return EquationCosts(points, network, first, seconds_a_call(lambda: fresh.exact(x)))


def _forget() -> None:
    """Reference solvers remember what they have solved; to time them it has to be forgotten."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_SOLVERS):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
