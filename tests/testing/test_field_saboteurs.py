"""Each law of fields catches the fault made for it, and no other law cries wolf."""

import pytest
import torch

from surrogates.datasets.batch import GridBatch
from surrogates.physics.fields.heat import heat
from surrogates.testing.field_check import check_operator
from surrogates.testing.field_claims import Claims
from surrogates.testing.field_saboteurs import (
    SABOTEURS,
    Diffusion,
    Forgetful,
    ForgetsComponents,
    Squares,
    WrongRate,
)
from surrogates.testing.field_transforms import smoothed

SPREAD = 1e-3
ALL = {
    "symmetry": ("translation", "rotation", "reflection"),
    "conserved": {"mean": lambda v: v[:, 0].flatten(1).mean(1)},
    "linear": True,
    "reach": 0.35,
}
EQUATION = {"equation": heat(2), "step": 0.1, "parameters": {"kappa": SPREAD / 0.1}}
"""Each step spreads by SPREAD."""


def fields(channels=1):
    torch.manual_seed(0)
    raw = torch.randn(3, channels, 32, 32, dtype=torch.float64)
    return smoothed(raw, ("periodic", "periodic"), 6) * 4 + torch.tensor([1.0, 2.0, -1.0]).view(3, 1, 1, 1)


def families(report):
    return {law.name.split(":")[0] for law in report.failed}


def all_reports(operator):
    """What a saboteur is put to: a scalar, a masked scalar and a vector, each with all the claims that fit."""
    yield check_operator(operator(Diffusion(spread=SPREAD)), fields(), claims=Claims(**ALL))
    values = fields()
    mask = torch.ones(3, 32, 32, dtype=torch.bool)
    mask[:, 8:20, 5:14] = False
    batch = GridBatch(values, torch.zeros(3, 0), None, mask, (True, True))
    yield check_operator(
        operator(Diffusion(spread=SPREAD, masked=True)), batch, claims=Claims(symmetry=ALL["symmetry"])
    )
    vectors = Claims(symmetry=ALL["symmetry"], inputs=["vector"], conserved=ALL["conserved"], linear=True)
    yield check_operator(operator(Diffusion(spread=SPREAD, channels=2)), fields(2), claims=vectors)


def test_the_honest_operator_passes_everything_with_power():
    verdicts = {}
    for report in all_reports(lambda operator: operator):
        assert report.passed, str(report)
        assert {law.verdict for law in report.laws} == {"pass", "not applicable"}, str(report)
        verdicts |= {law.name.split(":")[0]: law for law in report.laws if law.passed}
    told = check_operator(Diffusion(spread=SPREAD), fields(), claims=Claims(**ALL, **EQUATION))
    assert told["PDE residual"].verdict == "pass", str(told)
    assert told["conservation: mean"].verdict == "pass"
    caught = set().union(*(kind.breaks for kind in SABOTEURS))
    assert set(verdicts) | {"PDE residual"} == caught


@pytest.mark.parametrize("saboteur", [s for s in SABOTEURS if s is not WrongRate], ids=lambda kind: kind.__name__)
def test_a_saboteur_breaks_its_laws_and_no_other(saboteur):
    def made(operator):
        faulty = saboteur(operator)
        if saboteur is Forgetful:
            faulty.extra = 1e-4
        return faulty

    found = set()
    for which, report in enumerate(all_reports(made)):
        if (saboteur is ForgetsComponents and which < 2) or (saboteur is Squares and which == 2):
            continue
        assert not any(law.verdict == "no power" for law in report.laws), str(report)
        found |= families(report)
    assert found == saboteur.breaks


def test_a_field_of_the_right_shape_that_is_no_solution_is_caught_by_the_residual_alone():
    report = check_operator(WrongRate(Diffusion(spread=SPREAD)), fields(), claims=Claims(**ALL, **EQUATION))
    assert families(report) == WrongRate.breaks, str(report)
    assert report["PDE residual"].error > 1.5 * report["PDE residual"].tolerance


def test_a_constant_answer_is_no_pass():
    def nothing(values):
        return 0 * values

    report = check_operator(nothing, fields(), claims=Claims(symmetry=ALL["symmetry"], linear=True))
    assert not report.passed
    assert not report.failed
    assert {law.verdict for law in report.laws} == {"no power", "not applicable"}
