"""Advance a few samples together from output time to output time, with a given step or one chosen from its error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import etd
from surrogates.physics.fields.equation import Equation, Parameters, advective_limit
from surrogates.physics.fields.spectral import Spectral

SHORTEST = 1e-8  # of the time to cover; a step below it is a solution that breaks down
# The estimate is the error of a third-order formula, (rate dt)^4 in relative terms; that of the fourth-order solution
# is (rate dt)^5, its power 5/4. What CAUTION multiplies: the true error at the end was 0.1 to 12 times the plain sum
# over the given equations, most where the solution stretches earlier errors (flows without viscosity, solitons).
ORDERS, CAUTION = 5 / 4, 4.0
SAFETY, SHRINK, GROW = 0.9, 0.2, 2.0  # of a new step against the one that would just do; and its limits


@dataclass
class Problem:
    """An equation with its numbers and forcing, ready to be stepped."""

    equation: Equation
    k: Spectral
    parameters: Parameters
    forcing: Callable[[float], Tensor] | None  # time -> spectra
    steady: bool = True  # the forcing does not change in time
    symbol: Tensor = field(init=False)
    _weights: dict[float, etd.Coefficients] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.symbol = self.equation.symbol(self.k, self.parameters)

    def slope(self, u: Tensor, time: float) -> Tensor:
        """N(u) + forcing, as a new tensor."""
        nonlinear = self.equation.nonlinear
        if nonlinear is None:
            return torch.zeros_like(u) if self.forcing is None else self.forcing(time).expand_as(u).clone()
        out = nonlinear(self.k, u, self.parameters)
        return out if self.forcing is None else out.add_(self.forcing(time))

    def unsteadiness(self, time: float, dt: float) -> Tensor:
        """dt times what the parabola through three stages misses of a changing forcing, which no other stage sees."""
        if self.forcing is None or self.steady:
            return torch.zeros((), dtype=self.k.dtype, device=self.k.device)
        a, b, c, d = (self.forcing(time + share * dt) for share in (0, 0.25, 0.5, 1))
        return dt * (b - 0.375 * a - 0.75 * c + 0.125 * d)

    def weights(self, dt: float) -> etd.Coefficients:
        """The integrator's weights for a step; the latest few are kept."""
        if dt not in self._weights:
            if len(self._weights) > 3:
                self._weights.pop(next(iter(self._weights)))
            self._weights[dt] = etd.coefficients(self.symbol, dt)
        return self._weights[dt]

    def sample(self, row: int) -> Problem:
        """The same problem for one of its samples."""
        one = slice(row, row + 1)
        forcing = self.forcing

        def row_of(time: float) -> Tensor:
            assert forcing is not None
            out = forcing(time)
            return out[one] if len(out) > 1 else out

        return Problem(
            self.equation,
            self.k,
            {name: p[one] if len(p) > 1 else p for name, p in self.parameters.items()},
            None if forcing is None else row_of,
            self.steady,
        )


@dataclass(frozen=True)
class Marched:
    """Frames of some samples, and what they took."""

    values: Tensor
    steps: Tensor
    rejected: Tensor
    error: Tensor


@dataclass
class _State:
    u: Tensor
    slope: Tensor
    time: float
    wanted: float  # the next step's length
    error: Tensor
    steps: int = 0
    rejected: int = 0
    shortest: float = math.inf


def march(
    problem: Problem, initial: Tensor, times: list[float], dt: float | None, tolerance: float, first: int
) -> Marched:
    """Frames at each of the times; `first` is the number that the error message gives to the first sample."""
    k, samples = problem.k, len(initial)
    u = k.spectrum(initial)
    frames = [initial]
    state = _start(problem, u, times, dt)
    for begin, end in pairwise(times):
        if problem.equation.nonlinear is None and problem.forcing is None:
            state.u = torch.exp(problem.symbol * (end - begin)) * state.u
            _check_growth(problem, state.u, end, first)
        else:
            before = replace(state)
            _advance(problem, state, end, tolerance if dt is None else None, times[-1] - times[0], first)
            if not bool(torch.isfinite(torch.view_as_real(state.u)).all()):
                raise _unstable(problem, before, state.u, end, first)
        frames.append(k.values(state.u, k.grid.shape))
    count = torch.ones(samples, dtype=torch.int64, device=initial.device)
    return Marched(
        torch.stack(frames, dim=1),
        count * state.steps,
        count * state.rejected,
        state.error if dt is None else torch.full_like(state.error, math.nan),
    )


def _start(problem: Problem, u: Tensor, times: list[float], dt: float | None) -> _State:
    slope = problem.slope(u, times[0])
    length = times[1] - times[0] if len(times) > 1 else 1.0
    error = torch.zeros(len(u), dtype=u.real.dtype, device=u.device)
    if dt is not None:
        return _State(u, slope, times[0], dt, error)
    size, change = _norm(u).amax(1), _norm(slope).amax(1)
    guesses = torch.where(size > 0, 0.1 * size / change, 0.01 * length)
    limit = advective_limit(problem.equation, problem.k, u, problem.parameters)
    if limit is not None:
        guesses = torch.minimum(guesses, limit)
    guess = float(guesses.min())
    return _State(u, slope, times[0], min(length, max(guess, 1e-6 * length)), error)


