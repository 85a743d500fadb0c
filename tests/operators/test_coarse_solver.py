"""A coarse solver as an operator: exact where the coarse grid resolves, and what delta learning gains from it."""

import numpy as np
import pytest
import torch

from surrogates.datasets.generators import burgers
from surrogates.datasets.generators.reference_solver import solver_of
from surrogates.operators.coarse_solver import CoarseSolver
from surrogates.operators.fno import FNO
from surrogates.physics.errors import DomainError
from surrogates.physics.fields.refinement import refined
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit, load


def test_trigonometric_refinement_is_exact_for_waves_below_nyquist():
    x, y = (torch.arange(n, dtype=torch.float64) / n for n in (12, 7))
    fine = [torch.arange(n, dtype=torch.float64) / n for n in (48, 21)]

    def wave(x, y):
        return torch.cos(2 * torch.pi * 5 * x)[:, None] * torch.sin(2 * torch.pi * 3 * y + 1) + 0.3

    assert torch.allclose(refined(wave(x, y), (48, 21)), wave(*fine), atol=1e-13)
    nyquist = torch.cos(torch.pi * torch.arange(8, dtype=torch.float64))
    assert torch.allclose(refined(nyquist, (16,))[::2], nyquist, atol=1e-14)
    with pytest.raises(DomainError, match="finer"):
        refined(nyquist, (4,))


def test_the_solver_behind_the_data_repeats_them_and_errs_on_coarse_grids():
    data = burgers(samples=4, points=128, nu=0.02, seed=1)
    solver = solver_of(data)
    truth = data.stack("u")
    error = [np.abs(solver.run(data, coarser=n, tolerance=1e-8).fields["u"] - truth).max() for n in (1, 4, 8)]
    assert error[0] < 1e-6 < error[1] < error[2]
    operator = CoarseSolver(equation="burgers", dim=1, time=1.0, coarser=8, told=["nu"], tolerance=1e-8)
    said = operator(torch.from_numpy(truth[:, :1]), torch.full((4, 1), 0.02))
    assert np.allclose(said[:, 0], solver.run(data, coarser=8, tolerance=1e-8).fields["u"][:, 1], atol=1e-9)


def test_delta_learning_starts_from_the_coarse_solver(tmp_path):
    data = burgers(samples=48, points=64, nu=0.02, seed=2)
    train, test = data[:36], data[36:]
    coarse = CoarseSolver(equation="burgers", dim=1, time=1.0, coarser=4, numbers={"nu": 0.02})
    errors = []
    for baseline in (None, coarse):
        torch.manual_seed(0)
        model = FNO(dim=1, modes=8, width=8, depth=2, in_channels=1, out_channels=1, positions=False)
        task = OperatorMap(model, input="u[0]", target="u[-1]", baseline=baseline)
        fitted = fit(task, train, plan=Plan(steps=40, batch_size=12, lr=5e-3, ema=0.9), seed=0)
        errors.append(fitted.evaluate(test).relative_l2)
    assert errors[1] < 0.5 * errors[0]
    again = load(fitted.save(tmp_path / "delta.safetensors"))
    assert again.evaluate(test).relative_l2 == errors[1]


def test_only_equations_of_ours_can_be_named():
    for name in ("os", "Equation", "solve", "burgers.py", "__class__"):
        with pytest.raises(DomainError, match="equation"):
            CoarseSolver(equation=name, dim=1, time=1.0)
    data = burgers(samples=1, points=16, seed=0)
    for use in ("os:system", "surrogates.physics.fields:Grid", "surrogates.physics.fields:solve", 3):
        data.provenance["settings"]["equation"] = {"use": use}
        assert solver_of(data) is None


def test_the_newest_frame_of_each_field_is_solved_from():
    """Inputs stand field by field, u(t-1), u(t), v(t-1), v(t): the last two channels are not the newest state."""
    settings = {"equation": "gray_scott", "dim": 1, "time": 0.1, "coarser": 1, "lengths": 1.0}
    one = CoarseSolver(**settings)
    wanted = {name: 0.04 for name in one.equation.parameters}
    one, two = CoarseSolver(**settings, numbers=wanted), CoarseSolver(**settings, numbers=wanted, frames=2)
    x = torch.rand(2, 4, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(two(x), one(x[:, [1, 3]]))
