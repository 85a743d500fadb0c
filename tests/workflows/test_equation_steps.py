"""Steps on equations: from a residual to trained networks, their scores and a report; and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from surrogates.derivatives import Exact, Sparse, laplacian
from surrogates.physics.errors import SurrogatesError
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.lagrangian_pinn import LagrangianPINN
from surrogates.pinns.mlp import PINN
from surrogates.pinns.named import named_problem
from surrogates.pinns.problem import Problem
from surrogates.tasks.collocation import Collocation
from surrogates.training import Fitted, load, polish
from surrogates.workflows import equation_measures, equation_training
from surrogates.workflows.commands import model
from surrogates.workflows.desk import Desk, silent
from surrogates.workflows.equation_regions import bounds_of, regions_of
from surrogates.workflows.report import equations, equations_criteria
from surrogates.workflows.report.finished import Finished, FinishedRun
from surrogates.workflows.report.page import render
from surrogates.workflows.report.verdict import judge
from surrogates.workflows.results import decode, encode
from surrogates.workflows.schema import load_workflow
from surrogates.workflows.steps.evaluate_equation import EvaluateEquation, names_of_solutions
from surrogates.workflows.steps.solve_equation import Polish, SolveEquation

POISSON = {"use": "surrogates.pinns.problems.poisson_square:poisson_square", "hard": True}
NET = {"use": "surrogates.pinns.mlp:PINN", "inputs": 2, "width": 12, "depth": 2}
BOXED = {"use": "surrogates.pinns.hard_boundary:OnBox", "net": NET, "low": [0.0, 0.0], "high": [1.0, 1.0]}
SOLVE = {"problem": POISSON, "model": BOXED, "steps": 10, "points": 32, "edge": 10, "valid": 20, "lr": 0.01}
ASKED = equation_measures.Asked(points=100, edge=10, regions=4, map=8, seed=3)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(step, folder):
    """All jobs, one after the other, and the result as it comes back from JSON."""
    folder.mkdir(exist_ok=True)
    desk = Desk(folder, device="cpu")
    for job in step.jobs():
        step.work(job, desk)
    found = step.finish(desk)
    return decode(type(found), encode(found))


@pytest.fixture(scope="module")
def unchecked():
    """Trainings run as they do for users, without the checks of annotations, which would be most of their time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def road(tmp_path_factory, unchecked):
    """The whole road once: two networks of a few hundred weights."""
    home = tmp_path_factory.mktemp("road")
    step = SolveEquation(**SOLVE, members=2, polish=Polish(40, points=64, round=40), calibrate=60)
    solved = run(step, home / "solution")
    file = home / "solution" / solved.file
    scores = run(EvaluateEquation([str(file)], points=200, edge=10, map=8, regions=3), home / "scores")
    return SimpleNamespace(home=home, solved=solved, file=file, scores=scores)


def test_a_few_iterations_solve_poissons_equation(road):
    found = road.scores["solution"]
    assert found.relative_l2 < 0.05 < 0.5 < found.constant
    assert found.residual_scale == pytest.approx(1.0, rel=0.2)  # |2 sin sin|, root mean square
    assert found.scale_name == "the residual of u = 0"
    assert sum(region.points for region in found.regions) == 200
    assert set(found.spread) == {"members", "calibrated"}
    assert 0.7 < found.spread["calibrated"].coverage < 1.0
    assert road.solved.points == 10 * 32
    assert road.solved.polished == 40


def test_scores_are_those_of_the_mean_of_the_members(road):
    fitted, points = load(road.file), torch.rand(40, 2, dtype=torch.float64)
    mean = torch.stack([m.predict(points).values for m in fitted.members]).mean(dim=0)
    torch.testing.assert_close(fitted.predict(points).values, mean)
    exact = fitted.members[0].problem.exact(points)
    assert float((mean - exact).norm() / exact.norm()) < 0.1


def test_members_start_from_seeds_of_their_own(road):
    first, second = (m.state_dict() for m in load(road.file).members)
    name = next(n for n, w in first.items() if w.ndim == 2)
    assert not torch.equal(first[name], second[name])


