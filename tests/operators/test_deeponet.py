"""The DeepONet family: DeepXDE's numbers, sensors and queries anywhere, POD, products of branches, checkpoints."""

import copy
import json
import os
import types

import pytest
import torch

from surrogates.blocks import deepxde as bridge
from surrogates.construct import construct, describe
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.deeponet_parts.boundary import Pinned
from surrogates.operators.deeponet_parts.features import Periodic, RandomFourier
from surrogates.operators.deeponet_parts.places import axis, grid, smooth
from surrogates.operators.deeponet_parts.stacked import Stacked
from surrogates.operators.deepxde_nets import from_deepxde, to_deepxde
from surrogates.operators.mionet import MIONet
from surrogates.operators.pod_deeponet import PODDeepONet
from surrogates.physics.errors import DomainError, SurrogatesError

TAU = 2 * torch.pi
KINDS = {
    "one field": dict(dim=1, sensors=20, points="ends", activation="tanh"),
    "plane": dict(dim=2, sensors=[6, 5], points=["periodic", "cells"], in_channels=2, n_parameters=1),
    "frames": dict(dim=1, sensors=[0.1, 0.25, 0.7], out_channels=3, outputs=[0.2, 0.5, 1.0], activation="silu"),
    "fields": dict(dim=1, sensors=8, out_channels=2, outputs="split_branch", features=Periodic(harmonics=2)),
    "random": dict(dim=2, sensors=[4, 4], features=RandomFourier(n_coordinates=2, count=5), boundary=Pinned(low=[0])),
}


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def waves(samples, n, channels=1):
    """Sums of three waves with random coefficients on a periodic grid."""
    x, k = axis(n, "periodic"), torch.arange(1, 4)
    a, b = torch.randn(2, samples, channels, 3, 1)
    return (a * (TAU * k[:, None] * x).sin() + b * (TAU * k[:, None] * x).cos()).sum(2)


def made(words):
    model = DeepONet(**copy.deepcopy(words)).double()  # parts made before the test are float32
    values = torch.randn(3, model.in_channels, *(7, 9)[: model.dim])
    return model, values, torch.randn(3, model.n_parameters) if model.n_parameters else None


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_rebuilt_from_its_description_to_the_bit(name):
    model, values, parameters = made(KINDS[name])
    again = construct(json.loads(json.dumps(describe(model))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(values, parameters), model(values, parameters))
    assert model(values, parameters).shape == (3, model.out_channels, *values.shape[2:])


@pytest.mark.parametrize("name", KINDS)
def test_common_and_own_query_points_agree(name):
    model, values, parameters = made(KINDS[name])
    own = torch.rand(3, 4, model.dim)
    one_by_one = [
        model.at(values[i : i + 1], own[i], None if parameters is None else parameters[i : i + 1])[0] for i in range(3)
    ]
    together = model.aligned(values, own, parameters)
    torch.testing.assert_close(together, torch.stack(one_by_one), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("strategy", "last"),
    [
        (None, (8, 8)),
        ("split_both", (8, 8)),
        ("split_branch", (16, 8)),
        ("split_trunk", (8, 16)),
        ("independent", (8, 8)),
    ],
)
def test_a_network_of_deepxde_gives_the_same_numbers_here_and_back_there(strategy, last):
    nn = bridge.deepxde().nn
    several = {} if strategy is None else {"num_outputs": 2, "multi_output_strategy": strategy}
    sizes = ([22, 10, last[0]], [1, 9, last[1]], "tanh", "Glorot normal")
    cartesian, own = nn.DeepONetCartesianProd(*sizes, **several).double(), nn.DeepONet(*sizes, **several).double()
    own.load_state_dict(cartesian.state_dict())
    u, y, ys, nu = torch.randn(3, 1, 20), torch.rand(6, 1), torch.rand(3, 1), torch.randn(3, 2)
    row = torch.cat([u[:, 0], nu], dim=1)
    theirs, at_own = cartesian((row, y)).reshape(3, 6, -1).movedim(2, 1), own((row, ys)).reshape(3, -1)
    model = from_deepxde(cartesian, dim=1, sensors=20)
    assert model.n_parameters == 2
    torch.testing.assert_close(model.at(u, y, nu), theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.aligned(u, ys[:, None], nu)[..., 0], at_own, rtol=1e-12, atol=1e-12)
    assert torch.equal(to_deepxde(model)((row, y)), cartesian((row, y)))
    assert torch.equal(from_deepxde(own, dim=1, sensors=20).at(u, y, nu), model.at(u, y, nu))


def test_features_and_boundary_go_to_deepxde_as_its_transforms():
    model = DeepONet(
        dim=2,
        sensors=(4, 4),
        out_channels=2,
        boundary=Pinned(low=[0], high=[0, 1], value=3),
        features=Periodic(axes=[1]),
    )
    model.set_target_scale(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]))
    u, y = torch.randn(2, 1, 4, 4), torch.rand(5, 2)
    there = to_deepxde(model)((u.flatten(1), y)).movedim(2, 1)
    torch.testing.assert_close(there, model.at(u, y), rtol=1e-12, atol=1e-12)


