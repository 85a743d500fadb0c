"""Problems and their points: reproducible, never the same twice in training, in double precision."""

import math

import jaxtyping
import numpy as np
import pytest
import torch

from surrogates.blocks.deepxde import deepxde
from surrogates.physics.errors import DomainError
from surrogates.pinns.drawing import mix
from surrogates.pinns.inverse import Positive, Unknowns, from_plain, plain
from surrogates.pinns.named import named, named_problem, problem_names
from surrogates.pinns.problem import Problem
from surrogates.pinns.problems.burgers_inverse import burgers_inverse
from surrogates.pinns.problems.poisson_square import poisson_square
from surrogates.pinns.residuals import residuals_at
from surrogates.pinns.stream import PointSet


def on_a_circle(**changed):
    """u = 0 on [0, 2 pi] at all times, with conditions."""

    def line():
        dde = deepxde()
        return dde.geometry.GeometryXTime(dde.geometry.Interval(0, 2 * math.pi), dde.geometry.TimeDomain(0, 1))

    def edges(geometry):
        dde = deepxde()
        return [dde.icbc.DirichletBC(geometry, lambda x: 0.0, lambda x, on: on)]

    given = {"geometry": line, "conditions": edges} | changed
    return Problem(2, lambda u, x: u(x), **given)


def test_points_are_a_function_of_the_seed_and_leave_everything_as_it_was():
    problem = on_a_circle()
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    first = problem.points(20, edge=8, seed=3)
    begun = (torch.rand(1), np.random.rand())  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    assert begun == (torch.rand(1), np.random.rand())  # noqa: NPY002
    assert torch.get_default_dtype() == torch.float32
    assert deepxde().config.real(np) == np.float32
    again = on_a_circle().points(20, edge=8, seed=3)
    assert torch.equal(first.interior, again.interior)
    edge = first.edges["dirichlet"].x
    assert torch.equal(edge, again.edges["dirichlet"].x)
    assert set(edge[:, 0].tolist()) == {0.0, 2 * math.pi}  # not its single-precision neighbour, which lies outside
    assert not torch.equal(first.interior, problem.points(20, seed=4).interior)
    assert problem.names == ("x", "t")
    assert problem.time == 1


def test_a_stream_never_shows_a_point_twice():
    stream = on_a_circle().stream(points=50, edge=4)
    epochs = [stream.order(torch.Generator().manual_seed(k)) for k in (0, 1)]
    assert stream.order(torch.Generator().manual_seed(0)) == epochs[0]
    batches = [stream.batch(rows[k : k + 10]) for rows in epochs for k in (0, 10)]
    interior = torch.cat([b.interior for b in batches])
    assert len(torch.unique(interior, dim=0)) == 40
    assert len(torch.unique(torch.cat([b.edges["dirichlet"].x for b in batches])[:, 1])) == 16
    assert torch.equal(stream.batch(epochs[1][:10]).interior, batches[2].interior)
    low, high = interior.min(dim=0).values, interior.max(dim=0).values
    assert 0 < low.min() < 1 and 4 < high[0] < 2 * math.pi and 0.6 < high[1] < 1  # noqa: PT018


def test_seeds_of_neighbours_are_unrelated():
    seeds = [mix(a, b) for a in range(30) for b in range(30)]
    assert len(set(seeds)) == 900
    ones = np.mean([bin(s).count("1") for s in seeds]) / 63
    assert abs(ones - 0.5) < 0.01


def test_own_points_take_the_place_of_a_geometry():
    def sample(n, generator):
        return 2 * torch.rand(n, 5, generator=generator, device=generator.device)

    problem = Problem(5, lambda u, x: u(x), sample=sample)
    assert problem.points(7).interior.shape == (7, 5)
    assert torch.equal(problem.draw(7, 1), problem.draw(7, 1))
    assert problem.names == ("x1", "x2", "x3", "x4", "x5")
    assert problem.time is None
    with pytest.raises(DomainError, match=r"\(3, 4\)"):
        Problem(4, lambda u, x: u(x), sample=lambda n, g: torch.rand(n, 3)).points(3)


