"""Lagrangian PINNs (arXiv:2205.02902): exact solutions, the metric, inversion, crossing, training at large speeds."""

import math

import pytest
import torch

from surrogates.derivatives import partials
from surrogates.physics.errors import DomainError
from surrogates.physics.solutions.burgers_front import cole_hopf_front
from surrogates.pinns import moving_frame
from surrogates.pinns.hard_boundary import FromInitial, Periodic
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.lagrangian_pinn import LagrangianPINN
from surrogates.pinns.mlp import PINN
from surrogates.pinns.problems.burgers_front import burgers_front
from surrogates.pinns.problems.convection import convection
from surrogates.pinns.transport import Transport
from surrogates.tasks.collocation import Collocation
from surrogates.training import Plan, fit, load
from surrogates.training.polish import polish

TAU = 2 * math.pi
SINE = FourierSeries(sines=[1.0])


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def points(n, until=1.0, period=TAU):
    return torch.rand(n, 2) * torch.tensor([period, until])


class Known:
    """A solution u(x, t) of `equation` seen along x_t = a: RK4 from the labels, differentiable by every route."""

    def __init__(self, u, equation, steps=8):
        self.u, self.equation, self.steps = u, equation, steps

    def __call__(self, labels):
        x, t = labels[:, :1], labels[:, 1:]
        dt, now = t / self.steps, 0.0 * t
        for _ in range(self.steps):
            k1 = self.speed(x, now)
            k2 = self.speed(x + 0.5 * dt * k1, now + 0.5 * dt)
            k3 = self.speed(x + 0.5 * dt * k2, now + 0.5 * dt)
            k4 = self.speed(x + dt * k3, now + dt)
            x, now = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), now + dt
        return torch.cat([x, self.u(x, t)], dim=1)

    def speed(self, x, t):
        return self.equation.a(self.u(x, t), x, t)


def diffused(nu=0.2, mean=0.7):
    """A solution of viscous Burgers by Cole and Hopf, phi = 1.2 + exp(-nu t) cos(x - c t), and its equation."""

    def u(x, t):
        y = x - mean * t
        decay = torch.exp(-nu * t)
        return mean + 2 * nu * decay * torch.sin(y) / (1.2 + decay * torch.cos(y))

    def initial(at):
        return u(at[:, :1], 0 * at[:, 1:])

    return Known(u, Transport(lambda u, x, t: u, initial, nu=nu))


def shifting():
    """u = exp(-(1 + nu) t) sin(x - b t): convection, diffusion and a decay R = -u."""
    nu, b = 0.3, 20.0
    equation = Transport(b, SINE, nu=nu, reaction=lambda u: -u)
    return Known(lambda x, t: torch.exp(-(1 + nu) * t) * torch.sin(x - b * t), equation, steps=1)


def sheared():
    """a = 1 / (2 + cos x): 2 x + sin x - t is kept along characteristics, so u = sin of it is a solution."""
    equation = Transport(lambda u, x, t: 1 / (2 + torch.cos(x)), lambda at: torch.sin(2 * at[:, :1] + at[:, :1].sin()))
    return Known(lambda x, t: torch.sin(2 * x + torch.sin(x) - t), equation)


@pytest.mark.parametrize("solution", [diffused, shifting, sheared])
def test_an_exact_solution_has_no_residual_in_either_frame(solution):
    known = solution()
    at = points(50, known.equation.until)
    for residual in known.equation.lagrangian(known, at).values():
        assert residual.abs().max() < 1e-5
    assert known.equation.eulerian(lambda p: known.u(p[:, :1], p[:, 1:]), at).abs().max() < 1e-10


def test_diffusion_needs_the_metric_of_the_moving_frame():
    known = diffused()
    labels = points(50, known.equation.until)
    (x1, _), (_, ut), (_, u2) = (d.unbind(1) for d in partials(known, labels, [(0,), (1,), (0, 0)]))
    assert (x1 - 1).abs().max() > 0.2
    by_label_only = ut - known.equation.nu * u2  # what the authors' program has
    assert by_label_only.abs().max() > 0.05
    assert known.equation.lagrangian(known, labels)["state"].abs().max() < 1e-5


def test_the_solution_on_fixed_points_and_its_derivatives_come_back():
    known = diffused()
    at = points(20, known.equation.until).requires_grad_()
    u = moving_frame.eulerian(known, at, TAU)
    torch.testing.assert_close(u, known.u(at[:, :1], at[:, 1:]), rtol=0, atol=1e-6)
    (first,) = torch.autograd.grad(u.sum(), at, create_graph=True)
    (second,) = torch.autograd.grad(first[:, 0].sum(), at)
    residual = first[:, 1] + u[:, 0] * first[:, 0] - known.equation.nu * second[:, 0]
    assert residual.abs().max() < 1e-5


def made(period=TAU, **words):
    net = LagrangianPINN(initial=FourierSeries(constant=1.0, sines=[1.0, 0.5], period=period), period=period, **words)
    with torch.no_grad():
        for layer in net.path.layers:
            layer.bias.normal_(0, 0.5)
    return net


@pytest.mark.parametrize(("period", "drift"), [(TAU, 0.0), (2.0, 70.0)])
def test_labels_and_points_are_inverse_to_each_other(period, drift):
    net = made(period, drift=drift, until=0.2)
    labels = points(500, 0.2, period) * torch.tensor([6.0, 1.0]) - torch.tensor([period, 0.0])
    assert net.stretch().smallest > 0.1
    x, u = net(labels).unbind(1)
    at = torch.stack([x, labels[:, 1]], dim=1)
    assert (moving_frame.invert(net, at, period) - labels).abs().max() < 1e-10
    assert (net.solution(at)[:, 0] - u).abs().max() < 1e-10