def _advance(
    problem: Problem, state: _State, end: float, tolerance: float | None, span: float, first: int, most: int = 2**62
) -> None:
    """Step `state` up to `end`, in equal steps between changes of dt; at most `most` of them."""
    left = _count(end - state.time, state.wanted)
    dt = (end - state.time) / left
    done = state.steps
    while left and state.steps - done < most:
        weights = problem.weights(dt)
        u, last = etd.step(weights, state.u, state.slope, problem.slope, state.time)
        slope = problem.slope(u, state.time + dt)
        if tolerance is not None:
            estimate = _relative(etd.error(weights, last, slope) + problem.unsteadiness(state.time, dt), u, state.u)
            allowed = max(tolerance * dt / span, torch.finfo(estimate.dtype).eps ** ORDERS)
            worst = float(estimate.max())
            # the estimate grows as dt^5 and what is allowed as dt
            change = SAFETY * (allowed / worst) ** (1 / 4) if worst > 0 else GROW
            shorter = dt * (max(change, SHRINK) if math.isfinite(worst) else SHRINK)
            if shorter < min(dt, SHORTEST * span):
                raise _broken(problem, state, estimate, shorter, first)
            if not worst <= allowed:
                state.rejected += 1
                left = _count(end - state.time, shorter)
                dt = state.wanted = (end - state.time) / left
                continue
            state.error = state.error + estimate
            state.wanted = dt * min(change, GROW)
            state.shortest = min(state.shortest, dt)
        state.u, state.slope, state.time = u, slope, state.time + dt
        state.steps += 1
        left -= 1
        if left and (state.wanted < dt or state.wanted > 1.25 * dt):
            fitting = _count(end - state.time, state.wanted)
            if fitting != left:
                left, dt = fitting, (end - state.time) / fitting
    if not left:
        state.time = end


def _count(length: float, dt: float) -> int:
    return max(1, math.ceil(length / dt * (1 - 1e-9)))


def _norm(spectra: Tensor) -> Tensor:
    """Norm of each sample and component, (samples, components)."""
    return torch.linalg.vector_norm(torch.view_as_real(spectra).flatten(2), dim=2)


def _relative(change: Tensor, u: Tensor, before: Tensor) -> Tensor:
    """4 (|change| / |u|)^(5/4) of the worst component of each sample; a tiny one is held against the largest."""
    size = torch.maximum(_norm(u), _norm(before))
    size = torch.maximum(size, 1e-3 * size.amax(1, keepdim=True)).clamp_min(torch.finfo(size.dtype).tiny)
    return CAUTION * (_norm(change) / size).amax(1) ** ORDERS


def _check_growth(problem: Problem, u: Tensor, time: float, first: int) -> None:
    """An exact solution that overflows is a growing one."""
    finite = torch.isfinite(torch.view_as_real(u)).flatten(1).all(1)
    if not bool(finite.all()):
        row = first + int(finite.logical_not().nonzero()[0])
        raise DomainError(
            f"{problem.equation.name}, sample {row}: a mode has grown beyond "
            f"the finite numbers by t = {time:.6g}; check the sign of the parameters, of which diffusion needs positive"
        )


def _unstable(problem: Problem, before: _State, u: Tensor, end: float, first: int) -> DomainError:
    """The error of a fixed step that ran away, with a step that does not."""
    row = int(torch.isfinite(torch.view_as_real(u)).flatten(1).all(1).logical_not().nonzero()[0])
    one, dt = problem.sample(row), before.wanted
    used = (end - before.time) / _count(end - before.time, dt)
    limit = advective_limit(one.equation, one.k, before.u[row : row + 1], one.parameters)
    text = (
        f"{problem.equation.name}, sample {first + row}: the solution left the finite numbers between t = "
        f"{before.time:.6g} and t = {end:.6g} with dt = {used:.3g}"
    )
    if limit is not None:
        text += f"; the advective limit 2.83 / sum(|speed| k_max) was {float(limit):.3g} there"
    trial = _State(
        before.u[row : row + 1], before.slope[row : row + 1], before.time, min(dt, 0.1 * used), before.error[:1], 0
    )
    size = _norm(trial.u).amax()
    try:
        _advance(one, trial, end, 1e-3, end - before.time, first + row, most=400)
    except DomainError as broken:
        return DomainError(f"{text}. No shorter step helps: {broken}")
    if _norm(trial.u).amax() > 100 * size:
        return DomainError(
            f"{text}. No shorter step helps: the solution has grown a hundredfold at t = {trial.time:.6g} already, so "
            "it has no bound; check the parameters and the sign of each term"
        )
    safe = 0.8 * trial.shortest
    return DomainError(f"{text}. A safe step is dt = {safe:.2g}; or leave dt out, and the error estimate chooses")


def _broken(problem: Problem, state: _State, estimate: Tensor, dt: float, first: int) -> DomainError:
    bad = torch.nan_to_num(estimate, nan=math.inf).argmax()
    return DomainError(
        f"{problem.equation.name}, sample {first + int(bad)}: no step down to dt = {dt:.2g} keeps the error estimate "
        f"at t = {state.time:.6g}, so the solution grows without bound or is not resolved; check the parameters and "
        "the sign of each term, or use a finer grid"
    )
