"""Mixed partial derivatives from univariate Taylor jets, exactly.

Paper: Evaluating Higher Derivative Tensors by Forward Propagation of Univariate Taylor Series
(10.1090/S0025-5718-00-01120-0).

With D_k(v) = d^k/dt^k u(x + t v) at t = 0, D_k(v) = sum over |b| = k of k!/b! v^b d^b u. A wanted partial d^a u is
sum_j c_j D_k(v_j) wherever sum_j c_j k!/b! v_j^b = [a = b] for every b of order k: a linear system for the c_j that is
solved in rational numbers and checked in every row, so that a set of directions that does not reach a partial is never
used. Candidates for the v_j are those of two identities,

    d^a = 1/k! sum over 0 <= n <= a of (-1)^|n|       prod C(a_i, n_i) D_k(a/2 - n)    (a k-fold central difference)
    d^a = 1/k! sum over 0 <= n <= a of (-1)^(k - |n|) prod C(a_i, n_i) D_k(n)          (a k-fold forward difference)

of which the first needs only half its terms (v and -v give the same D_k up to sign), and for two axes sets of k small
integer directions, the least that real directions allow, or fewer beside those that other partials need anyway.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from surrogates.physics.errors import DomainError

HIGHEST = 6
SMALLEST: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {
    (3, 2): ((1, 0), (1, 1), (1, -1), (1, 3), (1, -3)),
    (3, 3): ((1, 1), (1, -1), (3, 1), (3, -1), (1, 3), (1, -3)),
    (4, 2): ((1, 0), (0, 1), (2, 1), (2, -1), (1, 2), (1, -2)),
}
"""Exponents (a, b), a >= b -> directions, where two axes need fewer than the first identity (found by search)."""
Direction = tuple[tuple[int, int], ...]
"""((axis, value), ...) by ascending axis: integers without a common divisor, the first one positive."""


@dataclass(frozen=True)
class Polarisation:
    """How wanted partials are combined: wanted[n] = sum of coefficients[n][j] D_k(directions[j]), k = len(wanted[n]).

    The value, wanted as (), has no coefficients. `order` is the highest k.
    """

    wanted: tuple[tuple[int, ...], ...]
    directions: tuple[Direction, ...]
    order: int
    coefficients: tuple[dict[int, Fraction], ...]

    @property
    def amplification(self) -> float:
        """Largest sum over j of |c_j| |v_j|^k: what rounding errors of the jets may grow by."""
        return max(
            (
                sum(abs(float(c)) * _length(self.directions[j]) ** len(axes) for j, c in combination.items())
                for axes, combination in zip(self.wanted, self.coefficients, strict=True)
            ),
            default=0.0,
        )


def polarise(wanted: Sequence[Sequence[int]]) -> Polarisation:
    """The fewest directions found whose jets give all the wanted partials together.

    Args:
        wanted: axes to differentiate along, by partial: () is the value, (0, 0, 1) is u_001; their order plays no part.

    Raises DomainError above order 6 and for an axis that is no number >= 0.
    """
    return _polarise(tuple(_check(axes) for axes in wanted))


def _check(axes: Sequence[int]) -> tuple[int, ...]:
    try:
        axes = tuple(operator.index(axis) for axis in axes)
    except TypeError:
        raise DomainError(
            f"the partial {axes!r} was asked for; name axes by whole numbers, such as (0, 0, 1)"
        ) from None
    if len(axes) > HIGHEST:
        raise DomainError(
            f"the partial {axes} is of order {len(axes)}; jets reach order {HIGHEST}, so nest two of them"
        )
    if any(axis < 0 for axis in axes):
        raise DomainError(f"the partial {axes} was asked for; name its axes by whole numbers from 0, such as (0, 0, 1)")
    return tuple(sorted(axes))


@lru_cache(maxsize=4096)
def _polarise(wanted: tuple[tuple[int, ...], ...]) -> Polarisation:
    partials = sorted({axes for axes in wanted if axes}, key=lambda axes: (len(set(axes)), len(axes), axes))
    units = [((axis, 1),) for axis in sorted({axis for axes in partials for axis in axes})]
    attempts: list[tuple[int, float, int, Polarisation]] = []
    for seeds, queue in itertools.product(([], units), (partials, partials[::-1])):
        chosen = _prune(_choose(queue, seeds), partials)
        solved = {axes: _solve(axes, chosen, partials) for axes in partials}
        used = [v for j, v in enumerate(chosen) if any(j in (combination or {}) for combination in solved.values())]
        solved = {axes: _solve(axes, used, partials) for axes in partials}
        found = Polarisation(
            wanted,
            tuple(used),
            max((len(axes) for axes in wanted), default=0),
            tuple({} if not axes else solved[axes] or {} for axes in wanted),
        )
        attempts.append((len(used), found.amplification, len(attempts), found))
    return min(attempts)[-1]


def _choose(queue: Sequence[tuple[int, ...]], seeds: Sequence[Direction]) -> list[Direction]:
    """Go through the partials; where those chosen do not reach one, add the template with the fewest new ones."""
    chosen = list(seeds)
    for axes in queue:
        if _solve(axes, chosen, queue) is None:
            inside = [v for v in chosen if {axis for axis, _ in v} <= set(axes)]
            new: list[list[Direction]] = [
                [v for v in template if v not in chosen] for template in _templates(axes, tuple(inside))
            ]
            fewest: list[Direction] = min(new, key=len)
            chosen += fewest
    return chosen


def _prune(chosen: list[Direction], partials: Sequence[tuple[int, ...]]) -> list[Direction]:
    """Drop each direction that no partial misses, longest first; left out beyond 300 partials, where it gets slow."""
    if len(partials) > 300:
        return chosen
    reach = {axes: set().union(*_contexts(axes, partials)) for axes in partials}
    for v in sorted(chosen, key=_length, reverse=True):
        fewer = [other for other in chosen if other != v]
        axes_of_v = {axis for axis, _ in v}
        touched = [axes for axes in partials if axes_of_v <= reach[axes]]
        if len(touched) != 1 and all(_solve(axes, fewer, partials) is not None for axes in touched):
            chosen = fewer
    return chosen


def _contexts(axes: tuple[int, ...], partials: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Sets of axes whose directions may serve a partial: its own, then some of wanted partials that contain it."""
    own = tuple(sorted(set(axes)))
    wider = sorted(
        {tuple(sorted(set(other))) for other in partials if set(own) < set(other)}, key=lambda c: (len(c), c)
    )
    return [own, *wider[:4]]