def test_named_problems_come_back_from_their_names():
    made = poisson_square(waves=2)
    assert made.spec == {"name": "poisson_square", "waves": 2, "hard": False}
    again = named_problem("poisson_square", waves=2)
    x = torch.rand(5, 2)
    assert torch.equal(again.exact(x), made.exact(x))
    assert {"poisson_square", "burgers_inverse"} <= set(problem_names())
    for name in problem_names():  # each says what it is called
        assert name in __import__(f"surrogates.pinns.problems.{name}", fromlist=[name]).__dict__
    with pytest.raises(DomainError, match="did you mean 'poisson_square'"):
        named_problem("poison_square")
    with pytest.raises(DomainError, match="did you mean 'waves'"):
        named_problem("poisson_square", wave=2)
    with pytest.raises(DomainError, match="no problem"):
        named_problem("../poisson_square")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"name": "semilinear", "equation": "dataclass"}, "choose one of"),  # any name of that module but these
        ({"name": "semilinear", "dim": 0}, "at least one dimension"),
        ({"name": "sine_gordon", "dim": 100.0}, "whole number"),
        ({"name": "sine_gordon", "seed": 10**30}, "whole number"),
        ({"name": "convection", "beta": float("nan")}, "finite"),
        ({"name": "kdv", "until": float("inf")}, "finite"),
        ({"name": "kdv", "k": "ab"}, "does not accept"),
        ({"name": "kadomtsev_petviashvili", "k": [1e308]}, "does not accept"),
    ],
)
def test_a_file_s_wrong_arguments_end_in_one_clear_error(spec, told):
    words = dict(spec)
    jaxtyping.config.update("jaxtyping_disable", True)  # as users run it
    try:
        with pytest.raises(DomainError, match=told):
            named_problem(words.pop("name"), **words)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("name", ["keys", "training", "x.y", ""])
def test_unknowns_cannot_take_names_that_modules_have(name):
    with pytest.raises(DomainError, match="another word"):
        Unknowns({name: 1.0})


def test_how_a_residual_is_computed_is_no_part_of_its_problem():
    @named
    def own(*, dim=2, how=None):
        return Problem(dim, lambda u, x: u(x), sample=lambda n, g: torch.rand(n, dim, generator=g))

    assert own(dim=3, how=object()).spec == {"name": "own", "dim": 3}

    @named
    def array(*, at=None):
        return Problem(1, lambda u, x: u(x), sample=lambda n, g: torch.rand(n, 1, generator=g))

    assert array(at=np.ones(3)).spec is None


def test_unknown_numbers_stay_positive_and_move_by_their_rate():
    unknowns = Unknowns({"nu": Positive(0.1, rate=2.0), "c": -3.0})
    assert {n: float(v.detach()) for n, v in unknowns().items()} == pytest.approx({"nu": 0.1, "c": -3.0})
    with torch.no_grad():
        unknowns.theta["nu"] -= 5.0
    assert float(unknowns()["nu"].detach()) == pytest.approx(0.1 * math.exp(-10.0))
    given = {"nu": Positive(0.1, 2.0), "c": -3.0}
    assert from_plain(plain(given)) == given
    for wrong in ({"nu": "0.1"}, {"nu": math.nan}):
        with pytest.raises(DomainError, match="nu"):
            Unknowns(wrong)
    with pytest.raises(DomainError, match="positive"):
        Positive(0.0)


def test_observations_of_burgers_flow_carry_the_noise_asked_for():
    clean, noisy = (burgers_inverse(observations=200, noise=s).edges["observations"].points(1, 0) for s in (0.0, 0.05))
    assert torch.equal(clean.x, noisy.x)
    assert clean.values.abs().max() <= 1.0
    assert float((noisy.values - clean.values).std()) == pytest.approx(0.05, rel=0.15)
    start = torch.tensor([[0.5, 0.0], [-0.25, 0.0], [1.0, 0.5]], dtype=torch.float64)
    expected = torch.tensor([[-1.0], [math.sqrt(0.5)], [0.0]], dtype=torch.float64)
    torch.testing.assert_close(burgers_inverse().exact(start), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dim": 0}, "dim=0"),
        ({"residual": 3}, "residual=3"),
        ({"geometry": None, "conditions": ()}, "no domain"),
        ({"geometry": None, "sample": lambda n, g: torch.rand(n, 2)}, "need a geometry"),
        ({"coordinates": ("x",)}, "coordinates"),
        ({"exact": 1.0}, "exact"),
    ],
)
def test_problems_that_make_no_sense_are_refused(given, told):
    with pytest.raises(DomainError, match=told):
        Problem(**{"dim": 2, "residual": lambda u, x: u(x), "geometry": lambda: None, "conditions": [1]} | given)


def test_points_and_sizes_that_do_not_fit_are_refused():
    problem = on_a_circle()
    with pytest.raises(DomainError, match=r"\(n, 2\)"):
        PointSet(problem, torch.rand(4, 3))
    with pytest.raises(DomainError, match="points=0"):
        problem.stream(points=0)
    with pytest.raises(DomainError, match="dim=1, the problem dim=2"):
        on_a_circle(geometry=deepxde().geometry.Interval(0, 1), conditions=()).points(3)


def test_residuals_of_another_shape_are_refused():
    x = torch.rand(6, 2)
    wrong = {
        "6 points": lambda u, x: u(x).sum(),
        "column": lambda u, x: u(x) - x[:, 0],
        "str": lambda u, x: {"a": "b"},
    }
    for told, residual in wrong.items():
        problem = Problem(2, residual, sample=lambda n, g: torch.rand(n, 2))
        with pytest.raises(DomainError, match=told):
            residuals_at(problem, lambda x: x[:, :1], x, {})
