"""Networks that solve equations: their loss and its gradient, training, files, bands."""

import math

import jaxtyping
import pytest
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import Sparse, laplacian, partials
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.pinns.adaptive import ResidualAdaptive
from surrogates.pinns.causal import Causal
from surrogates.pinns.drawing import in_double
from surrogates.pinns.hard_boundary import OnBox
from surrogates.pinns.inverse import Positive
from surrogates.pinns.mlp import PINN
from surrogates.pinns.modified_mlp import ModifiedMLP
from surrogates.pinns.problem import Problem
from surrogates.pinns.problems.burgers_inverse import burgers_inverse
from surrogates.pinns.problems.poisson_square import poisson_square
from surrogates.pinns.problems.sine_gordon import sine_gordon
from surrogates.pinns.stream import PointSet
from surrogates.tasks.collocation import Collocation
from surrogates.training import Plan, combine, fit, info, load, polish


@pytest.fixture
def unchecked():
    """Trainings run as they do for users, without the checks of annotations, which would be most of their time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def heat(**changed):
    """u_t = nu u_xx on [0, pi], u(x, 0) = sin x, with nu unknown and Robin's condition at one end."""

    def line():
        dde = deepxde()
        return dde.geometry.GeometryXTime(dde.geometry.Interval(0, math.pi), dde.geometry.TimeDomain(0, 1))

    def edges(geometry):
        icbc = deepxde().icbc
        return {
            "left": icbc.DirichletBC(geometry, lambda x: 0.0, lambda x, on: on and x[0] < 1),
            "right": icbc.RobinBC(geometry, lambda x, y: -y, lambda x, on: on and x[0] > 1),
            "start": icbc.IC(geometry, lambda x: torch.sin(torch.as_tensor(x[:, :1])), lambda x, on: on),
        }

    def residual(u, x, parameters):
        u_t, u_xx = partials(u, x, [(1,), (0, 0)])
        return {"heat": u_t - parameters["nu"] * u_xx}

    given = {"geometry": line, "conditions": edges, "parameters": {"nu": Positive(0.3)}} | changed
    return Problem(2, residual, **given)


def small(problem, *, seed=0, **settings):
    """A small network for a problem, from a seed."""
    torch.manual_seed(seed)
    return Collocation(PINN(inputs=problem.dim, width=12, depth=2), problem, **settings)


def test_gradient_of_the_loss_is_that_of_finite_differences():
    problem = heat()
    task = small(problem).double().train()
    batch = task.collate([problem.points(30, edge=10)[i] for i in range(30)])
    assert task.loss_parts == ("heat", "left", "right", "start")
    weights = {"heat": 2.0, "left": 0.5, "right": 3.0, "start": 1.0}
    loss, parts = task.loss(batch, weights)
    assert float(loss.detach()) == pytest.approx(sum(weights[n] * float(p) for n, p in parts.items()), rel=1e-12)
    loss.backward()
    h = 1e-5
    for name, p in task.named_parameters():
        flat, k = p.data.view(-1), p.numel() // 2
        flat[k] += h
        above = task.loss(batch, weights)[0].detach()
        flat[k] -= 2 * h
        below = task.loss(batch, weights)[0].detach()
        flat[k] += h
        slope = float(above - below) / (2 * h)
        assert float(p.grad.view(-1)[k]) == pytest.approx(slope, rel=1e-6, abs=1e-8), name


def test_loss_is_that_of_deepxde_at_the_same_points():
    dde, problem = deepxde(), poisson_square()
    task = small(problem).double()

    def theirs(x, y):
        both = dde.grad.hessian(y, x, i=0, j=0) + dde.grad.hessian(y, x, i=1, j=1)
        return both / math.pi**2 + 2 * problem.exact(x)

    with in_double():
        edge = dde.icbc.DirichletBC(problem.domain, lambda x: 0.0, lambda x, on: on)
        data = dde.data.PDE(problem.domain, theirs, edge, num_domain=40, num_boundary=16, train_distribution="pseudo")
        x = torch.from_numpy(data.train_x).requires_grad_()
        losses = data.losses(None, task.model(x), dde.losses.mean_squared_error, x, None)
    dde.grad.clear()
    points = PointSet(problem, torch.from_numpy(data.train_x_all))
    points.edges["dirichlet"] = problem.edges["dirichlet"].at(data.train_x_bc)
    parts = task.objective(task.collate([points[i] for i in range(len(points))]), task.default_weights)[1]
    for ours, expected in zip((parts["residual"], parts["dirichlet"]), losses, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)


