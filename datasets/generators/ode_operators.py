"""Learning nonlinear operators via DeepONet based on the universal approximation theorem of operators (arXiv:1910.03193).

Its operators from u(x) to s(x) on [0, 1]: antiderivative s' = u and s' = -s^2 + u (section 4.1), gravity pendulum
s' = v, v' = -k sin s + u (section 4.2), all from rest. The antiderivative is an exact integral; the others are solved
by the explicit Runge-Kutta method of order 6 (J. C. Butcher, doi:10.1017/S1446788700023387) on 999 steps that fit the
knots of u. Their diffusion-reaction system is in source_diffusion_reaction.py.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.function_spaces import Functions, FunctionSpace, GaussianProcess
from surrogates.physics.errors import DomainError

Rate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(state (components, samples, ...), u (samples, ...)) -> its derivative by x."""

_STAGES = (
    (0, ()),
    (1 / 3, (1 / 3,)),
    (2 / 3, (0, 2 / 3)),
    (1 / 3, (1 / 12, 1 / 3, -1 / 12)),
    (1 / 2, (-1 / 16, 9 / 8, -3 / 16, -3 / 8)),
    (1 / 2, (0, 9 / 8, -3 / 8, -3 / 4, 1 / 2)),
    (1, (9 / 44, -9 / 11, 63 / 44, 18 / 11, 0, -16 / 11)),
)
_WEIGHTS = (11 / 120, 0, 27 / 40, 27 / 40, -4 / 15, -4 / 15, 11 / 120)
_CHUNK = 2000  # functions solved together
_LIMIT = 1e3  # a larger solution is running away


@dataclass(frozen=True)
class Triples:
    """Unaligned data: u at the sensors, points y of each function's own, and s there.

    Args:
        u: (samples, sensors) on uniform points of [0, 1], both ends included. y, s: (samples, points).
    """

    u: Float[np.ndarray, "samples sensors"]
    y: Float[np.ndarray, "samples points"]
    s: Float[np.ndarray, "samples points"]


def antiderivative(
    samples: int = 150, points: int = 100, *, space: FunctionSpace | None = None, seed: int = 0
) -> Fields:
    """s' = u, s(0) = 0: constant field "u" and field "s" (one frame) on `points` points, both ends included."""
    return _fields("antiderivative", _solved_antiderivative, samples, points, space, seed)


def nonlinear_ode(
    samples: int = 150, points: int = 100, *, space: FunctionSpace | None = None, seed: int = 0
) -> Fields:
    """s' = -s^2 + u, s(0) = 0. Functions whose solution runs off to -infinity within [0, 1] are drawn anew."""
    return _fields("s' = -s^2 + u", _solved_riccati, samples, points, space, seed)


def gravity_pendulum(
    samples: int = 150,
    points: int = 100,
    *,
    k: float | int = 1.0,
    space: FunctionSpace | None = None,
    seed: int = 0,
) -> Fields:
    """s' = v, v' = -k sin s + u from rest: fields "s" and "v", parameter "k"."""
    return _fields("gravity pendulum", _pendulum(float(k)), samples, points, space, seed, {"k": float(k)})


def triples(
    operator: str = "antiderivative",
    samples: int = 10_000,
    sensors: int = 100,
    *,
    queries: int = 1,
    space: FunctionSpace | None = None,
    seed: int = 0,
) -> Triples:
    """The paper's data: `queries` random points of each function, uniform in [0, 1].

    `operator` is "antiderivative", "nonlinear_ode" or "gravity_pendulum" (with k = 1; its angle s).
    """
    solvers = {
        "antiderivative": _solved_antiderivative,
        "nonlinear_ode": _solved_riccati,
        "gravity_pendulum": _pendulum(1.0),
    }
    if operator not in solvers:
        raise DomainError(f"operator={operator!r} is unknown; choose one of {', '.join(solvers)}")
    generator = _generator(samples, sensors, seed)
    y = generator.uniform(size=(samples, queries))
    functions, found, _ = _draw(solvers[operator], samples, y, space, generator)
    return Triples(_values(functions, np.linspace(0, 1, sensors)), y, found[0])


