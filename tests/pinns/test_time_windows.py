"""A field in pieces of time: continuous, trained in turn; and a curriculum over speeds."""

import math

import jaxtyping
import pytest
import torch

from surrogates.derivatives import partials
from surrogates.physics.errors import DomainError, TrainingError
from surrogates.pinns.hard_boundary import FromInitial, Periodic
from surrogates.pinns.initial_values import FourierSeries
from surrogates.pinns.mlp import PINN
from surrogates.pinns.problems.convection import convection
from surrogates.pinns.problems.poisson_square import poisson_square
from surrogates.pinns.time_windows import TimeWindows, in_window
from surrogates.tasks.collocation import Collocation
from surrogates.training import Plan
from surrogates.training.curriculum import curriculum, march

SINE = {"initial": FourierSeries(sines=[1.0])}


@pytest.fixture
def unchecked():
    """Trainings run as they do for users, without the checks of annotations, which would be most of their time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def net():
    return Periodic(PINN(inputs=3, width=16, depth=1), axes=[0], periods=2 * math.pi)


def pieces(edges=(0.0, 0.5, 1.5, 2.0)):
    torch.manual_seed(0)
    return TimeWindows([net() for _ in edges[1:]], edges=list(edges), **SINE)


def test_pieces_meet_and_only_one_speaks_while_it_trains():
    field = pieces().double()
    x = torch.rand(20, 2, dtype=torch.float64)
    for edge in (0.5, 1.5):
        before, after = x.clone(), x.clone()
        before[:, 1], after[:, 1] = edge - 1e-12, edge + 1e-12
        torch.testing.assert_close(field(before), field(after), rtol=0, atol=1e-10)
        slopes = [partials(field, there, [(1,)])[0] for there in (before, after)]
        assert (slopes[0] - slopes[1]).abs().max() > 1e-2  # a kink: equations of first order in time
    x[:, 1] = 0.0
    torch.testing.assert_close(field(x), torch.sin(x[:, :1]), rtol=0, atol=1e-14)
    x[:, 1] = 0.7
    whole = field(x)
    field.active = 1
    assert torch.equal(field(x), whole)
    field.active = 2
    assert not torch.allclose(field(x), whole)


def test_a_window_has_its_own_points_and_no_initial_condition():
    late = in_window(convection(beta=2.0, hard=False), 0.4, 0.6)
    times = late.draw(200, 0)[:, 1]
    assert 0.4 <= times.min() < 0.42
    assert 0.58 < times.max() <= 0.6
    assert list(late.edges) == ["periodic"]
    assert late.edges["periodic"].points(20, 0).x[:, 1].min() >= 0.4
    with pytest.raises(DomainError, match="with a time"):
        in_window(poisson_square(), 0.0, 1.0)


def test_marching_trains_piece_after_piece(unchecked):
    problem = convection(beta=2.0)
    task = Collocation(pieces((0.0, 0.5, 1.0)), problem)
    begun = {name: p.detach().clone() for name, p in task.named_parameters()}
    seen = []

    def watch(state):
        if state.step == 1:
            moved = [not torch.equal(p.detach(), begun[name]) for name, p in task.named_parameters()]
            seen.append((sum(moved[:4]), sum(moved[4:])))

    fitted = march(task, plan=Plan(steps=30, batch_size=64, lr=2e-2), valid=60, hooks=[watch])
    assert seen == [(4, 0), (4, 4)]
    assert {row["stage"] for row in fitted.history} == {0, 1}
    assert fitted.task.model.active is None
    assert all(p.requires_grad for p in task.parameters())
    assert fitted.evaluate(problem.points(200, seed=4)).relative_l2 < 0.4
    with pytest.raises(TrainingError, match="TimeWindows"):
        march(Collocation(net(), problem), plan=Plan(steps=1))


def test_a_curriculum_goes_from_slow_to_fast(unchecked):
    torch.manual_seed(0)
    task = Collocation(FromInitial(net(), **SINE), convection(beta=1.0))
    easy, hard = convection(beta=0.5), convection(beta=1.0)
    plan = Plan(steps=20, batch_size=64, lr=2e-2)
    fitted = curriculum(task, [easy, hard], plan=plan, valid=50)
    assert fitted.task.problem.spec["beta"] == 1.0
    assert fitted.provenance["parent"]
    first = next(row["valid"] for row in fitted.history if row["stage"] == 1 and "valid" in row)
    assert first < 0.5  # it began from what was learned, not from 1/2, the residual of doing nothing
    with pytest.raises(TrainingError, match="1 plans for 2"):
        curriculum(task, [easy, hard], plan=[plan])
    with pytest.raises(TrainingError, match="no problems"):
        curriculum(task, [], plan=plan)