def test_poissons_equation_to_a_thousandth_in_seconds(unchecked):
    problem = poisson_square(hard=True)
    torch.manual_seed(0)
    task = Collocation(OnBox(PINN(inputs=2, width=20, depth=2), low=[0, 0], high=[1, 1]), problem)
    fitted = fit(task, problem.stream(), plan=Plan(steps=60, batch_size=128, lr=1e-2), seed=0)
    before = fitted.evaluate(problem.points(500, seed=5))
    finer = polish(fitted, problem.points(300), steps=120)
    scores = finer.evaluate(problem.points(500, seed=5))
    assert before.relative_l2 > 1e-2  # polishing did the rest, on a copy
    assert fitted.evaluate(problem.points(500, seed=5)).relative_l2 == before.relative_l2
    assert scores.relative_l2 < 1e-3
    assert scores.max_error < 2e-3
    assert scores.baseline > 0.5
    losses = [row["loss"] for row in finer.history if "polish" in row]
    assert losses == sorted(losses, reverse=True)
    with pytest.raises(TrainingError, match="fixed points"):
        polish(fitted, problem.stream())


def test_polishing_keeps_the_weights_that_are_best_at_other_points(unchecked):
    problem = poisson_square(hard=True)
    torch.manual_seed(0)
    task = Collocation(OnBox(PINN(inputs=2, width=20, depth=2), low=[0, 0], high=[1, 1]), problem)
    fitted = fit(task, problem.stream(), plan=Plan(steps=30, batch_size=64, lr=1e-2), seed=0)
    valid = problem.points(200, seed=7)
    finer = polish(fitted, problem.points(6), valid, steps=30)  # six points are learned by heart
    found = [row["valid"] for row in finer.history if "polish" in row]
    assert min(found) < 0.95 * found[-1]
    batch = finer.task.collate([valid[i] for i in range(len(valid))])
    kept = finer.task.objective(batch, finer.task.default_weights)[0]
    assert float(kept.detach()) == pytest.approx(min(found), rel=1e-9)


def test_polishing_random_estimates_uses_the_same_draws_at_every_look(unchecked):
    problem = sine_gordon(dim=5, how=Sparse(2))
    fitted = fit(small(problem), problem.stream(), plan=Plan(steps=2, batch_size=8), seed=0)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        finer = polish(fitted, problem.points(20), steps=4)
        found.append([row["loss"] for row in finer.history if "polish" in row])
    assert found[0] == found[1]


def test_viscosity_is_recovered_from_noisy_observations(unchecked):
    problem = burgers_inverse(nu=0.1, guess=0.5, observations=200, noise=0.01)
    task = small(problem)
    assert task.parameters_found["nu"] == pytest.approx(0.5)
    fitted = fit(task, problem.stream(), plan=Plan(steps=60, batch_size=100, lr=1e-2), seed=0)
    finer = polish(fitted, problem.points(300), steps=250, weights={"residual": 1.0, "observations": 30.0})
    scores = finer.evaluate(problem.points(300, seed=5))
    assert abs(fitted.task.parameters_found["nu"] - 0.1) > 0.1
    assert scores.parameters["nu"] == pytest.approx(0.1, rel=0.05)
    assert scores.relative_l2 < 0.06


@pytest.mark.slow
def test_a_small_viscosity_is_recovered_to_a_percent(unchecked):
    problem = burgers_inverse(nu=0.02, observations=200, noise=0.01)
    torch.manual_seed(0)
    task = Collocation(PINN(inputs=2, width=20, depth=4), problem)
    weights = {"residual": 1.0, "observations": 10.0}
    fitted = fit(task, problem.stream(), plan=Plan(steps=600, batch_size=200, lr=5e-3, weights=weights), seed=0)
    scores = polish(fitted, problem.points(1000), steps=300).evaluate(problem.points(1000, seed=5))
    assert scores.parameters["nu"] == pytest.approx(0.02, rel=0.02)
    assert scores.relative_l2 < 0.02


