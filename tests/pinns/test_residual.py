"""Residuals in DeepXDE's loop: a script keeps its losses when our derivatives stand in for nested dde.grad calls."""

import types

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.blocks.deepxde import deepxde
from surrogates.derivatives import Exact, Sparse, jet, laplacian
from surrogates.physics.errors import DomainError, SurrogatesError
from surrogates.physics.solutions.on_ball import sine_gordon
from surrogates.physics.solutions.two_body import two_body
from surrogates.pinns import Residual


@pytest.fixture
def dde():
    """DeepXDE in double precision; its precision, torch's and the seeds are put back."""
    dde = deepxde()
    before, state, options = dde.config.default_float(), torch.get_rng_state(), dict(dde.optimizers.LBFGS_options)
    dde.config.set_default_float("float64")
    yield dde
    dde.config.set_default_float(before)
    dde.config.set_default_autodiff("reverse")
    dde.optimizers.LBFGS_options.update(options)
    torch.set_rng_state(state)


def along(u, x, axis, order):
    """d^order u / dx_axis^order, (batch, outputs)."""
    return jet(u, x, torch.eye(x.shape[1], dtype=x.dtype)[axis : axis + 1], order)[order][0]


def waves(x):
    return torch.cat([x[:, 1:], torch.cos(np.pi * x[:, :1]), torch.sin(np.pi * x[:, :1])], dim=1)


def poisson(dde):
    """-u'' = pi^2 sin(pi x) on [-1, 1], u = 0 at the ends."""
    line = dde.geometry.Interval(-1, 1)

    def theirs(x, y):
        return -dde.grad.hessian(y, x) - np.pi**2 * torch.sin(np.pi * x)

    def ours(u, x):
        return -along(u, x, 0, 2) - np.pi**2 * torch.sin(np.pi * x)

    def data(pde):
        edge = dde.icbc.DirichletBC(line, lambda x: 0, lambda x, on: on)
        return dde.data.PDE(line, pde, edge, num_domain=12, num_boundary=2, num_test=20, train_distribution="pseudo")

    return dde.nn.FNN([1, 10, 10, 1], "tanh", "Glorot uniform"), theirs, ours, data, []


def burgers(dde):
    """u_t + u u_x = nu u_xx, periodic features, initial condition built in by DeepXDE's transforms; nu is learned."""
    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    nu = dde.Variable(0.05)

    def theirs(x, y):
        slope, rate = dde.grad.jacobian(y, x, i=0, j=0), dde.grad.jacobian(y, x, i=0, j=1)
        return rate + y * slope - nu * dde.grad.hessian(y, x, i=0, j=0)

    def ours(u, x):
        return along(u, x, 1, 1) + u(x) * along(u, x, 0, 1) - nu * along(u, x, 0, 2)

    def data(pde):
        seen = dde.icbc.PointSetBC(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.1], [0.2]]))
        return dde.data.TimePDE(domain, pde, [seen], num_domain=20, num_initial=3, train_distribution="pseudo")

    net = dde.nn.FNN([3, 10, 10, 1], "LAAF-5 sin", "Glorot normal")
    net.apply_feature_transform(waves)
    net.apply_output_transform(lambda x, y: x[:, 1:] * y - torch.sin(np.pi * x[:, :1]))
    return net, theirs, ours, data, [nu]


def beam(dde):
    """EI w'''' = q as two equations with auxiliary q, gradient-enhanced; a PFNN, one part for w and one for M."""
    line = dde.geometry.Interval(0, 1)

    def theirs(x, y, q):
        bent = dde.grad.hessian(y, x, component=0) - y[:, 1:]
        load = dde.grad.hessian(y, x, component=1) - q
        return [bent, load, dde.grad.jacobian(load, x)]

    def ours(u, x, q):
        second = along(u, x, 0, 2)
        load = second[:, 1:] - q
        return {"bending": second[:, :1] - u(x)[:, 1:], "load": load, "enhanced": dde.grad.jacobian(load, x)}

    def data(pde):
        edge = dde.icbc.DirichletBC(line, lambda x: 0, lambda x, on: on, component=0)
        return dde.data.PDE(line, pde, [edge], num_domain=15, num_boundary=2, auxiliary_var_function=np.cos)

    return dde.nn.PFNN([1, [8, 8], [8, 8], 2], "tanh", "Glorot normal"), theirs, ours, data, []


def run(dde, script, side, optimizer, steps, callbacks=lambda dde: []):
    """Losses at each step, final weights and the model, as the plain script ("theirs") or with Residual ("ours")."""
    dde.config.set_random_seed(3)
    net, theirs, ours, data, unknowns = script(dde)
    model = dde.Model(data(theirs if side == "theirs" else Residual(net, ours)), net)
    rate = None if optimizer == "L-BFGS" else 0.01
    model.compile(optimizer, lr=rate, external_trainable_variables=unknowns, verbose=0)
    history, _ = model.train(iterations=steps, display_every=1, verbose=0, callbacks=callbacks(dde))
    weights = [p.detach().clone() for p in [*net.parameters(), *unknowns]]
    return np.array(history.loss_train), np.array(history.loss_test), weights, model


