"""What the page shows of several steps: nothing twice."""

from pathlib import Path

import pytest

from surrogates.workflows.report import accuracy, costs, figures
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import Section
from surrogates.workflows.report.write import sections
from surrogates.workflows.steps.evaluate import Evaluated, Scores

_SHOWN = ((accuracy, "accuracy"), (accuracy, "spread"), (accuracy, "laws"), (costs, "speed"))


@pytest.mark.parametrize(("second", "expected"), [(0.1, 1), (0.2, 2)])
def test_equal_scores_are_shown_once_and_timings_of_every_step(monkeypatch, second, expected):
    for module, name in _SHOWN:
        monkeypatch.setattr(module, name, lambda unit, *_, name=name: Section(name, [], []))
    units = tuple(_evaluated(name, mae) for name, mae in (("scores", 0.1), ("cost", second)))
    shown = [section.title for section in sections(FinishedRun("run", Path(), {}, units, {}, {}))]
    assert shown.count("accuracy") == shown.count("spread") == expected
    assert shown.count("speed") == shown.count("laws") == 2


@pytest.mark.parametrize("times", [(7.2e-3, 9.8e-3), (12.4e-3, 18.9e-3)])
def test_bars_of_nearly_equal_times_start_at_a_power_of_ten(times):
    assert "<!-- 1 -->" in figures.times(["a", "b"], times, title="")


def _evaluated(name: str, mae: float) -> Finished:
    scores = Scores(structures=1, atoms=2, energy_mae=mae)
    return Finished(name, "evaluate", Evaluated(names=("test",), scores={"test": scores}), Path(), {}, {})