def test_an_interrupted_training_goes_on_to_the_bit(tmp_path, unchecked):
    problem, plan = heat(), Plan(steps=30, batch_size=16, lr=1e-2, validations=3)

    def train(directory=None, hooks=(), tolerances=(0.1, 10.0)):
        task = small(problem, weighting=Causal(chunks=4, tolerances=tolerances, delta=0.8, steps=12))
        stream, valid = problem.stream(points=64, edge=5), problem.points(40, edge=5)
        return fit(task, stream, valid, plan=plan, seed=3, directory=directory, hooks=hooks)

    def stop(state):
        if state.step == 13:
            raise KeyboardInterrupt

    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, (stop,))
    resumed = train(tmp_path)
    assert whole.history == resumed.history
    for name, value in whole.task.state_dict().items():
        assert torch.equal(value, resumed.task.state_dict()[name]), name
    assert int(whole.task.weighting.stage) == 1
    assert whole.task.parameters_found["nu"] != pytest.approx(0.3)
    with pytest.raises(TrainingError, match="differs in task"):
        train(tmp_path, tolerances=(0.1, 20.0))


def test_causal_weighting_holds_later_times_back():
    problem = heat()
    task = small(problem, weighting=Causal(chunks=4, tolerances=[50.0])).double().train()
    batch = task.collate([problem.points(40, edge=10)[i] for i in range(40)])
    weights = {"heat": 1.0, "start": 2.0}
    loss, parts = task.loss(batch, weights)
    causal, start = task.weighting, 2.0 * parts["start"]
    squares = task.residuals(batch.interior)["heat"].square().sum(dim=1)
    losses = causal.losses(batch.interior[:, 1], squares)
    expected = (causal.weights(losses, start) * losses).mean() + start
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-10, atol=0)
    assert loss < float(sum(weights.get(n, 0) * p for n, p in parts.items()))
    assert task.eval().loss(batch, weights)[0] == pytest.approx(float(parts["heat"] + start))  # validation is plain
    with pytest.raises(DomainError, match="goes by time"):
        small(poisson_square(), weighting=Causal())


def test_resampled_points_are_those_with_the_larger_residuals():
    """The loss of a training step is that of the points chosen, and higher than that of points as they come."""
    problem = poisson_square()
    plain, adaptive = small(problem), small(problem, resampling=ResidualAdaptive(candidates=8, power=4, offset=0.0))
    weights, even, chosen = plain.default_weights, [], []
    for step in range(6):
        stream = problem.stream(seed=step)
        for task, found in ((plain, even), (adaptive, chosen)):
            batch = task.train().collate([stream[i] for i in range(32)])
            found.append(task.loss(batch, weights)[0].item())
    assert sum(chosen) > 1.3 * sum(even)
    again = adaptive.loss(adaptive.collate([stream[i] for i in range(32)]), weights)[0].item()
    assert again == chosen[-1]  # the draw belongs to the step
    valid = [task.eval().loss(task.collate([stream[i] for i in range(32)]), weights)[0] for task in (plain, adaptive)]
    torch.testing.assert_close(*valid)  # validation sees points as they come


def test_independent_draws_take_the_bias_from_the_gradient():
    def residual(u, x):
        return u(x) * (1.0 + torch.randn(len(x), 1, dtype=x.dtype))

    problem = Problem(1, residual, sample=lambda n, g: 1.0 + torch.rand(n, 1, generator=g))
    points = problem.points(40_000)
    slopes = {}
    for unbiased in (False, True):
        line = torch.nn.Linear(1, 1, bias=False).double()
        torch.nn.init.constant_(line.weight, 0.5)
        task = Collocation(line, problem, unbiased=unbiased).train()
        torch.manual_seed(1)
        loss, _ = task.loss(task.collate([points[i] for i in range(len(points))]), {"residual": 1.0})
        slopes[unbiased] = float(torch.autograd.grad(loss, line.weight)[0])
    exact = float((points.interior.double() ** 2).mean())  # 2 w x^2 at w = 1/2
    assert slopes[True] == pytest.approx(exact, rel=0.05)  # 4 standard errors of the mean
    assert slopes[False] == pytest.approx(2 * exact, rel=0.05)


