"""Steps on fields: from an equation to a trained operator, its scores, a rollout and a report; and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from surrogates.datasets import Fields
from surrogates.physics.errors import SurrogatesError
from surrogates.workflows.desk import Desk
from surrogates.workflows.held_out import check_separate
from surrogates.workflows.held_out_plan import held_out_of
from surrogates.workflows.report import fields, fields_criteria
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import render
from surrogates.workflows.report.verdict import judge
from surrogates.workflows.results import decode, encode
from surrogates.workflows.schema import load_workflow
from surrogates.workflows.steps.evaluate_operator import EvaluateOperator
from surrogates.workflows.steps.generate_fields import GenerateFields
from surrogates.workflows.steps.read_fields import ReadFields
from surrogates.workflows.steps.rollout import Rollout
from surrogates.workflows.steps.train_operator import TrainOperator

MODEL = {"use": "surrogates.operators.fno:FNO", "dim": 1, "modes": 6, "width": 8, "depth": 2}
MODEL |= {"in_channels": 1, "out_channels": 1, "positions": False}
SETTINGS = {"points": 32, "nu": 0.05, "times": [0.0, 0.1, 0.2, 0.3, 0.4]}
PARTS = {"train": {"samples": 60}, "valid": {"samples": 6}, "calibration": {"samples": 30}, "test": {"samples": 50}}


def run(step, folder):
    """All jobs, one after the other, and the result as it comes back from JSON."""
    folder.mkdir(exist_ok=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    found = step.finish(desk)
    return decode(type(found), encode(found))


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The whole road once, at a size of seconds."""
    home = tmp_path_factory.mktemp("road")
    made = run(GenerateFields("burgers", PARTS, SETTINGS), home / "data")
    data = {name: str(home / "data" / part.file) for name, part in made.parts.items()}
    settings = {"input": "u[t]", "target": "u[t+1]", "conserve": ["u"], "members": 2, "steps": 150, "lr": 5e-3}
    trained = run(TrainOperator(data, MODEL, **settings), home / "operator")
    operator = str(home / "operator" / trained.file)
    scores = run(EvaluateOperator(operator, data["test"], every=[1, 2], coarser=[1, 2], verify=1e-2), home / "scores")
    rolled = run(Rollout(operator, data["test"], coarser=2), home / "long")
    return SimpleNamespace(home=home, data=data, made=made, trained=trained, scores=scores, rolled=rolled)


def test_parts_are_independent_and_described(road):
    part = road.made["train"]
    assert (part.samples, part.frames, part.grid, part.fields) == (60, 5, (32,), {"u": 0})
    assert part.parameters == {"nu": (0.05, 0.05)}
    starts = [Fields.open(road.data[name])[0].fields["u"][0] for name in ("train", "valid", "test")]
    assert not np.allclose(starts[0], starts[1])
    check_separate(road.data["train"], {"${data.test}": road.data["test"]})
    with pytest.raises(SurrogatesError, match="60 of the 60 samples"):
        check_separate(road.data["train"], {"${data.train}": road.data["train"]})


def test_scores_beside_what_costs_nothing_and_beside_the_solver(road):
    near = road.scores["test"]
    assert near.relative_l2 < 0.3 * near.relative_l2_persistence
    assert near.relative_l2 < 0.1 * near.relative_l2_trivial
    assert 0.75 < near.spread["u"].coverage < 0.99
    assert near.residual > near.residual_truth
    assert road.scores["test, every 2"].grid == (16,)
    assert {law.name: law.verdict for law in road.scores.laws}["translation"] == "pass"


def test_the_solver_finishes_what_the_operator_began(road):
    found = road.scores.certified
    assert found.how == "parareal"
    assert found.converged
    assert found.defect <= 1e-2
    assert found.work <= 3 < found.alone
    assert 1e-4 < found.error < 0.2


def test_a_rollout_stands_between_doing_nothing_and_the_solver(road):
    rolled = road.rolled
    assert rolled.steps == 4
    assert rolled.coarse["u"][-1] < rolled.error["u"][-1][0] < rolled.persistence["u"][-1]
    assert rolled.error["u"][0][0] == pytest.approx(rolled.single["u"][0])
    assert rolled.mean_change["u"][-1] < 1e-6