@pytest.mark.parametrize(
    ("script", "optimizer"), [(poisson, "adam"), (burgers, "adam"), (beam, "adam"), (poisson, "L-BFGS")]
)
def test_a_script_keeps_its_losses_step_by_step(dde, script, optimizer):
    dde.optimizers.LBFGS_options.update(maxiter=4, iter_per_step=2, fun_per_step=8)
    found = {}
    for side in ("theirs", "ours"):
        train, test, weights, _ = run(dde, script, side, optimizer, 6)
        found[side] = (train, test, weights, torch.get_rng_state(), np.random.random())  # noqa: NPY002 (DeepXDE draws from it)
    theirs, ours = found["theirs"], found["ours"]
    assert len(ours[0]) == len(theirs[0])
    assert ours[0][-1].sum() < ours[0][0].sum()
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-8)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-8)
    for mine, other in zip(ours[2], theirs[2], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)
    assert torch.equal(ours[3], theirs[3])
    assert ours[4] == theirs[4]


def test_single_precision_and_resampling_and_checkpoints(dde, tmp_path):
    dde.config.set_default_float("float32")
    kept = {}
    for side in ("theirs", "ours"):
        losses, _, _, model = run(dde, poisson, side, "adam", 6, lambda d: [d.callbacks.PDEPointResampler(period=2)])
        saved = model.save(str(tmp_path / side))
        points = np.random.default_rng(0).uniform(size=(7, 1))
        kept[side] = (losses, model.predict(points, operator=model.data.pde), model, saved, points)
        assert losses.dtype == np.float32
    np.testing.assert_allclose(kept["ours"][0], kept["theirs"][0], rtol=1e-4)
    np.testing.assert_allclose(kept["ours"][1], kept["theirs"][1], rtol=1e-3, atol=1e-4)
    _, predicted, model, saved, points = kept["ours"]
    worst = points[np.argmax(np.abs(predicted))]
    model.data.add_anchors(worst[None])  # residual-based adaptive refinement
    model.train(iterations=2, verbose=0)
    assert not np.array_equal(model.predict(points, operator=model.data.pde), predicted)
    model.restore(saved, verbose=0)
    np.testing.assert_array_equal(model.predict(points, operator=model.data.pde), predicted)


def test_forward_mode_and_torch_defaults_survive(dde):
    defaults = torch.get_default_dtype(), torch.get_default_device()
    losses = {}
    for mode in ("reverse", "forward"):
        dde.config.set_default_autodiff(mode)
        losses[mode] = run(dde, poisson, "ours", "adam", 3)[0]
    np.testing.assert_array_equal(losses["forward"], losses["reverse"])
    assert (torch.get_default_dtype(), torch.get_default_device()) == defaults


@pytest.mark.filterwarnings("ignore::surrogates.physics.errors.SurrogatesWarning")
def test_high_dimensions_as_a_user_writes_them(dde):
    d, losses = 12, {}
    exact = two_body(d)
    for side in ("theirs", "ours"):
        dde.config.set_random_seed(0)
        net = dde.nn.FNN([d] + [16] * 4 + [1], "tanh", "Glorot normal")

        def nested(x, y):
            curvature = sum(dde.grad.hessian(y, x, i=i, j=i) for i in range(d))
            return curvature + torch.sin(y) - exact.source(x, sine_gordon)

        def ours(u, x):
            return laplacian(u, x) + torch.sin(u(x)) - exact.source(x, sine_gordon)

        residual = nested if side == "theirs" else Residual(net, ours)
        ball = dde.geometry.Hypersphere([0.0] * d, 1.0)
        edge = dde.icbc.DirichletBC(ball, lambda x: 0.0, lambda x, on: on)
        problem = dde.data.PDE(ball, residual, [edge], num_domain=10, num_boundary=10)
        model = dde.Model(problem, net)
        model.compile("adam", lr=1e-3, verbose=0)
        losses[side] = np.array(model.train(iterations=3, display_every=1, verbose=0)[0].loss_train)
    np.testing.assert_allclose(losses["ours"], losses["theirs"], rtol=1e-10)


class Counted(nn.Module):
    """u(x) = tanh(x w), which counts its passes over plain tensors."""

    def __init__(self):
        super().__init__()
        self.linear, self.passes = nn.Linear(3, 2).double(), 0

    def forward(self, x):
        self.passes += type(x) is torch.Tensor
        return torch.tanh(self.linear(x))


def points_and_outputs(net, n=5):
    x = torch.rand(n, 3, dtype=torch.float64, requires_grad=True)
    return x, net(x)


