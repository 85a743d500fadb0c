"""The DeepONet family in a task: trained by fit on data sets of fields, kept in a checkpoint, checked."""

import pytest
import torch

import surrogates
from surrogates.datasets.generators.function_spaces import ChebyshevSeries
from surrogates.datasets.generators.ode_operators import antiderivative, gravity_pendulum
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.deeponet_parts.boundary import Pinned
from surrogates.operators.mionet import MIONet
from surrogates.operators.pod_deeponet import PODDeepONet
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit

PLAN = Plan(epochs=40, batch_size=40, lr=1e-2, dtype="float64")
COMMON = {"dim": 1, "sensors": 20, "points": "ends", "activation": "tanh"}


@pytest.fixture(scope="module")
def data():
    return antiderivative(100, 20, space=ChebyshevSeries(4)).split(80, 20, seed=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeepONet(**COMMON, boundary=Pinned(low=[0])),
        pytest.param(lambda: PODDeepONet(**COMMON, modes=4), marks=pytest.mark.slow),
    ],
)
def test_it_learns_is_kept_and_obeys_what_its_task_claims(make, data, tmp_path):
    train, test = data
    fitted = fit(OperatorMap(make(), input="u", target="s"), train, plan=PLAN, seed=0)
    found = fitted.predict(test).fields["s"]
    truth = torch.from_numpy(test.stack("s"))
    assert (found - truth).norm() < 0.5 * (truth - truth.mean(0)).norm()
    assert found[..., 0].abs().max() < 1e-12  # s(0) = 0: pinned, or in the span of the modes
    again = surrogates.load(fitted.save(tmp_path / "net.safetensors"))
    assert torch.equal(again.predict(test).fields["s"], found)
    report = surrogates.check(fitted, test)
    for name in ("batch = one by one", "determinism", "saved = loaded"):
        assert report[name].verdict == "pass", str(report)


def test_the_same_functions_are_the_same_question_whatever_the_grid(data):
    train, _ = data
    task = OperatorMap(DeepONet(**COMMON), input="u", target="s").double()
    task.prepare(train)
    coarse, fine = (antiderivative(5, n, space=ChebyshevSeries(4), seed=7) for n in (20, 191))  # 190 = 10 * 19
    one, two = (task.predict(d).fields["s"][:, 0] for d in (coarse, fine))
    torch.testing.assert_close(two[:, ::10], one, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_a_parameter_is_an_input_of_its_own_branch():
    parts = [gravity_pendulum(20, 20, k=k, space=ChebyshevSeries(3), seed=i) for i, k in enumerate((0.5, 20.0))]
    train = parts[0] + parts[1]
    model = MIONet(**COMMON, n_parameters=1, out_channels=2)
    fitted = fit(OperatorMap(model, input="u", target=["s", "v"], parameters="k"), train, plan=PLAN, seed=0)
    weak, stiff = (gravity_pendulum(3, 20, k=k, space=ChebyshevSeries(3), seed=9) for k in (0.5, 20.0))
    one, two = (fitted.predict(d).fields["s"] for d in (weak, stiff))
    truth = [torch.from_numpy(d.stack("s")) for d in (weak, stiff)]
    assert (one - two).norm() > 0.3 * (truth[0] - truth[1]).norm()
    assert (one - truth[0]).norm() < (one - truth[1]).norm()