def test_sensors_may_be_listed_in_any_order_with_the_columns_of_the_first_layer():
    points = torch.rand(12, 2)
    order = torch.randperm(12)
    one = DeepONet(dim=2, sensors=points.tolist(), in_channels=2, points="cells")
    two = DeepONet(dim=2, sensors=points[order].tolist(), in_channels=2, points="cells")
    two.load_state_dict(one.state_dict())
    values = torch.randn(3, 2, 8, 9)
    assert (one(values) - two(values)).abs().max() > 1e-2
    columns = torch.cat([order, 12 + order])
    with torch.no_grad():
        two.net.branch.linears[0].weight.copy_(one.net.branch.linears[0].weight[:, columns])
    torch.testing.assert_close(two(values), one(values), rtol=1e-12, atol=1e-12)


def test_finer_grids_show_the_sensors_the_same_field():
    model = DeepONet(dim=2, sensors=(8, 5), points=("periodic", "ends"), activation="tanh")
    fine = torch.randn(2, 1, 32, 17)  # both axes hold the sensors' points
    assert torch.equal(model(fine)[..., ::4, ::4], model(fine[..., ::4, ::4]))


def test_linear_fields_are_read_exactly_between_grid_points():
    model = DeepONet(dim=2, sensors=[[0.0, 1.0], [0.03, 0.5], [0.77, 0.31]], points=("cells", "ends"))
    x = grid((9, 6), ("cells", "ends"))
    seen = model.reader.sensors((2 * x[:, 0] - 3 * x[:, 1]).reshape(1, 1, 9, 6))
    torch.testing.assert_close(seen[0, 0], torch.tensor([-3.0, 0.06 - 1.5, 1.54 - 0.93]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("queries", [1, 5, 1000])
def test_the_second_derivative_by_the_query_point_is_that_of_finite_differences(queries):
    model = DeepONet(dim=1, sensors=10, activation="tanh", features=Periodic(harmonics=2))
    u, y = torch.randn(1, 1, 10), torch.rand(queries, 1).requires_grad_()
    (slope,) = torch.autograd.grad(model.at(u, y).sum(), y, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), y)
    h = 1e-4
    with torch.no_grad():
        difference = (model.at(u, y + h) - 2 * model.at(u, y) + model.at(u, y - h)) / h**2
    assert bend.abs().max() > 1e-2
    torch.testing.assert_close(bend[:, 0], difference[0, 0], rtol=1e-4, atol=1e-6 * float(bend.abs().max()) + 1e-4)


def test_periodic_features_close_the_output_and_pins_hold_it():
    model = DeepONet(dim=1, sensors=10, features=Periodic(harmonics=3), activation="tanh")
    u = torch.randn(2, 1, 10)
    ends = model.at(u, torch.tensor([[0.0], [1.0]]))
    torch.testing.assert_close(ends[..., 0], ends[..., 1], rtol=1e-12, atol=1e-12)
    pinned = DeepONet(dim=1, sensors=10, points="ends", boundary=Pinned(low=[0], value=0.5))
    pinned.set_target_scale(torch.tensor([2.0]), torch.tensor([3.0]))
    assert torch.equal((2 + 3 * pinned(u))[..., 0], torch.full((2, 1), 0.5))
    assert (2 + 3 * pinned(u))[..., 1:].sub(0.5).abs().max() > 0.1


def test_frames_are_one_network_asked_at_several_times():
    model = DeepONet(dim=1, sensors=6, out_channels=2, outputs=[0.25, 1.0], boundary=Pinned(low=[1]))
    once = DeepONet(dim=1, sensors=6, out_channels=1, outputs=[1.0], boundary=Pinned(low=[1]))
    once.load_state_dict({k: v[:1] if "target" in k else v for k, v in model.state_dict().items()})
    start = DeepONet(dim=1, sensors=6, out_channels=1, outputs=[0.0], boundary=Pinned(low=[1]))
    u = torch.randn(2, 1, 6)
    torch.testing.assert_close(once(u)[:, 0], model(u)[:, 1], rtol=1e-12, atol=1e-12)
    assert start(u).abs().max() == 0


def test_a_stacked_branch_is_p_networks_of_one_output():
    model = DeepONet(
        dim=1, sensors=10, branch=Stacked(width_in=10, count=6, hidden=[7], activation="tanh"), trunk=(5, 6)
    )
    u, branch = torch.randn(4, 1, 10), model.net.branch
    k = 3
    alone = (
        torch.tanh(u[:, 0] @ branch.weights[0][k] + branch.biases[0][k]) @ branch.weights[1][k] + branch.biases[1][k]
    )
    torch.testing.assert_close(branch(u[:, 0])[:, k], alone[:, 0], rtol=1e-12, atol=1e-12)
    again = construct(json.loads(json.dumps(describe(model))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(u), model(u))


@pytest.mark.parametrize(("fields", "parameters"), [(2, 0), (1, 2), (3, 1)])
def test_a_mionet_is_the_product_of_its_branches(fields, parameters):
    model = MIONet(
        dim=1, sensors=9, in_channels=fields, n_parameters=parameters, out_channels=2, trunk=(8, 6), branch=(7, 6)
    )
    u, nu, y = torch.randn(4, fields, 9), torch.randn(4, parameters) if parameters else None, torch.rand(5, 1)
    found, net = model.at(u, y, nu), model.nets[1]
    second = net.branch2.nets if hasattr(net.branch2, "nets") else [net.branch2]
    inputs = [*(u[:, k] for k in range(fields)), *([nu] if parameters else [])]
    product = torch.stack([b(x) for b, x in zip([net.branch1, *second], inputs, strict=True)]).prod(0)
    torch.testing.assert_close(found[:, 1], product @ net.trunk(y).T + net.b, rtol=1e-12, atol=1e-12)
    again = construct(json.loads(json.dumps(describe(model))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(u, nu), model(u, nu))
    torch.testing.assert_close(model.aligned(u, y.expand(4, 5, 1), nu), found, rtol=1e-12, atol=1e-12)


def test_a_mionet_of_deepxde_comes_over():
    net = bridge.deepxde().nn.MIONetCartesianProd([20, 10, 8], [2, 6, 8], [1, 9, 8], "tanh", "Glorot normal").double()
    u, nu, y = torch.randn(3, 1, 20), torch.randn(3, 2), torch.rand(6, 1)
    model = from_deepxde(net, dim=1, sensors=20)
    torch.testing.assert_close(model.at(u, y, nu)[:, 0], net((u[:, 0], nu, y)), rtol=1e-12, atol=1e-12)
    assert torch.equal(to_deepxde(model)((u[:, 0], nu, y)), net((u[:, 0], nu, y)))


def test_pod_at_full_rank_reproduces_the_training_targets_and_at_less_the_best_fit():
    target = waves(40, 24, channels=2) + 1.5  # twelve directions and a mean
    full, half = (PODDeepONet(dim=1, sensors=24, modes=p, out_channels=2) for p in (12, 6))
    for model in (full, half):
        model.prepare(target, target)
    torch.testing.assert_close(full.projection(target), target, rtol=1e-10, atol=1e-10)
    rows = target.flatten(1) - target.flatten(1).mean(0)
    left = torch.linalg.svdvals(rows)[6:].square().sum()
    torch.testing.assert_close((half.projection(target) - target).square().sum(), left, rtol=1e-10, atol=1e-10)


def test_the_pod_network_is_coefficients_times_modes_plus_mean():
    target = waves(30, 16)
    model = PODDeepONet(dim=1, sensors=16, modes=5)
    model.prepare(target, target)
    sum_of_modes = model.net.branch(target[:, 0]) @ model.modes[0].T / 5 + model.mean
    torch.testing.assert_close(model(target)[:, 0], sum_of_modes, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.modes[0].square().mean(0), torch.ones(5), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(to_deepxde(model)((target[:, 0], None)), model(target)[:, 0], rtol=1e-12, atol=1e-12)


def test_pod_modes_are_read_off_their_grid_and_survive_a_checkpoint():
    target = waves(30, 16, channels=2)
    model = PODDeepONet(dim=1, sensors=16, modes=8, out_channels=2, in_channels=2, trunk=(6, 4), activation="tanh")
    model.prepare(target, target)
    fine = smooth(axis(64, "periodic"), 16, "periodic") @ target.movedim(2, 0).flatten(1)
    fine = fine.unflatten(1, (30, 2)).movedim(0, 2)  # the same waves on four times the points
    coarse = model(target)
    torch.testing.assert_close(model(fine)[..., ::4], coarse, rtol=1e-10, atol=1e-10)
    y = torch.rand(7, 1).requires_grad_()
    torch.testing.assert_close(model.at(target, axis(16, "periodic")[:, None]), coarse, rtol=1e-10, atol=1e-10)
    assert torch.autograd.grad(model.at(target, y).sum(), y)[0].abs().max() > 0
    again = construct(json.loads(json.dumps(describe(copy.deepcopy(model)))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(target), coarse)
    own = model.aligned(target, axis(16, "periodic")[:, None].expand(30, 16, 1))
    torch.testing.assert_close(own, coarse, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["cells", "ends"])
def test_cubic_interpolation_is_of_fourth_order(kind):
    x = torch.linspace(0, 1, 200)
    errors = [(smooth(x, n, kind) @ axis(n, kind).mul(3).exp() - (3 * x).exp()).abs().max() for n in (40, 80)]
    assert errors[0] / errors[1] > 14
    cube = smooth(x, 9, kind) @ axis(9, kind) ** 3
    torch.testing.assert_close(cube, x**3, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (dict(dim=1, sensors=8, branch=(4, 5), trunk=(4, 6)), "last widths"),
        (dict(dim=2, sensors=8), "sensors=8 for 2 axes"),
        (dict(dim=1, sensors=[0.5, 1.5]), r"outside \[0, 1\]"),
        (dict(dim=1, sensors=8, points="walls"), "periodic, cells, ends"),
        (dict(dim=1, sensors=8, activation="mish"), "choose one of relu"),
        (dict(dim=1, sensors=8, out_channels=2, outputs=[0.5]), "names 1 times"),
        (dict(dim=1, sensors=8, outputs="all"), "split_both"),
        (dict(dim=1, sensors=8, boundary=Pinned(low=[1])), "coordinate 1 is pinned"),
        (dict(dim=1, sensors=8, features=RandomFourier(n_coordinates=2)), "n_coordinates=1"),
        (dict(dim=1, sensors=8, in_channels=0), "must be positive"),
        (dict(dim=1, sensors=8, features=torch.nn.Tanh()), "has no `width`"),
        (dict(dim=1, sensors=8, branch=torch.nn.Linear(9, 40)), "the branch maps"),
        (dict(dim=1, sensors=8, branch=torch.nn.Linear(8, 39)), "must give 40"),
        (dict(dim=1, sensors=[]), "rows of 1"),
    ],
)
def test_what_does_not_fit_is_said_once(words, told):
    with pytest.raises(DomainError, match=told):
        DeepONet(**words)


def test_fields_that_do_not_fit_are_said_once():
    model = DeepONet(dim=1, sensors=8)
    with pytest.raises(DomainError, match="takes"):
        model(torch.randn(2, 3, 8))
    with pytest.raises(DomainError, match="n_parameters=0"):
        model(torch.randn(2, 1, 8), torch.randn(2, 1))
    with pytest.raises(DomainError, match="takes"):
        DeepONet(dim=1, sensors=8, n_parameters=1)(torch.randn(2, 1, 8), torch.randn(2, 2))
    with pytest.raises(DomainError, match="query points"):
        model.at(torch.randn(2, 1, 8), torch.rand(4, 2))
    with pytest.raises(DomainError, match="use DeepONet"):
        MIONet(dim=1, sensors=8)
    pod = PODDeepONet(dim=1, sensors=8, modes=4)
    with pytest.raises(DomainError, match="no modes yet"):
        pod(torch.randn(2, 1, 8))
    with pytest.raises(DomainError, match="directions only"):
        pod.prepare(torch.randn(3, 1, 8), torch.randn(3, 1, 8))
    with pytest.raises(DomainError, match="targets have shape"):
        pod.prepare(torch.randn(9, 1, 8), torch.randn(9, 2, 8))


def test_networks_that_no_file_can_hold_are_refused():
    nn = bridge.deepxde().nn
    net = nn.DeepONetCartesianProd([20, 8], [1, 8], "tanh", "Glorot normal")
    with pytest.raises(DomainError, match="fewer than"):
        from_deepxde(net, dim=1, sensors=30)
    with pytest.raises(DomainError, match="FNN is none of"):
        from_deepxde(nn.FNN([1, 4, 1], "tanh", "Glorot normal"), dim=1, sensors=3)
    net.apply_feature_transform(torch.sin)
    with pytest.raises(DomainError, match="feature transform"):
        from_deepxde(net, dim=1, sensors=20)


def test_another_backend_is_an_error_that_says_what_to_set(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deepxde.backend", types.SimpleNamespace(backend_name="jax"))
    with pytest.raises(SurrogatesError, match="DDE_BACKEND=pytorch"):
        bridge.deepxde()
    monkeypatch.delitem(__import__("sys").modules, "deepxde.backend")
    monkeypatch.setenv("DDE_BACKEND", "tensorflow")
    with pytest.raises(SurrogatesError, match="DDE_BACKEND=pytorch"):
        bridge.deepxde()


def test_the_import_leaves_torch_and_the_environment_alone(monkeypatch, capfd):
    monkeypatch.delenv("DDE_BACKEND", raising=False)
    with bridge._untouched():
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float32)
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.get_default_dtype() == torch.float64
    assert "DDE_BACKEND" not in os.environ
    assert torch.zeros(1).device.type == "cpu"