def test_a_file_holds_a_named_problem_and_says_so(tmp_path):
    problem = burgers_inverse(nu=0.05, observations=20)
    torch.manual_seed(0)
    task = Collocation(ModifiedMLP(inputs=2, width=8, depth=1), problem, weighting=Causal(chunks=4), unbiased=True)
    fitted = fit(task, problem.stream(), plan=Plan(steps=3, batch_size=8), seed=0)
    path = fitted.save(tmp_path / "burgers.safetensors")
    again = load(path)
    x = problem.points(9)
    assert torch.equal(again.predict(x).values, fitted.predict(x).values)
    assert again.task.problem.spec == problem.spec
    assert again.task.parameters_found == fitted.task.parameters_found
    assert "burgers_inverse" in info(path)
    assert "arXiv:2001.04536" in info(path)
    assert fit(again, problem.stream(), plan=Plan(steps=2, batch_size=8)).provenance["parent"]


def test_a_file_without_its_equation_predicts_and_asks_for_it(tmp_path):
    problem = heat(exact=lambda x: torch.exp(-0.3 * x[:, 1:]) * torch.sin(x[:, :1]))
    fitted = fit(small(problem), problem.stream(edge=5), plan=Plan(steps=2, batch_size=8), seed=0)
    path = fitted.save(tmp_path / "heat.safetensors")
    assert "with_problem" in info(path)
    again, x = load(path), torch.rand(5, 2)
    assert torch.equal(again.predict(x).values, fitted.predict(x).values)
    assert again.task.parameters_found == fitted.task.parameters_found
    with pytest.raises(DomainError, match="with_problem"):
        again.evaluate(x)
    points = problem.points(20, edge=5)
    assert again.task.with_problem(problem).evaluate(points) == fitted.evaluate(points)
    with pytest.raises(DomainError, match="2 coordinates"):
        again.task.with_problem(poisson_square())


def test_bands_of_an_ensemble_hold_the_errors(tmp_path, unchecked):
    problem = poisson_square(hard=True)
    members = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        task = Collocation(OnBox(PINN(inputs=2, width=12, depth=2), low=[0, 0], high=[1, 1]), problem)
        members.append(fit(task, problem.stream(), plan=Plan(steps=25, batch_size=64, lr=1e-2), seed=seed))
    both = combine(members)
    x = problem.points(400, seed=7)
    said = both.task.predict(x, spread=True)
    each = torch.stack([m.predict(x).values for m in members])
    torch.testing.assert_close(said.values, each.mean(dim=0))
    torch.testing.assert_close(said.std, each.std(dim=0))
    calibrated = both.calibrate(problem.points(300, seed=6))
    coverage = calibrated.evaluate(x).coverage["values"]
    assert abs(coverage.coverage - 0.9) < 0.06
    assert coverage.informative
    again = load(calibrated.save(tmp_path / "both.safetensors"))
    assert torch.equal(again.predict(x, spread=True).std, calibrated.predict(x, spread=True).std)
    with pytest.raises(DomainError, match="exact=None"):
        fit(small(heat()), heat().stream(edge=5), plan=Plan(steps=1, batch_size=4)).calibrate(
            heat().points(100, edge=5)
        )


def test_what_does_not_fit_is_refused():
    problem = poisson_square()
    with pytest.raises(DomainError, match="no weights"):
        Collocation(torch.nn.Flatten(0), problem)
    flat = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
    with pytest.raises(DomainError, match="must give"):
        Collocation(flat, problem).prepare(problem.stream())
    with pytest.raises(DomainError, match=r"problem\.stream\(\)"):
        fit(small(problem), [torch.zeros(2)], plan=Plan(steps=1))
    with pytest.raises(TrainingError, match="did you mean 'dirichlet'"):
        fit(small(problem), problem.stream(), plan=Plan(steps=1, weights={"dirichlett": 1.0}))
    with pytest.raises(DomainError, match=r"\(n, 2\)"):
        small(problem).predict(torch.rand(3, 3))
    with pytest.raises(TrainingError, match="solve an equation"):
        polish(small(problem), problem.points(5))


def test_laplacian_of_the_trained_network_is_what_the_residual_used():
    problem = poisson_square()
    task = small(problem)
    x = torch.rand(6, 2)
    expected = laplacian(task.model, x) / math.pi**2 + 2 * problem.exact(x)
    torch.testing.assert_close(task.residuals(x)["residual"], expected.detach())