def test_scores_use_exact_derivatives_whatever_the_training_used():
    words = {"dim": 6}
    rough = Collocation(PINN(inputs=6, width=8, depth=1), named_problem("sine_gordon", **words, how=Sparse(1)))
    exact = Collocation(rough.model, named_problem("sine_gordon", **words, how=Exact()))
    x = torch.rand(9, 6) / 4
    scored = equation_measures.exactly(rough).residuals(x)["residual"]
    torch.testing.assert_close(scored, exact.residuals(x)["residual"])
    assert (rough.residuals(x)["residual"] - scored).abs().max() > 0.1


def test_a_killed_polish_goes_on_to_the_same_bytes(tmp_path, monkeypatch, unchecked):
    step = SolveEquation(**{**SOLVE, "steps": 2, "valid": 8}, polish=Polish(4, points=12, round=2))
    run(step, tmp_path / "undisturbed")
    calls = []

    def killed(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return polish(*args, **kwargs)

    (tmp_path / "again").mkdir()
    desk = Desk(tmp_path / "again", device="cpu")
    monkeypatch.setattr("surrogates.training.polish", killed)
    with pytest.raises(KeyboardInterrupt):
        step.work("member-0", desk)
    step.work("member-0", desk)
    step.finish(desk)
    assert len(calls) == 3
    for name in ("equation.safetensors", "history.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_the_trace_of_an_unknown_forgets_what_a_kill_undid(tmp_path):
    task = SimpleNamespace(problem=SimpleNamespace(parameters={"nu": 1.0}), parameters_found={"nu": 0.5})
    path = tmp_path / "unknowns.json"
    trace = equation_training.Trace(path, task)
    for step in range(1, 11):
        trace(SimpleNamespace(step=step, fraction=step / 20))
    resumed = equation_training.Trace(path, task)
    resumed(SimpleNamespace(step=6, fraction=6 / 20))
    assert [row["step"] for row in json.loads(path.read_text())] == [1, 2, 3, 4, 5, 6]


def test_the_report_shows_it_and_the_verdict_follows_the_numbers(road):
    times = {"jobs": {}, **json.loads((road.home / "scores" / "measured.json").read_text())}
    solution = Finished("solution", "solve_equation", road.solved, road.home / "solution", {}, {})
    scores = Finished("scores", "evaluate_equation", road.scores, road.home / "scores", {}, times)
    whole = FinishedRun("poisson", road.home, {"steps": {}}, (solution, scores), {}, {})
    sections = [*equations.judged(scores, whole), equations.training(solution)]
    few = judge(list(equations_criteria.criteria(whole)))
    assert few.answer == "no"  # 320 points
    enough = replace(solution, result=replace(road.solved, points=3200))
    verdict = judge(list(equations_criteria.criteria(replace(whole, units=(enough, scores)))))
    page = render("poisson", verdict, sections, [])
    assert [s.title for s in sections] == [
        "How wrong it is",
        "Where the equation holds",
        "How sure it is",
        "Physics says, statistics says",
        "What it costs",
        "How it learned: solution",
    ]
    assert page.count("<svg") >= 10
    assert verdict.answer in ("yes", "with care")


def test_an_untrained_network_and_a_wrong_source_term_get_a_no(road, tmp_path):
    fitted = load(road.file)
    problem = fitted.members[0].problem
    wrong = replace(problem, spec=None, exact=lambda x: 1.3 * problem.exact(x))  # that of 1.3 times the source
    taught = Fitted(tuple(m.with_problem(wrong) for m in fitted.members), {})
    new = Fitted((Collocation(PINN(inputs=2, width=8, depth=2), problem),), {})
    unknown = Fitted((Collocation(PINN(inputs=2, width=8, depth=2), replace(problem, spec=None, exact=None)),), {})
    for name, solution in (("taught", taught), ("new", new), ("unknown", unknown)):
        found = equation_measures.scores(solution, ASKED, tmp_path / f"{name}.npz", silent)
        result = replace(road.scores, names=(name,), scores={name: found})
        unit = Finished("scores", "evaluate_equation", result, tmp_path, {}, {})
        whole = FinishedRun("poisson", tmp_path, {"steps": {}}, (unit,), {}, {})
        assert judge(list(equations_criteria.criteria(whole))).answer == "no"
        if name == "taught":  # what only a known solution shows
            assert found.relative_residual < 0.2 < found.relative_l2


class Everywhere(nn.Module):
    """|x|^2, exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.square().sum(dim=1, keepdim=True)


def test_many_dimensions_are_shown_in_shells_and_cuts(tmp_path):
    def ball(n, generator):
        x = torch.randn(n, 6, generator=generator, dtype=torch.float64)
        return x / x.norm(dim=1, keepdim=True) * torch.rand(n, 1, generator=generator, dtype=torch.float64)

    problem = Problem(6, lambda u, x: laplacian(u, x) - 12.0, sample=ball, exact=lambda x: x.square().sum(1)[:, None])
    found = equation_measures.scores(
        Fitted((Collocation(Everywhere(), problem),), {}), ASKED, tmp_path / "a.npz", silent
    )
    assert found.relative_l2 < 1e-12
    assert found.relative_residual < 1e-12
    assert [region.name.partition(" from")[0] for region in found.regions] == ["distance to the middle"] * 4
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_allclose(arrays["line1_values"], arrays["line1_x"] ** 2, rtol=1e-12)
        assert 0.9 < arrays["line1_x"].max() <= 1.0


def test_a_lagrangian_network_is_scored_where_its_particles_arrive(tmp_path):
    problem = named_problem("convection", beta=3.0)
    torch.manual_seed(0)
    net = LagrangianPINN(initial=FourierSeries(sines=[1.0]), drift=3.0, path=Silent(), state=Silent())
    found = equation_measures.scores(Fitted((Collocation(net, problem),), {}), ASKED, tmp_path / "a.npz", silent)
    assert found.relative_l2 < 1e-5
    assert found.stretch == pytest.approx(1.0)
    assert found.start == pytest.approx(1.0, rel=0.5)
    assert found.scale_name.endswith("u_t")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_allclose(np.ptp(arrays["paths"], axis=0), 3.0, rtol=1e-5)


class Silent(nn.Module):
    """Nothing, whatever is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x[:, :1]


def test_regions_cover_every_point_once():
    problem = named_problem("convection", beta=1.0)
    points = problem.draw(200, 0).numpy()
    bounds = bounds_of(problem, points)
    np.testing.assert_allclose(bounds, [[0, 0], [2 * np.pi, 1]])
    for time in (1, None):
        parts = regions_of(points, bounds, time, 5)
        np.testing.assert_array_equal(sum(inside.astype(int) for _, inside in parts), 1)


def test_solutions_are_named_by_their_steps():
    files = ["runs/a/lagrangian/equation.safetensors", "runs/a/plain/equation.safetensors", "mine.safetensors"]
    assert names_of_solutions(files) == ["lagrangian", "plain", "mine"]
    assert names_of_solutions(["a/x/equation.safetensors", "b/x/equation.safetensors"]) == ["x-0", "x-1"]


WORKFLOW = """
surrogates: 1
name: poisson
steps:
  solution:
    use: solve_equation
    problem: {use: "surrogates.pinns.problems.poisson_square:poisson_square", waves: 2}
    model:
      use: "surrogates.pinns.hard_boundary:OnBox"
      low: [0, 0]
      high: [1, 1]
      net: {use: "surrogates.pinns.mlp:PINN", inputs: 2, width: 8}
    steps: 2
    weighting: {use: "surrogates.pinns.causal:Causal", chunks: 4}
  scores: {use: evaluate_equation, equations: ["${solution}"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "poisson_square:poisson_square",
            "poisson_square:poison_square",
            'did you mean "surrogates.pinns.problems.poi',
        ),
        ("surrogates.pinns.problems.poisson_square:poisson_square", "os:system", "may not be named"),
        ("surrogates.pinns.problems.poisson_square:poisson_square", "surrogates.pinns.mlp:PINN", "is no part of"),
        (
            "surrogates.pinns.problems.poisson_square:poisson_square",
            "surrogates.pinns.named:named_problem",
            "is no part",
        ),
        (
            "surrogates.pinns.hard_boundary:OnBox",
            "surrogates.pinns.problems.poisson_square:poisson_square",
            "is no part",
        ),
        ("waves: 2", "wave: 2", 'did you mean "waves"'),
        ("waves: 2", "waves: two", "does not fit"),
        ("waves: 2", "how: exact", 'no argument "how"'),
        ("surrogates.pinns.mlp:PINN", "subprocess:Popen", "may not be named"),
        ("surrogates.pinns.mlp:PINN", "surrogates.pinns.mlp:PINM", "PINN"),
        ("width: 8", "widht: 8", 'did you mean "width"'),
        ("chunks: 4", "chunk: 4", 'did you mean "chunks"'),
        ("    steps: 2\n", "", "give one of epochs, steps, minutes"),
        ("steps: 2\n", "steps: 2\n    derivatives: {how: sparse}\n", "one way to its derivatives"),
        ("steps: 2\n", "steps: 2\n    derivatives: {how: exactly}\n", 'did you mean "exact"'),
        ("steps: 2\n", "steps: 2\n    polish: {steps: 0}\n", "out of range"),
        ("    steps: 2\n", "    steps: 2\n    curriculum: {wave: [1]}\n", 'did you mean "waves"'),
        ("    steps: 2\n", "    steps: 2\n    fixed: 9\n    curriculum: {waves: [1]}\n", "leave `fixed` away"),
        ('["${solution}"]', "[]", "no solution to score"),
        ("${solution}", "${scores}", "circle"),
    ],
)
def test_mistakes_are_found_before_anything_runs(tmp_path, old, new, says):
    assert old in WORKFLOW
    path = tmp_path / "w.yaml"
    path.write_text(WORKFLOW, encoding="utf-8")
    assert list(load_workflow(path).steps) == ["solution", "scores"]
    path.write_text(WORKFLOW.replace(old, new), encoding="utf-8")
    with pytest.raises(SurrogatesError, match=says) as caught:
        load_workflow(path)
    assert "\n" not in str(caught.value)


def test_commands_on_a_solved_equation(road, tmp_path, capsys):
    points = np.random.default_rng(0).random((9, 2))
    np.savetxt(tmp_path / "p.csv", points, delimiter=",", header="x,y", comments="")
    for suffix in ("csv", "npz", "h5"):
        model.predict_file(road.file, tmp_path / "p.csv", tmp_path / f"said.{suffix}", ())
    said = np.genfromtxt(tmp_path / "said.csv", delimiter=",", names=True)
    assert said.dtype.names == ("x", "y", "u", "u_std")
    assert (said["u_std"] > 0).all()
    for suffix in ("npz", "h5"):  # as they were written, to the bit
        model.evaluate_file(road.file, tmp_path / f"said.{suffix}", "energy", "forces", ())
        assert "relative L2 error 0.000e+00" in capsys.readouterr().out
    np.savez(tmp_path / "array.npz", points=points)
    model.predict_file(road.file, tmp_path / "array.npz", None, ())
    model.evaluate_file(road.file, None, "energy", "forces", ())
    model.print_info(road.file)
    out = capsys.readouterr().out
    assert "band covers" in out
    assert "poisson_square" in out
    model.check_calculator(str(road.file), None, 1, False, ())
    assert "equation" in capsys.readouterr().out
    new = Fitted(
        (Collocation(PINN(inputs=2, width=8, depth=2), named_problem("poisson_square")),), load(road.file).provenance
    )
    new.save(tmp_path / "new.safetensors")
    with pytest.raises(SystemExit):
        model.check_calculator(str(tmp_path / "new.safetensors"), None, 1, False, ())


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.csv", "x,z\n1,2\n", "no column 'y'"),
        ("p.csv", "x,y\n1,two\n", "cannot be read"),
        ("p.csv", "x,y\n1\n", "line 2 has 1 values"),
        ("p.csv", "x,x\n1,2\n", "one name"),
        ("p.csv", "x,y\n1,nan\n", "not finite"),
        ("p.csv", "x,y\n", "no points"),
        ("p.csv", "", "empty"),
        ("p.npz", "PK", "cannot be read"),
        ("p.txt", "x,y\n1,2\n", ".csv, .npz"),
    ],
)
def test_bad_files_of_points_are_one_message(road, tmp_path, name, text, says):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SurrogatesError, match=says):
        model.predict_file(road.file, tmp_path / name, None, ())
