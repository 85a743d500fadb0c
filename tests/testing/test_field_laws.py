"""The laws of fields on what is known to obey them: solvers, derivatives of fields, untrained networks."""

import math

import pytest
import torch

import surrogates
from surrogates.datasets.batch import GridBatch
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.deeponet_parts.features import Periodic
from surrogates.operators.fno import FNO
from surrogates.physics.errors import DomainError
from surrogates.physics.fields.advection import advection
from surrogates.physics.fields.burgers import burgers
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.solve import solve
from surrogates.testing.field_check import check_operator
from surrogates.testing.field_claims import EXACT, SINGLE, Claims, Question, Tolerance
from surrogates.testing.field_laws import order_of_convergence, resolution
from surrogates.testing.field_probe import field_probe
from surrogates.testing.field_saboteurs import Diffusion, derivative
from surrogates.testing.field_transforms import mirrored, smoothed, thinned, turned

P4M = ("translation", "rotation", "reflection")


def fields(channels=1, samples=3, space=(32, 32), points="periodic"):
    torch.manual_seed(0)
    raw = torch.randn(samples, channels, *space, dtype=torch.float64)
    return smoothed(raw, (points,) * len(space), 6) * 4 + 0.5


def burgers_solver(points=64, dt=2e-3):
    def step(values, parameters):
        told = {"nu": parameters[:, 0]}
        grid = Grid(values.shape[-1])
        return solve(burgers(), values, grid=grid, times=[0, 0.05], parameters=told, dt=dt).values[:, -1]

    return step


def test_a_spectral_solver_obeys_every_law_of_its_equation():
    u = 0.3 * smoothed(fields(space=(64,)), ("periodic",), 16)
    nu = torch.full((3, 1), 0.05, dtype=torch.float64)
    batch = GridBatch(u, nu, None, None, (True,))
    claims = Claims(symmetry=["translation"], equation=burgers(), step=0.05, parameters={"nu": nu[:, 0]})
    report = check_operator(burgers_solver(), batch, claims=claims)
    assert report.passed, str(report)
    for name in (
        "translation",
        "conservation: mean",
        "PDE residual",
        "resolution",
        "batch = one by one",
        "determinism",
    ):
        assert report[name].verdict == "pass", str(report)
    # u -> -u(-x) is its symmetry: a mirror image alone is none, and u as pseudoscalar has one
    wrong = check_operator(burgers_solver(), batch, claims=Claims(symmetry=["reflection"]))
    right = check_operator(burgers_solver(), batch, claims=Claims(symmetry=["reflection"], inputs=["pseudoscalar"]))
    assert wrong["reflection"].verdict == "FAIL"
    assert right["reflection"].verdict == "pass"


def test_transport_has_a_finite_reach_and_no_mirror():
    def step(values):
        grid = Grid(values.shape[-1])
        return solve(advection(), values, grid=grid, times=[0, 0.125], parameters={"c_x": 1.0}).values[:, -1]

    claims = Claims(symmetry=["translation", "reflection"], linear=True, reach=0.13)
    report = check_operator(step, fields(space=(64,)), claims=claims)
    assert [law.name for law in report.failed] == ["reflection"], str(report)
    assert report["causality"].verdict == "pass"
    short = check_operator(step, fields(space=(64,)), claims=Claims(reach=0.02))
    assert short["causality"].verdict == "FAIL"


def gradient(u):
    return torch.cat([derivative(u, axis) for axis in range(u.ndim - 2)], dim=1)


def curl(v):
    return derivative(v[:, 1:2], 0) - derivative(v[:, :1], 1)


def strain(v):
    rows = [[derivative(v[:, i : i + 1], j) for j in (0, 1)] for i in (0, 1)]
    return torch.cat([(rows[i][j] + rows[j][i]) / 2 for i in (0, 1) for j in (0, 1)], dim=1)