def _solve(
    axes: tuple[int, ...], directions: Sequence[Direction], partials: Sequence[tuple[int, ...]]
) -> dict[int, Fraction] | None:
    """Coefficients of one partial on some of the directions, or None where they do not reach it."""
    for context in _contexts(axes, partials):
        inside = [(j, v) for j, v in enumerate(directions) if all(axis in context for axis, _ in v)]
        inside.sort(key=lambda pair: (_length(pair[1]), pair[1]))
        rows = tuple(tuple(dict(v).get(axis, 0) for axis in context) for _, v in inside)
        found = _combination(tuple(axes.count(axis) for axis in context), rows)
        if found is not None:
            return {inside[n][0]: c for n, c in enumerate(found) if c}
    return None


# ---- candidates -----------------------------------------------------------------------------------------------------
def _templates(axes: tuple[int, ...], free: tuple[Direction, ...]) -> list[list[Direction]]:
    own = tuple(sorted(set(axes)))
    exponents = tuple(axes.count(axis) for axis in own)
    templates = [_halved(exponents), _differences(exponents)]
    if len(own) == 2:
        known = tuple(tuple(dict(v).get(axis, 0) for axis in own) for v in free)
        templates.insert(0, _fewest(exponents, known))
    return [[_direction(own, v) for v in template] for template in templates]


def _direction(axes: Sequence[int], values: Sequence[int]) -> Direction:
    return tuple((axis, value) for axis, value in zip(axes, values, strict=True) if value)