def integrate(
    rate: Rate, functions: Functions, x: np.ndarray, *, components: int = 1, steps: int = 999
) -> Float[np.ndarray, "components samples points"]:
    """State at x, (points,) or (samples, points), from rest at 0, by `steps` equal steps and a last shorter one.

    Step ends should fit the knots of the functions, or the order is theirs.
    """
    knots = np.linspace(0, 1, steps + 1)
    h, state = 1 / steps, np.zeros((components, len(functions)))
    inputs = [functions(knots[:-1] + c * h) for c, _ in _STAGES]
    at_knots = [state]
    for n in range(steps):
        state = _step(rate, state, [u[:, n] for u in inputs], h)
        at_knots.append(state)
    own = np.broadcast_to(x, (len(functions), x.shape[-1]))
    below = np.clip(np.floor(own * steps).astype(int), 0, steps - 1)
    rest = own - knots[below]
    start = np.stack(at_knots, axis=2)[:, np.arange(len(functions))[:, None], below]
    return _step(rate, start, [functions(knots[below] + c * rest) for c, _ in _STAGES], rest)


def _step(rate: Rate, state: np.ndarray, inputs: list[np.ndarray], h: Any) -> np.ndarray:
    slopes: list[np.ndarray] = []
    for (_, row), u in zip(_STAGES, inputs, strict=True):
        here = state + h * sum((a * k for a, k in zip(row, slopes, strict=True) if a), start=0.0)
        slopes.append(rate(here, u))
    found: np.ndarray = state + h * sum(b * k for b, k in zip(_WEIGHTS, slopes, strict=True) if b)
    return found


def _solved_antiderivative(functions: Functions, x: np.ndarray) -> np.ndarray:
    return functions.integral(x)[None]


def _solved_riccati(functions: Functions, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return integrate(lambda s, u: -(s**2) + u, functions, x)


def _pendulum(k: float) -> Callable[[Functions, np.ndarray], np.ndarray]:
    def rate(state: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.stack([state[1], -k * np.sin(state[0]) + u])

    return lambda functions, x: integrate(rate, functions, x, components=2)


def _fields(
    name: str,
    solve: Callable[[Functions, np.ndarray], np.ndarray],
    samples: int,
    points: int,
    space: FunctionSpace | None,
    seed: int,
    parameters: dict[str, float] | None = None,
) -> Fields:
    x = np.linspace(0, 1, points)
    generator = _generator(samples, points, seed)
    functions, found, redrawn = _draw(solve, samples, np.broadcast_to(x, (samples, points)), space, generator)
    said = f"{name} of {space or GaussianProcess()}, seed {seed}"
    return Fields.from_arrays(
        {key: values[:, None] for key, values in zip("sv", found, strict=False)},
        times=np.ones(1),
        axes=[x],
        periodic=False,
        parameters=parameters,
        constants={"u": _values(functions, x)},
        provenance={"description": said, "generator": name, "seed": seed, "redrawn": redrawn},
    )


def _generator(samples: int, points: int, seed: int) -> np.random.Generator:
    if samples < 1 or points < 2:
        raise DomainError(f"samples={samples}, points={points}; give at least one sample and two points")
    return np.random.default_rng(seed)


def _draw(
    solve: Callable[[Functions, np.ndarray], np.ndarray],
    samples: int,
    x: np.ndarray,
    space: FunctionSpace | None,
    generator: np.random.Generator,
) -> tuple[list[tuple[Functions, np.ndarray]], np.ndarray, int]:
    """Functions (in chunks, with the rows that they fill), their solutions, and how many ran away and were drawn anew.

    Whether a solution runs away is judged at x = 1, whatever the points asked for.
    """
    space = space or GaussianProcess()
    chunks: list[tuple[Functions, np.ndarray]] = []
    solutions: list[np.ndarray] = []
    todo, redrawn = np.arange(samples), 0
    while len(todo):
        rows = todo[:_CHUNK]
        functions = space.draw(len(rows), generator)
        asked = np.concatenate([x[rows], np.ones((len(rows), 1))], axis=1)
        found = solve(functions, asked)
        sound = np.isfinite(found).all((0, 2)) & (np.abs(found).max((0, 2)) < _LIMIT)
        redrawn += int((~sound).sum())
        if redrawn > 10 * (samples + 1):
            raise DomainError(f"{redrawn} solutions of {space} ran away; draw smaller or smoother functions")
        chunks.append((functions.some(sound), rows[sound]))
        solutions.append(found[:, sound, :-1])
        todo = np.concatenate([rows[~sound], todo[_CHUNK:]])
    result = np.empty((solutions[0].shape[0], samples, x.shape[1]))
    for (_, rows), part in zip(chunks, solutions, strict=True):
        result[:, rows] = part
    return chunks, result, redrawn


def _values(chunks: list[tuple[Functions, np.ndarray]], x: np.ndarray) -> np.ndarray:
    found = np.empty((sum(len(rows) for _, rows in chunks), len(x)))
    for functions, rows in chunks:
        found[rows] = functions(x)
    return found