def test_start_and_period_are_exact_whatever_the_weights():
    net, labels = made(3.0, until=0.3), points(100, 0.3, 3.0)
    turned = torch.tensor([3.0, 0.0])
    torch.testing.assert_close(net(labels + turned), net(labels) + turned, rtol=0, atol=1e-12)
    torch.testing.assert_close(net.solution(labels - turned), net.solution(labels), rtol=0, atol=1e-10)
    start = labels * torch.tensor([1.0, 0.0])
    torch.testing.assert_close(net(start), torch.cat([start[:, :1], net.initial(start)], dim=1), rtol=0, atol=0)
    assert net.path is not net.state
    assert not {id(p) for p in net.path.parameters()} & {id(p) for p in net.state.parameters()}


def test_crossing_characteristics_are_found_told_and_refused():
    def folding(labels):  # x_xi = 1 - t cos(xi): the paths of u0 = -sin meet at t = 1
        return torch.cat([labels[:, :1] - labels[:, 1:] * labels[:, :1].sin(), -labels[:, :1].sin()], dim=1)

    found = moving_frame.stretch(folding, period=TAU, until=1.5, times=31, labels=64)
    assert found.crossed == pytest.approx(1.0, abs=1e-9)
    assert found.smallest == pytest.approx(-0.5)
    assert moving_frame.stretch(folding, period=TAU, until=0.9, labels=64).smallest == pytest.approx(0.1)
    with pytest.warns(moving_frame.CharacteristicsCross, match="several labels"), torch.no_grad():
        moving_frame.eulerian(folding, torch.tensor([[0.0, 1.4], [3.0, 0.1]]), TAU)
    with pytest.raises(DomainError, match=r"cross at t = 1\b.* nu > 0"):
        Transport(lambda u, x, t: u, SINE, until=1.2)
    assert Transport(lambda u, x, t: u, SINE, nu=0.01, until=1.2).shock_time() == pytest.approx(1.0, abs=1e-4)
    assert convection(beta=1e4).exact is not None  # equal speeds never meet


def trained(net, problem, *, steps=30, points=100):
    """A few steps of Adam through `fit`, then L-BFGS."""
    plan = Plan(steps=3, batch_size=50, lr=1e-3, ema=0.0, clip=None, dtype="float64", validations=1)
    fitted = fit(Collocation(net, problem), problem.stream(), plan=plan)
    return polish(fitted, problem.points(points, seed=3), steps=steps)


def test_convection_at_50_is_solved_where_a_network_of_x_and_t_fails(tmp_path):
    problem = convection(beta=50)
    fitted = trained(LagrangianPINN(initial=SINE), problem)
    test = problem.points(300, seed=9)
    assert fitted.evaluate(test).relative_l2 < 0.02
    assert fitted.members[0].model.stretch().crossed is None
    plain = FromInitial(Periodic(PINN(inputs=3, width=32, depth=3), axes=[0], periods=TAU), initial=SINE)
    assert trained(plain, problem).evaluate(test).relative_l2 > 0.5
    fitted.save(tmp_path / "lagrangian.safetensors")
    again = load(tmp_path / "lagrangian.safetensors")
    assert torch.equal(again.predict(test.interior).values, fitted.predict(test.interior).values)
    assert again.members[0].problem.spec["beta"] == 50


def test_without_diffusion_u_is_kept_along_the_characteristics_found():
    equation = Transport(lambda u, x, t: u, FourierSeries(constant=5.0, sines=[1.0]), until=0.5)
    problem = equation.problem()
    fitted = trained(LagrangianPINN(initial=equation.initial, until=0.5), problem, steps=40, points=128)
    labels, net = points(300, 0.5), fitted.members[0].model
    with torch.no_grad():
        x, u = net(labels).unbind(1)
    kept = 5 + torch.sin(labels[:, 0])
    assert (u - kept).abs().max() < 1e-2
    assert (x - labels[:, 0] - labels[:, 1] * kept).abs().max() < 1e-2
    predicted = fitted.predict(torch.stack([x, labels[:, 1]], dim=1)).values[:, 0]
    assert (predicted - kept).abs().max() < 1e-2


def test_networks_and_equations_that_do_not_fit():
    labels = points(3)
    with pytest.raises(DomainError, match="another state"):
        convection(beta=1).residual(LagrangianPINN(initial=FourierSeries(sines=[2.0])), labels)
    with pytest.raises(DomainError, match="period"):
        convection(beta=1).residual(LagrangianPINN(initial=SINE, period=1.0), labels)
    with pytest.raises(DomainError, match="hard=True"):
        convection(beta=1, hard=False).residual(LagrangianPINN(initial=SINE), labels)
    with pytest.raises(DomainError, match="positive"):
        LagrangianPINN(initial=SINE, until=0.0)
    with pytest.raises(DomainError, match="nu"):
        convection(nu=-1.0)


@pytest.mark.slow
@pytest.mark.parametrize("c", [0.0, 50.0])
def test_a_viscous_front_at_any_speed(c):
    problem = burgers_front(c=c)
    net = LagrangianPINN(initial=FourierSeries(constant=c, sines=[1.0]))
    fitted = trained(net, problem, steps=250, points=600)
    at = problem.points(2000, seed=9).interior
    truth = cole_hopf_front(at, c=c)
    error = (fitted.predict(at).values - truth).norm() / (truth - c).norm()
    assert error < 0.02
    assert 0.001 < net.stretch().smallest < 0.1 or 0.001 < fitted.members[0].model.stretch().smallest < 0.1