def test_values_at_the_points_are_those_of_the_loop():
    net, seen = Counted(), []
    residual = Residual(net, lambda u, x: seen.append((u(x), u(2 * x))) or along(u, x, 0, 2) + u(x))
    residual(*points_and_outputs(net))  # checks once that y belongs to net
    x, y = points_and_outputs(net)
    seen.clear()
    before, state = net.passes, torch.get_rng_state()
    residual(x, y)
    assert seen[0][0] is y
    torch.testing.assert_close(seen[0][1], net(2 * x))
    assert net.passes == before + 2  # u(2 x), here and in the residual, and none for u(x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("unbiased", [True, False])
def test_unbiased_gradients_with_a_random_laplacian(unbiased):
    """One coordinate of three is drawn for the value, one for the gradient: the nine outcomes average to the exact."""
    torch.manual_seed(0)
    net = Counted()
    x = torch.rand(4, 3, dtype=torch.float64)

    def gradient(how, **words):
        residual = Residual(net, lambda u, x: laplacian(u, x, how=how) + u(x) ** 2 - 0.3, **words)
        loss = (residual(x, net(x)) ** 2).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])

    exact = gradient(Exact())
    outcomes = {}
    for _ in range(60 if unbiased else 25):
        found = gradient(Sparse(samples=1), unbiased=unbiased)
        outcomes[round(float(found @ torch.arange(1.0, 9.0, dtype=torch.float64)), 8)] = found
    mean = torch.stack(list(outcomes.values())).mean(0)
    assert len(outcomes) == (9 if unbiased else 3)
    if unbiased:
        torch.testing.assert_close(mean, exact, rtol=1e-12, atol=1e-14)
    else:
        assert (mean - exact).norm() > 0.1 * exact.norm()


def test_an_unbiased_list_keeps_values_of_one_draw_and_gradients_of_the_other():
    net, drawn = Counted(), []

    def function(u, x):
        drawn.append(torch.randn((), dtype=x.dtype))
        return [u(x) * drawn[-1], drawn[-1] + u(x)[:, 0]]

    x, y = points_and_outputs(net)
    first, second = Residual(net, function, unbiased=True)(x, y)
    torch.testing.assert_close(first, y * drawn[0])
    (slope,) = torch.autograd.grad(first.sum(), y)
    torch.testing.assert_close(slope, drawn[1].expand_as(slope))
    assert second.shape == (5,)


def test_what_is_no_residual_is_refused():
    net = Counted()
    cases = {
        r"first argument of Residual is function": (lambda u, x: x, net),
        r"second argument of Residual is Tensor": (net, torch.ones(3)),
        r"takes \(x, y\), but a residual here takes \(u, x\)": (net, lambda x, y: y),
        r"takes \(x, u, q\), but": (net, lambda x, u, q: u),
        r"takes \(u\); it takes \(u, x\)": (net, lambda u: u),
        r"takes \(a, b, c, d\)": (net, lambda a, b, c, d: a),
    }
    for words, given in cases.items():
        with pytest.raises(DomainError, match=words):
            Residual(*given)
    trunk = nn.Module()
    trunk.trunk = nn.Linear(1, 1)
    with pytest.raises(DomainError, match="operator network"):
        Residual(trunk, lambda u, x: u(x))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda u, x: u(x)[:, :1] + x[:, 0], r"\(5, 5\), points times points"),
        (lambda u, x: u(x).mean(), r"shape \(\), which does not fit the 5 points"),
        (lambda u, x: [u(x), u(x)[:3]], r"equation 1 has shape \(3, 2\)"),
        (lambda u, x: u(x).detach().numpy(), "is ndarray; it must be a torch tensor"),
        (lambda u, x: [], "no equation"),
        (lambda u, x: u[:, :1], r"u was used as a tensor: a residual here takes \(u, x\)"),
        (lambda u, x: 2 * u, "u was used as a tensor"),
        (lambda u, x: x * u, "as a tensor"),
        (lambda a, b: torch.autograd.grad(b, a, torch.ones_like(b)), "u was given to torch's grad|ones_like"),
        (lambda a, b: deepxde().grad.hessian(b, a), "a residual here takes"),
    ],
)
def test_a_result_that_does_not_fit_says_why(function, words):
    net = Counted()
    with pytest.raises(DomainError, match=words):
        Residual(net, function)(*points_and_outputs(net))


def test_another_network_or_another_backend_is_an_error(monkeypatch):
    net = Counted()
    x, _ = points_and_outputs(net)
    residual = Residual(net, lambda u, x: along(u, x, 0, 1))
    with pytest.raises(DomainError, match=r"the very network that the dde.Model trains"):
        residual(x, (1 - x[:, :1]) * net(x))
    with pytest.raises(DomainError, match="called with ndarray"):
        residual(x.detach().numpy(), net(x))
    monkeypatch.setitem(__import__("sys").modules, "deepxde.backend", types.SimpleNamespace(backend_name="paddle"))
    with pytest.raises(SurrogatesError, match=r"runs on the backend 'paddle'.*DDE_BACKEND=pytorch"):
        Residual(net, lambda u, x: u(x))
