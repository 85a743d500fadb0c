"""The verdict follows from printed numbers, and silence is never taken for a pass."""

import math

import pytest

from surrogates.workflows.report.verdict import Criterion, judge

GOOD = Criterion("force error", 0.02, high=0.1, essential=True, use="dynamics")


def test_all_hold_means_yes():
    verdict = judge([GOOD, Criterion("drift", 0.01, high=0.05, use="long dynamics")])
    assert verdict.answer == "yes"
    assert "dynamics and long dynamics" in verdict.headline


@pytest.mark.parametrize("value", [0.2, math.nan, math.inf])
def test_one_failed_essential_criterion_means_no(value):
    verdict = judge([Criterion("force error", value, high=0.1, essential=True, use="dynamics"), GOOD])
    assert verdict.answer == "no"
    assert not verdict.uses


def test_another_failed_criterion_means_with_care_and_takes_its_use_away():
    verdict = judge([GOOD, Criterion("frequencies", 80.0, high=30.0, unit="1/cm", use="vibrations")])
    assert verdict.answer == "with care"
    assert verdict.uses == ("dynamics",)
    assert "With care for dynamics, not for vibrations:" in verdict.headline
    assert verdict.against[0].threshold == "<= 30 1/cm"


def test_nothing_measured_means_no():
    verdict = judge([Criterion("force error", None, high=0.1, essential=True, use="dynamics")])
    assert verdict.answer == "no"
    assert len(verdict.unknown) == 1
