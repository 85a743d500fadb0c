"""DeepXDE's conditions on a callable: the losses of DeepXDE's own loop, at points drawn anew."""

import numpy as np
import pytest
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.physics.errors import DomainError
from surrogates.pinns.conditions import Condition, named_conditions
from surrogates.pinns.drawing import in_double
from surrogates.pinns.mlp import PINN


@pytest.fixture(scope="module")
def dde():
    return deepxde()


def conditions_of(dde, geometry):
    """One of each kind on the unit square in time, u with two components."""
    icbc = dde.icbc
    points = np.random.default_rng(0).uniform(size=(7, 3))
    seen = np.random.default_rng(1).normal(size=(7, 1))

    def edge(x, on):
        return on

    def left(x, on):
        return on and np.isclose(x[0], 0.0)

    return [
        icbc.DirichletBC(geometry, lambda x: np.sin(x[:, :1]) * x[:, 2:], edge, component=1),
        icbc.NeumannBC(geometry, lambda x: np.cos(x[:, 1:2]), edge),
        icbc.RobinBC(geometry, lambda x, y: torch.as_tensor(x[:, :1]) * y[:, :1] ** 2, edge, component=1),
        icbc.PeriodicBC(geometry, 0, left),
        icbc.PeriodicBC(geometry, 0, left, derivative_order=1, component=1),
        icbc.OperatorBC(geometry, lambda x, y, _: dde.grad.jacobian(y, x, i=0, j=1) * y[:, 1:], edge),
        icbc.PointSetBC(points, seen, component=1),
        icbc.PointSetOperatorBC(points, seen, lambda x, y, _: dde.grad.jacobian(y, x, i=1, j=2)),
        icbc.IC(geometry, lambda x: x[:, :1] * x[:, 1:2], lambda x, on: on),
    ]


def test_errors_are_those_of_deepxde(dde):
    torch.manual_seed(0)
    net = PINN(inputs=3, outputs=2, width=8, depth=2).double()
    with in_double():
        space = dde.geometry.Rectangle([0, 0], [1, 1])
        geometry = dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(0, 2))
        sources = conditions_of(dde, geometry)
        data = dde.data.TimePDE(
            geometry, None, sources, num_domain=0, num_boundary=40, num_initial=9, train_distribution="pseudo"
        )
        x = torch.from_numpy(data.train_x_bc).requires_grad_()
        losses = data.losses(None, net(x), dde.losses.mean_squared_error, x, None)
    dde.grad.clear()
    ends = np.cumsum([0, *data.num_bcs])
    found = named_conditions(sources)
    assert list(found) == [
        "dirichlet",
        "neumann",
        "robin",
        "periodic_1",
        "periodic_2",
        "operator",
        "observations",
        "operator_observations",
        "initial",
    ]
    for condition, theirs, begin, end in zip(found.values(), losses, ends[:-1], ends[1:], strict=True):
        assert end > begin
        error = condition.error(net, condition.at(data.train_x_bc[begin:end]))
        assert theirs > 1e-6, condition.name
        torch.testing.assert_close(error.square().mean(), theirs, rtol=1e-12, atol=1e-14)


def test_interface_condition_is_deepxdes(dde):
    torch.manual_seed(1)
    net = PINN(inputs=2, outputs=2, width=8, depth=2).double()
    for direction in ("normal", "tangent"):
        with in_double():
            square = dde.geometry.Rectangle([0, 0], [1, 1])
            source = dde.icbc.Interface2DBC(
                square,
                lambda x: 0.3 * x[:, :1],
                lambda x, on: on and np.isclose(x[0], 0.0),
                lambda x, on: on and np.isclose(x[0], 1.0),
                direction,
            )
            array = source.collocation_points(square.uniform_boundary_points(40))
            x = torch.from_numpy(array)
            theirs = source.error(array, x, net(x), 0, len(x))
        condition = Condition("interface", source)
        torch.testing.assert_close(condition.error(net, condition.at(array)), theirs, rtol=1e-12, atol=1e-14)


def test_points_lie_on_their_conditions_and_depend_on_the_seed_alone(dde):
    with in_double():
        circle = dde.geometry.Disk([0.0, 0.0], 2.0)
    upper = Condition("upper", dde.icbc.DirichletBC(circle, lambda x: x[:, :1], lambda x, on: on and x[1] > 1.0))
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    points = upper.points(50, seed=4)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert points.x.shape == (50, 2)
    assert points.x.dtype == torch.float64
    torch.testing.assert_close(points.x.norm(dim=1), torch.full((50,), 2.0).double(), rtol=1e-12, atol=0)
    assert bool((points.x[:, 1] > 1).all())
    torch.testing.assert_close(points.values, points.x[:, :1], rtol=0, atol=0)  # not those of points drawn before
    assert torch.equal(upper.points(50, seed=4).x, points.x)
    assert not torch.equal(upper.points(50, seed=5).x, points.x)
    nowhere = Condition("nowhere", dde.icbc.DirichletBC(circle, lambda x: 0.0, lambda x, on: False))
    with pytest.raises(DomainError, match=r"nowhere.*none of"):
        nowhere.points(5, seed=0)


def test_observations_in_minibatches_keep_their_values(dde):
    values = np.arange(20.0)[:, None]
    with in_double():
        source = dde.icbc.PointSetBC(values / 20, values, batch_size=6)
    drawn = Condition("seen", source).points(100, seed=0)
    assert drawn.x.shape == (6, 1)
    torch.testing.assert_close(drawn.values, 20 * drawn.x)


def test_what_is_no_condition_is_refused(dde):
    with pytest.raises(DomainError, match=r"deepxde\.icbc"):
        named_conditions([3.0])
    with pytest.raises(DomainError, match="names are letters"):
        named_conditions({"a b": None})
    line = dde.geometry.Interval(0, 1)
    two = Condition("wide", dde.icbc.DirichletBC(line, lambda x: np.ones((len(x), 2)), lambda x, on: on))
    with pytest.raises(DomainError, match=r"wide.*one condition for each"):
        two.points(3, seed=0)
