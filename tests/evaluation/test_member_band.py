"""The band of few members holds what it promises when the truth is one more of them."""

import numpy as np
import pytest

from surrogates.evaluation.member_band import member_band
from surrogates.physics.errors import DomainError


@pytest.mark.parametrize("members", [2, 3, 8])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_one_more_draw_lies_inside_with_the_promised_probability(members, level):
    draws = np.random.default_rng(members).normal(3.0, 0.7, size=(members + 1, 200_000))
    some, truth = draws[:-1], draws[-1]
    band = member_band(some.std(axis=0, ddof=1), members, level=level)
    assert np.mean(np.abs(truth - some.mean(axis=0)) <= band) == pytest.approx(level, abs=4e-3)


def test_one_member_has_no_band():
    with pytest.raises(DomainError, match="two or more"):
        member_band(np.zeros(3), 1)
