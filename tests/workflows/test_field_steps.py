"""Steps on fields: from an equation to a trained operator, its scores, a rollout and a report; and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.datasets import Fields
from surrogates.datasets.generators.reference_solver import solver_of
from surrogates.datasets.trajectory import Trajectory
from surrogates.physics.errors import SurrogatesError
from surrogates.simulation.rollout import rollout
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Fitted
from surrogates.workflows import field_measures
from surrogates.workflows.commands import model
from surrogates.workflows.desk import Desk
from surrogates.workflows.held_out import check_separate
from surrogates.workflows.held_out_plan import held_out_of
from surrogates.workflows.report import field_figures, fields, fields_criteria
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


class Same(nn.Module):
    """The newest frame again, as often as asked."""

    def __init__(self, dim, in_channels, out_channels) -> None:
        super().__init__()
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, 0
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, values, parameters=None):
        return self.weight * values[:, -1:].expand(-1, self.out_channels, *values.shape[2:])


@pytest.mark.parametrize(
    ("given", "target", "channels", "steps"),
    [("u[0:2]", "u[2:5]", (2, 3), None), ("u[t-1:t+1]", "u[t+1]", (2, 1), 2), ("u[t]", "u[t+1:t+3]", (1, 2), None)],
)
def test_the_solver_starts_from_the_newest_input_and_is_compared_at_the_predicted_times(
    road, tmp_path, given, target, channels, steps
):
    """On the data's own grid it makes no error, and the truth misses its equation by what the frames leave."""
    data = Fields.open(road.data["test"])[:4]
    task = OperatorMap(Same(1, *channels), input=given, target=target).double()
    task.prepare(data)
    operator = Fitted((task,), {})
    found = field_measures.rolled_out(operator, data, steps, 1, tmp_path / "arrays.npz")
    assert len(found.coarse["u"]) == len(found.error["u"])
    assert max(found.coarse["u"]) < 1e-4 < min(e[0] for e in found.error["u"])
    costs = field_measures.costs(operator, data, [1])
    assert costs.solver[0].error < 1e-4
    missed, truth = field_measures._residuals(operator, Fields.open(road.data["test"]))
    if missed is not None:
        assert truth < missed


@pytest.mark.parametrize(("dim", "rank", "masked"), [(1, 0, True), (2, 1, True), (3, 0, False), (3, 1, True)])
def test_pictures_of_any_dimension_rank_and_mask(tmp_path, dim, rank, masked):
    rng, n = np.random.default_rng(0), 6
    space = (n, n + 2, n)[:dim]  # unequal sides
    mask = np.ones(space, dtype=bool)
    mask[:2] = False
    u = rng.normal(size=(24, 4, *space, *(dim,) * rank))
    u[:, :, ~mask] = np.nan if masked else 1.0
    data = [
        Trajectory({"u": row}, np.arange(4.0), tuple(np.arange(k) / k for k in space), (True,) * dim,
                   mask=mask if masked else None, row=i) for i, row in enumerate(u)
    ]  # fmt: skip
    task = OperatorMap(Same(dim, dim**rank, dim**rank), input="u[t]", target="u[t+1]").double()
    task.prepare(data)
    sure = Fitted((task,), {}, train_data=data).calibrate(data)
    scores = sure.evaluate(data)
    saved = field_measures._pictures(scores)
    assert field_figures.samples(saved, "u", dim=dim).startswith("<svg")
    assert all(np.isfinite(saved[f"u_cloud_{part}"]).all() for part in ("std", "error"))
    assert scores.coverage["u"].groups == 24  # trajectories, not windows
    rolled = rollout(sure, data)
    cut = {"u": rolled.fields["u"][0], "u_reference": rolled.truth["u"][0], "times": rolled.times}
    assert field_figures.strip({**cut, "shown": np.arange(3), "dim": np.array(dim)}, "u").startswith("<svg")
    assert np.isfinite(field_measures.spectrum(rolled.truth["u"][:, -1], dim)).all()


def test_a_file_that_names_something_else_has_no_solver(road):
    """Provenance is text from a file: nothing is run, whatever it says."""
    data = Fields.open(road.data["test"])[:2]
    assert solver_of(data) is not None
    for name, equation in (("x", "os:system"), ("x", {"use": "os:system"}), ("x", {"use": 3}), ("darcy", {}),
                           ("x", {"use": "surrogates.physics.fields:solve"}),
                           ("x", {"use": "surrogates.physics.fields:gray_scott"})):  # fmt: skip
        data.provenance = {"name": name, "settings": {"equation": equation}}
        assert solver_of(data) is None
    assert solver_of([data[0]]) is None


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


def test_commands_take_operators_and_files_of_fields(road, tmp_path, capsys):
    operator, test = road.home / "operator" / road.trained.file, Path(road.data["test"])
    model.evaluate_file(operator, test, "energy", "forces", ())
    assert "90 % band" in capsys.readouterr().out
    with pytest.raises(SurrogatesError, match="60 of 60 trajectories"):
        model.evaluate_file(operator, Path(road.data["train"]), "energy", "forces", ())
    model.predict_file(operator, test, tmp_path / "said.h5", ())
    said = Fields.open(tmp_path / "said.h5")
    assert said.stack("u").shape == said.stack("u_std").shape == (50, 1, 32)
    assert (said.stack("u_std") > 0).all()
    with pytest.raises(SurrogatesError, match="HDF5"):
        model.predict_file(operator, test, tmp_path / "said.xyz", ())
    model.check_calculator(str(operator), test, 1, False, ())
    model.print_info(test)
    out = capsys.readouterr().out
    assert "translation" in out
    assert "50 trajectories of 5 frames on 32 points" in out