def test_the_report_shows_it_and_the_verdict_follows_the_numbers(road):
    times = {"jobs": {}, "speed": decode_json(road.home / "scores" / "measured.json")["speed"]}
    units = {
        "data": Finished("data", "generate_fields", road.made, road.home / "data", {"generator": "burgers"}, {}),
        "operator": Finished("operator", "train_operator", road.trained, road.home / "operator", {}, {}),
        "scores": Finished("scores", "evaluate_operator", road.scores, road.home / "scores", {}, times),
        "long": Finished("long", "rollout", road.rolled, road.home / "long", {}, {}),
    }
    whole = FinishedRun("fields", road.home, {"steps": {}}, tuple(units.values()), {}, {})
    sections = [*fields.judged(units["scores"], whole), fields.rollout(units["long"])]
    sections += [fields.training(units["operator"]), fields.data(units["data"])]
    verdict = judge(list(fields_criteria.criteria(whole)))
    page = render("fields", verdict, sections, [])
    titles = [s.title for s in sections][:5]
    assert titles[:3] == ["How wrong it is", "How sure it is", "Physics says, statistics says"]
    assert titles[3:] == ["Finished by the solver", "The laws it obeys"]
    assert "At an error no larger" in page or "reaches no such error" in page
    assert page.count("<svg") >= 8
    assert verdict.answer in ("yes", "with care")
    few = Finished(
        "operator", "train_operator", SimpleNamespace(**{**vars(road.trained), "train": 20}), road.home, {}, {}
    )
    less = FinishedRun("few", road.home, {"steps": {}}, (few,), {}, {})
    assert judge(list(fields_criteria.criteria(less))).answer == "no"


def decode_json(path):
    import json

    return json.loads(path.read_text(encoding="utf-8"))


def test_a_users_file_is_read_and_split_by_trajectory(road, tmp_path):
    found = run(ReadFields(road.data["train"], every=2), tmp_path / "own")
    assert {name: part.samples for name, part in found.parts.items()} == {
        "train": 42,
        "valid": 6,
        "calibration": 6,
        "test": 6,
    }
    assert found["train"].grid == (16,)


WORKFLOW = """
surrogates: 1
name: fields
steps:
  data:
    use: generate_fields
    generator: GENERATOR
    settings: {SETTINGS}
    parts: {train: {samples: 4}, test: {samples: 4}}
  operator:
    use: train_operator
    data: ${data}
    model: {use: "surrogates.operators.fno:FNO", dim: 1, modes: 4, width: 4, in_channels: 1, out_channels: 1}
    input: "INPUT"
    target: "u[-1]"
    steps: 2
  scores: {use: evaluate_operator, operator: "${operator}", data: "${data.test}"}
"""


@pytest.mark.parametrize(
    ("generator", "settings", "given", "says"),
    [
        ("burger", "points: 32", "u[0]", 'did you mean "burgers"'),
        ("burgers", "point: 32", "u[0]", 'no argument "point"'),
        ("burgers", "seed: 3", "u[0]", 'no argument "seed"'),
        ("burgers", "points: 32", "u[", "selects nothing"),
        ("generate_fields", "equation: 'os:system'", "u[0]", "no generator"),
    ],
)
def test_mistakes_are_found_before_anything_runs(tmp_path, generator, settings, given, says):
    text = WORKFLOW.replace("GENERATOR", generator).replace("SETTINGS", settings).replace("INPUT", given)
    path = tmp_path / "fields.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SurrogatesError, match=says):
        load_workflow(path)


def test_scored_rows_are_known_before_training(tmp_path):
    text = WORKFLOW.replace("GENERATOR", "burgers").replace("SETTINGS", "points: 32").replace("INPUT", "u[0]")
    path = tmp_path / "fields.yaml"
    path.write_text(text, encoding="utf-8")
    assert held_out_of(load_workflow(path), "operator") == (["${data.test}"], ["data"])