@pytest.mark.parametrize(
    ("operator", "given", "found", "channels"),
    [
        (gradient, "scalar", "vector", 1),
        (curl, "vector", "pseudoscalar", 2),
        (strain, "vector", "tensor", 2),
    ],
)
@pytest.mark.parametrize("centre", ["grid", "origin"])
def test_derivatives_of_fields_turn_as_what_they_are_and_not_as_scalars(operator, given, found, channels, centre):
    claims = Claims(symmetry=P4M, inputs=[given], outputs=[found], centre=centre, linear=True)
    report = check_operator(operator, fields(channels), claims=claims)
    assert report.passed, str(report)
    assert report["rotation"].passed
    assert report["reflection"].passed
    n = {"vector": 2, "tensor": 4, "pseudoscalar": 1}[found]
    blind = Claims(symmetry=P4M, inputs=[given], outputs=["scalar"] * n, centre=centre)
    failed = {law.name for law in check_operator(operator, fields(channels), claims=blind).failed}
    assert "reflection" in failed
    assert ("rotation" in failed) == (found != "pseudoscalar")


def test_gradients_turn_in_every_plane_of_space():
    claims = Claims(symmetry=P4M, inputs=["scalar"], outputs=["vector"])
    report = check_operator(gradient, fields(space=(8, 8, 8), samples=2), claims=claims)
    assert report["rotation"].passed, str(report)
    assert report["reflection"].passed


def test_turning_a_radial_field_changes_nothing_and_four_turns_are_none():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    radial = torch.stack(torch.meshgrid(x, x, indexing="ij"))[None]
    torch.testing.assert_close(turned(radial, ["vector"], (0, 1)), radial)
    torch.testing.assert_close(mirrored(radial, ["vector"], 0), radial)
    values, kinds = fields(7, 2, (6, 6)), ["tensor", "vector", "pseudoscalar"]
    around = values
    for _ in range(4):
        around = turned(around, kinds, (0, 1), "origin")
    assert torch.equal(around, values)
    twice = mirrored(mirrored(values, kinds, 1, "origin"), kinds, 1, "origin")
    assert torch.equal(twice, values)
    half = turned(turned(values, kinds, (0, 1)), kinds, (0, 1))
    torch.testing.assert_close(half, mirrored(mirrored(values, kinds, 0), kinds, 1))


@pytest.mark.parametrize(("points", "n"), [("periodic", 64), ("cells", 64), ("ends", 65)])
def test_half_the_points_carry_a_smoothed_field(points, n):
    u = fields(1, 2, (n,), points)
    smooth = smoothed(u, (points,))
    torch.testing.assert_close(smoothed(smooth, (points,)), smooth, rtol=1e-10, atol=1e-10)
    half = thinned(smooth, (points,))
    assert half.shape[-1] == (n + 1) // 2
    again = thinned(smoothed(smooth, (points,), 8), (points,))
    torch.testing.assert_close(smoothed(half, (points,), 4), again, rtol=1e-10, atol=1e-10)


def test_grids_between_walls_are_halved_as_their_points_lie():
    def slope(values):  # of a field that is mirrored at the walls
        n = values.shape[-1]
        whole = torch.cat([values, values.flip(-1)[..., 1:-1] if n % 2 else values.flip(-1)], dim=-1)
        return derivative(whole, 0)[..., :n]

    for points, n in (("cells", 64), ("ends", 65)):
        question = Question(fields(1, 2, (n,), points), None, None, (points,), Claims())
        (law,) = resolution(field_probe(slope), question, EXACT)
        assert law.passed, law
        wrong = Question(fields(1, 2, (64,), "cells"), None, None, ("ends",), Claims())
        assert resolution(field_probe(slope), wrong, EXACT)[0].verdict == "not applicable"


