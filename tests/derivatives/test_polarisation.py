"""Partials from univariate derivatives: exact in rational numbers, with the fewest directions known."""

import itertools
import math
from fractions import Fraction

import pytest

from surrogates.derivatives.polarisation import _combination, polarise
from surrogates.physics.errors import DomainError


def test_every_partial_is_exact_on_polynomials():
    """On x^b of the partial's order, D_k(v) = k! v^b, and d^a x^b = a! where a = b, else 0; no rounding."""
    for order in range(1, 6):
        for axes in itertools.combinations_with_replacement(range(3), order):
            made = polarise([axes])
            for b in itertools.product(range(order + 1), repeat=3):
                if sum(b) != order:
                    continue
                d = [
                    math.factorial(order) * math.prod(Fraction(dict(v).get(i, 0)) ** p for i, p in enumerate(b))
                    for v in made.directions
                ]
                found = sum(c * d[j] for j, c in made.coefficients[0].items())
                exact = math.prod(math.factorial(p) for p in b) if b == tuple(axes.count(i) for i in range(3)) else 0
                assert found == exact, (axes, b)


@pytest.mark.parametrize(
    ("axes", "count"),
    [
        ((0, 0, 0), 1),
        ((0, 1), 2),
        ((0, 0, 1), 3),
        ((0, 0, 1, 1), 4),
        ((0, 0, 0, 1), 4),
        ((0, 0, 0, 1, 1), 5),
        ((0, 0, 0, 1, 1, 1), 6),
        ((0, 0, 0, 0, 1, 1), 6),
        ((0, 1, 2), 4),
        ((0, 0, 1, 2), 6),
        ((0, 0, 0, 1, 1, 2), 12),
        ((0, 1, 2, 3), 8),
        ((0, 1, 2, 3, 4, 5), 32),
    ],
)
def test_one_partial_takes_as_many_directions_as_its_real_rank(axes, count):
    """Two axes: a + b; a least exponent of one: half of prod (a_i + 1) (Carlini, Kummer, Oneto, Ventura 2017)."""
    assert len(polarise([axes]).directions) == count
    assert polarise([axes]).amplification < 5


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ([(), (0,), (0, 0), (1,)], 2),
        ([(0,), (0, 0), (0, 0, 1)], 3),
        ([(i, j) for i in range(3) for j in range(i, 3)], 6),
        ([(i, j) for i in range(6) for j in range(i, 6)], 21),
        ([(i, j, k) for i in range(3) for j in range(i, 3) for k in range(j, 3)], 10),
        ([(1, 2), (0, 0, 0, 1), (0, 1), (0,), (1,), (0, 0), (1, 1)], 6),
    ],
)
def test_partials_share_directions(wanted, count):
    """As many as there are partials of the highest order where all are wanted: no fewer can do."""
    assert len(polarise(wanted).directions) == count


def test_directions_that_do_not_reach_a_partial_are_refused():
    assert _combination((2, 1), ((1, 1), (1, -1))) is None
    assert _combination((2, 1), ((1, 1), (1, -1), (0, 1))) == (Fraction(1, 6), Fraction(-1, 6), Fraction(-1, 3))


def test_bad_partials_are_named():
    with pytest.raises(DomainError, match="of order 7"):
        polarise([(0,) * 7])
    with pytest.raises(DomainError, match="whole numbers"):
        polarise([(0, -1)])