def _halved(exponents: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Directions a - 2 n of the first identity."""
    box = itertools.product(*(range(a + 1) for a in exponents))
    return _primitive(tuple(a - 2 * n for a, n in zip(exponents, corner, strict=True)) for corner in box)


def _differences(exponents: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Directions n of the second identity, which different partials share more often."""
    return _primitive(itertools.product(*(range(a + 1) for a in exponents)))


@lru_cache(maxsize=4096)
def _fewest(exponents: tuple[int, int], known: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """A smallest set for d^a on two axes; where directions are known already, one or two small ones beside them."""
    a, b = exponents
    if a < b:
        return _primitive((q, p) for p, q in _fewest((b, a), tuple((q, p) for p, q in known)))
    pool = sorted(_primitive(itertools.product(range(-2, 3), repeat=2)), key=lambda v: v[0] ** 2 + v[1] ** 2)
    pool = [v for v in pool if v not in known]
    for count in (1, 2) if known else ():
        sets = ((*known, *extra) for extra in itertools.combinations(pool, count))
        reach = [(_size(found, v, a + b), v) for v in sets if (found := _combination(exponents, v)) is not None]
        if reach:
            return list(min(reach)[1][len(known) :])
    return list(SMALLEST.get(exponents, _halved(exponents)))


def _size(coefficients: Sequence[Fraction], directions: Sequence[tuple[int, ...]], order: int) -> float:
    return sum(abs(float(c)) * math.hypot(*v) ** order for c, v in zip(coefficients, directions, strict=True))


def _primitive(vectors: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Each line once, by its shortest integer vector."""
    found: dict[tuple[int, ...], None] = {}
    for v in vectors:
        divisor = math.gcd(*v)
        if divisor:
            sign = 1 if next(value for value in v if value) > 0 else -1
            found[tuple(sign * value // divisor for value in v)] = None
    return list(found)


def _length(v: Direction) -> float:
    return math.sqrt(sum(value * value for _, value in v))


# ---- the linear system ----------------------------------------------------------------------------------------------
PRIME = (1 << 61) - 1


@lru_cache(maxsize=65536)
def _combination(exponents: tuple[int, ...], directions: tuple[tuple[int, ...], ...]) -> tuple[Fraction, ...] | None:
    """c with sum_j c_j k!/b! v_j^b = [b = a] for every b of order k, exactly; None where there is none.

    Where directions depend on each other the first ones are used. Independent rows and columns are found modulo a
    prime, the coefficients in rational numbers, and then every row is checked.
    """
    order = sum(exponents)
    powers = _exponents(len(exponents), order)
    matrix = [[_entry(b, v) for v in directions] for b in powers]
    target = [int(b == exponents) for b in powers]
    rows, columns = _pivots(matrix)
    square = [[Fraction(matrix[r][c]) for c in columns] + [Fraction(target[r])] for r in rows]
    found = dict(zip(columns, _eliminate(square), strict=True))
    for row, wanted in zip(matrix, target, strict=True):
        if sum((c * row[j] for j, c in found.items()), Fraction(0)) != wanted:
            return None
    return tuple(found.get(j, Fraction(0)) for j in range(len(directions)))


@lru_cache(maxsize=256)
def _exponents(axes: int, order: int) -> tuple[tuple[int, ...], ...]:
    if axes == 1:
        return ((order,),)
    return tuple((first, *rest) for first in range(order + 1) for rest in _exponents(axes - 1, order - first))


@lru_cache(maxsize=65536)
def _entry(b: tuple[int, ...], v: tuple[int, ...]) -> int:
    """k!/b! v^b, the weight of d^b in D_k(v)."""
    multinomial = math.factorial(sum(b))
    for power in b:
        multinomial //= math.factorial(power)
    return multinomial * math.prod(value**power for value, power in zip(v, b, strict=True))


def _pivots(matrix: list[list[int]]) -> tuple[list[int], list[int]]:
    """Rows and columns of a largest invertible square, earliest columns first (elimination modulo a prime)."""
    work = [[value % PRIME for value in row] for row in matrix]
    left = list(range(len(work)))
    rows, columns = [], []
    for column in range(len(work[0]) if work else 0):
        row = next((r for r in left if work[r][column]), None)
        if row is None:
            continue
        left.remove(row)
        rows.append(row)
        columns.append(column)
        inverse = pow(work[row][column], -1, PRIME)
        for other in left:
            if work[other][column]:
                factor = work[other][column] * inverse % PRIME
                work[other] = [(a - factor * b) % PRIME for a, b in zip(work[other], work[row], strict=True)]
    return rows, columns


def _eliminate(augmented: list[list[Fraction]]) -> list[Fraction]:
    """The solution of a square system given as [A | b]."""
    size = len(augmented)
    for k in range(size):
        pivot = next(r for r in range(k, size) if augmented[r][k])
        augmented[k], augmented[pivot] = augmented[pivot], augmented[k]
        augmented[k] = [value / augmented[k][k] for value in augmented[k]]
        for r in range(size):
            if r != k and augmented[r][k]:
                factor = augmented[r][k]
                augmented[r] = [a - factor * b for a, b in zip(augmented[r], augmented[k], strict=True)]
    return [row[-1] for row in augmented]