def test_networks_are_told_what_they_are():
    torch.manual_seed(0)
    fno = FNO(dim=2, modes=5, width=6, in_channels=1, out_channels=1, depth=2)
    with torch.no_grad():
        for p in fno.parameters():
            p.mul_(2.0)
    report = check_operator(fno, fields().float(), claims=Claims(symmetry=["rotation"]))
    assert report["rotation"].verdict == "FAIL"  # a Fourier neural operator has no such symmetry
    assert "float64" in report.precision
    assert next(fno.parameters()).dtype == torch.float32
    for name in ("batch = one by one", "determinism", "saved = loaded"):
        assert report[name].verdict == "pass", str(report)
    net = DeepONet(dim=1, sensors=32, activation="tanh", features=Periodic(harmonics=2))
    report = check_operator(net, fields(space=(32,)), claims=Claims())
    assert report["translation"].verdict == "FAIL"  # nor a DeepONet this one: it knows its sensors by place
    assert report["resolution"].verdict == "FAIL" or report["resolution"].error > 0
    assert report["saved = loaded"].verdict == "pass"
    single = check_operator(net, fields(space=(32,)), claims=Claims(symmetry=()), dtype=None)
    assert "float32" in single.precision
    assert single["batch = one by one"].tolerance >= 10 * EXACT.relative
    assert SINGLE.relative > EXACT.relative


def runge_kutta(steps):
    x, h = torch.tensor([1.0, 0.0], dtype=torch.float64), 1 / steps
    for _ in range(steps):
        k1 = _rate(x)
        k2 = _rate(x + h / 2 * k1)
        k3 = _rate(x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + _rate(x + h * k3))
    return x


def euler(steps):
    x = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for _ in range(steps):
        x = x + _rate(x) / steps
    return x


def _rate(x):
    return torch.stack([x[1], -(math.pi**2) * x[0]])


def test_the_order_of_a_solver_is_measured():
    assert order_of_convergence(runge_kutta, 4).passed
    assert order_of_convergence(runge_kutta, 4, exact=torch.tensor([-1.0, 0.0], dtype=torch.float64)).passed
    assert order_of_convergence(euler, 4).verdict == "FAIL"
    assert order_of_convergence(euler, 1, steps=(512, 1024, 2048)).passed
    assert order_of_convergence(lambda n: torch.zeros(2), 4).verdict == "not applicable"
    assert order_of_convergence(lambda n: torch.full((2,), math.nan), 4).verdict == "FAIL"
    with pytest.raises(DomainError, match="three numbers"):
        order_of_convergence(euler, 1, steps=(4, 8))


def test_the_order_of_the_spectral_solver_is_four():
    u, nu = smoothed(fields(space=(64,)), ("periodic",), 16), torch.full((3, 1), 0.02, dtype=torch.float64)
    law = order_of_convergence(lambda n: burgers_solver(dt=0.05 / n)(u, nu), 4, steps=(4, 8, 16))
    assert law.passed, law


def test_one_door_for_structures_and_fields():
    report = surrogates.check(Diffusion(), fields())
    assert report["translation"].verdict == "pass"
    assert "Laws of Diffusion" in str(report)


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(DomainError, match="symmetry"):
        Claims(symmetry=["rotations"])
    with pytest.raises(DomainError, match="kind"):
        Claims(inputs=["spinor"])
    with pytest.raises(DomainError, match="give both"):
        Claims(step=0.1)
    with pytest.raises(DomainError, match="fill 2 channels"):
        check_operator(Diffusion(), fields(), claims=Claims(symmetry=P4M, inputs=["vector"]))
    with pytest.raises(DomainError, match="maps no fields"):
        check_operator(3, fields())
    with pytest.raises(DomainError, match="at least one"):
        check_operator(Diffusion(), fields()[:0])
    with pytest.raises(DomainError, match="not finite"):
        check_operator(Diffusion(), fields() * math.nan)
    with pytest.raises(DomainError, match="expected are fields"):
        check_operator(lambda values: values.mean(), fields())
    with pytest.raises(DomainError, match="centre"):
        Claims(centre="middle")


def test_an_answer_that_is_not_finite_fails():
    report = check_operator(lambda values: values / 0, fields(), tolerance=Tolerance())
    assert "translation" in {law.name for law in report.failed}
    question = Question(fields(), None, None, ("periodic", "periodic"), Claims())
    assert field_probe(lambda values: values)(question).dtype == torch.float64
