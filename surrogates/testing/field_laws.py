"""The laws of operators between fields on grids, each stated once, for networks and solvers alike.

Every law is a function (probe, question, tolerance) -> list of `Law`. Errors are largest absolute ones, in the units of
the output; the scale is how far the answer would be off if the law were ignored, so that an operator whose output is
constant, which obeys every symmetry, is found to have been put to no test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise

import torch
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.residual import residual
from surrogates.physics.fields.solve import solve
from surrogates.testing.field_claims import Quantity, Question, Tolerance
from surrogates.testing.field_probe import FieldProbe
from surrogates.testing.field_transforms import mirrored, smoothed, thinned, turned
from surrogates.testing.law import Law, judge, not_applicable

UNIT = "output"
_FRAMES = 7  # of the rollout whose residual is measured


def translation(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """f(moved u) = moved f(u), by a different number of points along each periodic axis, and mask and all."""
    name = "translation"
    axes = [a for a, closed in enumerate(question.periodic) if closed]
    if "translation" not in question.claims.symmetry or not axes:
        return [not_applicable(name, UNIT, "not claimed" if axes else "no periodic axis")]
    shifts = [max(1, question.space[a] // 3 - a) for a in axes]

    def move(values: Tensor) -> Tensor:
        return values.roll(shifts, [a - question.dim for a in axes])

    return [_commutes(name, ask, question, tolerance, _Move(move, move, move, f"by {shifts} points"))]


def rotation(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """f(turned u) = turned f(u), by 90 degrees in every plane whose axes are alike; vectors turn with space."""
    planes = [
        (a, b)
        for a, b in combinations(range(question.dim), 2)
        if question.space[a] == question.space[b]
        and question.lengths[a] == question.lengths[b]
        and question.periodic[a] == question.periodic[b]
    ]
    if "rotation" not in question.claims.symmetry or not planes:
        return [not_applicable("rotation", UNIT, "not claimed" if planes else "no plane of two like axes")]
    centre = question.claims.centre
    moves = [(partial(turned, plane=plane, centre=centre), f"plane {plane}, about the {centre}") for plane in planes]
    return [_worst_of([_turned("rotation", ask, question, tolerance, turn, note) for turn, note in moves])]


def reflection(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """f(mirrored u) = mirrored f(u) along every axis; pseudoscalars and components along the axis change sign."""
    if "reflection" not in question.claims.symmetry:
        return [not_applicable("reflection", UNIT, "not claimed")]
    centre = question.claims.centre
    moves = [
        (partial(mirrored, axis=a, centre=centre), f"along axis {a}, about the {centre}") for a in range(question.dim)
    ]
    return [_worst_of([_turned("reflection", ask, question, tolerance, turn, note) for turn, note in moves])]


def conservation(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """Q(f(u)) = Q(u) for every quantity claimed; the scale is how far Q moves when the field is 10 % off."""
    claims, laws = question.claims, []
    quantities: dict[str, tuple[Quantity, Quantity]] = {
        n: q if isinstance(q, tuple) else (q, q) for n, q in claims.conserved.items()
    }
    if claims.equation is not None:
        grid = Grid(question.space, question.lengths, question.periodic)
        for name, stated in claims.equation.conserved.items():
            on_grid = _on(stated, grid)
            quantities[name] = (on_grid, on_grid)
    if not quantities:
        return [not_applicable("conservation", UNIT, "no conserved quantity is claimed")]
    before, after = question.values.double(), ask(question)
    for name, (of_input, of_output) in quantities.items():
        held, found = of_input(before), of_output(after)
        moved = of_input(1.1 * before + 0.1 * before.square().mean().sqrt())
        scale = (moved - held).abs().max().item()
        allowed = tolerance.relative * max(scale, held.abs().max().item())
        laws.append(judge(f"conservation: {name}", _largest(found - held), scale, allowed, "quantity"))
    return laws


def _on(stated: Callable[[Tensor, Grid], Tensor], grid: Grid) -> Quantity:
    return lambda values: stated(values, grid)


def linearity(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """f(2u - 3v) = 2 f(u) - 3 f(v), with v the same fields backwards."""
    if not question.claims.linear:
        return [not_applicable("linearity", UNIT, "not claimed")]
    u = question.values
    v = u.flip(-1)
    one, other, both = (ask(question.asked(values=x)) for x in (u, v, 2 * u - 3 * v))
    scale = _largest(both)
    return [judge("linearity", _largest(both - 2 * one + 3 * other), scale, tolerance.relative * 5 * scale, UNIT)]


def batching(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """A batch of N samples, also in another order, gets the answers of N batches of one."""
    if len(question.values) < 2:
        return [not_applicable("batch = one by one", UNIT, "one sample only")]
    alone = torch.cat([ask(question.rows(slice(k, k + 1))) for k in range(len(question.values))])
    together, backwards = ask(question), ask(_reversed(question)).flip(0)
    error = max(_largest(together - alone), _largest(backwards - alone), key=_nan_first)
    scale = _largest(alone - alone.mean(0))
    return [judge("batch = one by one", error, scale, tolerance.relative * _largest(alone), UNIT)]


def determinism(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """The same question twice in a row has one answer, to the bit: no dropout left on, no state carried along."""
    first, second = ask.afresh(question), ask.afresh(question)
    return [judge("determinism", _largest(second - first), _largest(first), 0.0, UNIT, "to the bit")]


def masking(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """What stands outside the mask has no influence inside; the scale is the influence of as much inside."""
    mask = question.mask
    if mask is None or bool(mask.all()):
        return [not_applicable("mask", UNIT, "no mask, or nothing outside it")]
    inside = mask.unsqueeze(1)
    size = question.values.square().mean().sqrt()
    noise = size * torch.randn(question.values.shape, generator=_seeded(), dtype=torch.float64).to(question.values)
    before = ask(question)
    outer, inner = (
        (ask(question.asked(values=question.values + noise * where)) - before) * inside for where in (~inside, inside)
    )
    return [judge("mask", _largest(outer), _largest(inner), tolerance.relative * _largest(before * inside), UNIT)]


def causality(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """A change of the input is not felt further away than the distance claimed; the scale is its largest effect."""
    name, reach = "causality", question.claims.reach
    if reach is None:
        return [not_applicable(name, UNIT, "no finite reach is claimed")]
    distance, radius = (
        _distance(question),
        6 * max(x / n for x, n in zip(question.lengths, question.space, strict=True)),
    )
    far = distance > reach + radius
    if not bool(far.any()):
        return [not_applicable(name, UNIT, f"no point is further than {reach + radius:g} from another")]
    bump = torch.where(distance < radius, (1 - (distance / radius) ** 2).clamp(min=0) ** 4, 0.0)
    changed = question.values + question.values.square().mean().sqrt() * bump.to(question.values)
    effect = (ask(question.asked(values=changed)) - ask(question)).abs()
    scale = _largest(effect)
    return [judge(name, _largest(effect * far), scale, tolerance.reach * scale, UNIT, f"beyond {reach:g}")]


def resolution(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """f of half the points = half the points of f(u), for u without the frequencies that those cannot carry."""
    name = "resolution"
    even = all(n >= 16 and n % 2 == (kind == "ends") for n, kind in zip(question.space, question.points, strict=True))
    if not even or question.mask is not None:
        return [not_applicable(name, UNIT, "needs 16 points or more that can be halved, and no mask")]
    fine = question.asked(values=smoothed(question.values.double(), question.points))
    coarse = question.asked(values=thinned(fine.values, question.points))
    try:
        found = ask(coarse)
    except (DomainError, RuntimeError) as error:
        return [not_applicable(name, UNIT, f"refuses another grid: {' '.join(str(error).split())[:80]}")]
    expected = thinned(ask(fine), question.points)
    scale = _largest(expected - expected.flatten(2).mean(2)[(..., *[None] * question.dim)])
    note = f"{question.space} and half of it"
    return [judge(name, _largest(found - expected), scale, tolerance.resolution * scale, UNIT, note)]


def obeys_equation(ask: FieldProbe, question: Question, tolerance: Tolerance) -> list[Law]:
    """Root mean square residual of the claimed equation in the middle of a rollout of six steps, beside a solver's.

    Frames a step apart have a residual of their own, since u_t is taken from them; what exceeds three times that of the
    solver's frames counts.
    """
    name, claims = "PDE residual", question.claims
    if claims.equation is None or claims.step is None:
        return [not_applicable(name, "du/dt", "no equation is claimed")]
    grid = Grid(question.space, question.lengths, question.periodic)
    times = [float(claims.step) * k for k in range(_FRAMES)]
    frames = [question.values.double()]
    for _ in times[1:]:
        frames.append(ask(question.asked(values=frames[-1])))
    predicted = torch.stack(frames, dim=1)
    exact = solve(claims.equation, frames[0], grid=grid, times=times, parameters=claims.parameters).values
    middle = _FRAMES // 2
    ours, theirs = (
        _rms(residual(claims.equation, v, times, grid, claims.parameters)[:, middle]) for v in (predicted, exact)
    )
    scale = _rms(exact[:, middle + 1] - exact[:, middle - 1]) / (2 * float(claims.step))
    note = f"a solver's frames have {theirs:.1e}"
    return [judge(name, ours, scale, tolerance.residual * scale + 3 * theirs, "du/dt", note)]


def order_of_convergence(
    solver: Callable[[int], Tensor],
    stated: float | int,
    *,
    steps: Sequence[int] = (16, 32, 64),
    exact: Tensor | None = None,
    tolerance: Tolerance | None = None,
) -> Law:
    """The order at which solver(number of steps, or of points) converges, against the stated one.

    Errors are taken against `exact`, or else against the next finer result. The scale is the stated order, the error by
    how much the measured one falls short; an error that is not finite, or does not fall, fails.
    """
    allowed = (tolerance or Tolerance()).order * stated
    found = [solver(n).detach().double() for n in steps]
    pairs = [(x, exact) for x in found] if exact is not None else list(pairwise(found))
    errors = [(a - b).abs().max().item() for a, b in pairs]  # type: ignore[operator]
    if len(errors) < 2:
        raise DomainError(f"steps={list(steps)} give {len(errors)} errors; an order needs two, so give three numbers")
    size = found[-1].abs().max().item()
    if errors[-1] <= 1e-13 * size:
        return not_applicable(
            "order of convergence", "order", f"errors {errors[-1]:.0e} are rounding; take fewer steps"
        )
    ratio = steps[len(errors) - 1] / steps[len(errors) - 2]
    measured = math.log(errors[-2] / errors[-1]) / math.log(ratio) if errors[-1] > 0 else math.nan
    missing = math.nan if math.isnan(measured) else max(0.0, stated - measured)
    return judge("order of convergence", missing, float(stated), allowed, "order", f"measured {measured:.2f}")


@dataclass(frozen=True)
class _Move:
    """What is done to the input, to the output and to the mask."""

    given: Callable[[Tensor], Tensor]
    found: Callable[[Tensor], Tensor]
    mask: Callable[[Tensor], Tensor]
    note: str


def _commutes(name: str, ask: FieldProbe, question: Question, tolerance: Tolerance, move: _Move) -> Law:
    mask = None if question.mask is None else move.mask(question.mask)
    before, after = ask(question), ask(question.asked(values=move.given(question.values), mask=mask))
    expected = move.found(before)
    if mask is not None and question.mask is not None:
        before = before * question.mask.unsqueeze(1)
        after, expected = after * mask.unsqueeze(1), expected * mask.unsqueeze(1)
    scale = _largest(expected - before)
    return judge(name, _largest(after - expected), scale, tolerance.relative * _largest(before), UNIT, move.note)


def _turned(
    name: str, ask: FieldProbe, question: Question, tolerance: Tolerance, turn: Callable[..., Tensor], note: str
) -> Law:
    """The law of a turn(values, kinds) of space and components."""

    def outputs(values: Tensor) -> Tensor:
        return turn(values, question.outputs(values.shape[1]))

    def mask(inside: Tensor) -> Tensor:
        return turn(inside.unsqueeze(1).double(), ["scalar"])[:, 0] > 0.5

    move = _Move(partial(turn, kinds=question.inputs()), outputs, mask, note)
    return _commutes(name, ask, question, tolerance, move)


def _worst_of(laws: Sequence[Law]) -> Law:
    """The worst of one law measured several times: failures before missing power before passes."""
    rank = {"FAIL": 0, "no power": 1, "pass": 2, "not applicable": 3}
    return min(laws, key=lambda law: (rank[law.verdict], -_nan_first(law.error)))


def _reversed(question: Question) -> Question:
    told = None if question.parameters is None else question.parameters.flip(0)
    mask = None if question.mask is None else question.mask.flip(0)
    return question.asked(values=question.values.flip(0), parameters=told, mask=mask)


def _distance(question: Question) -> Tensor:
    """Of every point from the first of the middle ones, the short way round along periodic axes."""
    parts = []
    for n, length, closed in zip(question.space, question.lengths, question.periodic, strict=True):
        x = (torch.arange(n, dtype=torch.float64) - n // 2).abs() * length / n
        parts.append(torch.minimum(x, length - x) if closed else x)
    squares = torch.meshgrid(*(p.square() for p in parts), indexing="ij")
    return torch.stack(squares).sum(0).sqrt()


def _largest(values: Tensor) -> float:
    return values.abs().max().item()


def _nan_first(error: float) -> float:
    return math.inf if math.isnan(error) else error


def _rms(values: Tensor) -> float:
    return values.square().mean().sqrt().item()


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
