"""A surrogate's answer finished by the solver behind its data."""

import numpy as np
import pytest
import torch
from torch import nn

from surrogates.datasets import Fields
from surrogates.datasets.generators import burgers, darcy, navier_stokes
from surrogates.physics.errors import DomainError
from surrogates.simulation.verify_fields import verify
from surrogates.tasks.operator_map import OperatorMap


class Remembered(nn.Module):
    """Says what it was told to, a share of it wrong."""

    def __init__(self, dim, answer, off):
        super().__init__()
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, 1, 1, 0
        self.answer, self.off = answer, off
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, values, parameters=None):
        return self.answer * (1 + self.off)


@pytest.mark.parametrize("off", [1e-1, 1e-3])
def test_a_better_start_needs_fewer_iterations(off):
    data = darcy(samples=3, points=24, seed=0)
    truth = torch.from_numpy(data.stack("u"))
    task = OperatorMap(Remembered(2, truth, off), input="a", target="u").double()
    task.prepare(data)
    task.target_mean.zero_()
    task.target_scale.fill_(1.0)
    found = verify(task, data, tolerance=1e-8)
    assert found.converged
    assert found.error == pytest.approx(off, rel=1e-3)
    assert found.work < found.alone
    assert np.allclose(found.values, truth[:, 0], rtol=1e-6, atol=1e-9)
    if off < 1e-2:
        assert found.work < 0.75 * found.alone


def test_parareal_with_the_data_s_solver_gives_the_data_back():
    data = burgers(samples=3, points=32, nu=0.05, seed=1, times=[0.0, 0.1, 0.2, 0.3], tolerance=1e-10)

    class Still(Remembered):
        def forward(self, values, parameters=None):
            return 0.7 * values

    task = OperatorMap(Still(1, None, 0.0), input="u[t]", target="u[t+1]").double()
    task.prepare(data)
    found = verify(task, data, tolerance=1e-7)
    assert found.how == "parareal"
    assert found.converged
    assert found.work <= 4
    assert np.allclose(found.values[:, :, 0], data.stack("u"), atol=1e-5)


def test_a_force_beside_the_state_stays_where_it_is():
    data = navier_stokes(samples=2, points=16, nu=1e-2, forcing="symmetric", times=[0.0, 1.0, 2.0], seed=0)

    class Still(Remembered):
        def forward(self, values, parameters=None):
            assert torch.equal(values[:, 1], self.answer)
            return 0.9 * values[:, :1]

    model = Still(2, None, 0.0)
    model.in_channels = 2
    task = OperatorMap(model, input=["w[t]", "forcing"], target="w[t+1]").double()
    task.prepare(data)
    force = torch.from_numpy(np.stack([t.constants["forcing"] for t in data]))
    model.answer = (force - task.input_mean[1]) / task.input_scale[1]
    found = verify(task, data, tolerance=1e-5)
    assert found.converged
    assert np.allclose(found.values[:, :, 0], data.stack("w"), atol=1e-4)


def test_data_of_unknown_origin_cannot_be_certified():
    data = Fields.from_arrays({"u": np.random.default_rng(0).normal(size=(3, 4, 16))})
    task = OperatorMap(Remembered(1, 0.0, 0.0), input="u[t]", target="u[t+1]")
    task.prepare(data)
    with pytest.raises(DomainError, match="finish"):
        verify(task, data)
