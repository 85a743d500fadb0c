"""Exact solutions on the unit ball: closed derivatives against autograd, symmetries, sampling, baselines."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.solutions import ball, on_ball
from surrogates.physics.solutions.three_body import ThreeBody, three_body
from surrogates.physics.solutions.two_body import TwoBody, two_body


@pytest.fixture(params=[two_body, three_body])
def solution(request):
    return request.param(dim=7, seed=3)


def points(n, dim, seed=0, draw=ball.uniform_radius):
    return draw(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gradient_and_laplacian_are_those_of_the_value(solution):
    x = points(6, 7).requires_grad_()
    (gradient,) = torch.autograd.grad(solution(x).sum(), x, create_graph=True)
    rows = [torch.autograd.grad(gradient[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(7)]
    torch.testing.assert_close(solution.gradient(x), gradient, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(solution.laplacian(x)[:, 0], sum(rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reaction", [on_ball.poisson, on_ball.allen_cahn, on_ball.sine_gordon])
def test_the_source_makes_the_residual_vanish(solution, reaction):
    x = points(5, 7)
    hessian = torch.func.vmap(torch.func.hessian(lambda y: solution(y[None])[0, 0]))(x)
    residual = hessian.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) + reaction(solution(x))
    assert (residual - solution.source(x, reaction)).abs().max() < 1e-10


def test_values_vanish_on_the_sphere_and_do_not_in_it(solution):
    assert solution(points(20, 7, draw=ball.sphere)).abs().max() < 1e-14
    assert solution(points(20, 7)).abs().max() > 0.1


def test_values_are_those_of_the_formula():
    x, c = points(3, 4), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    pairs = sum(c[i] * torch.sin(x[:, i] + x[:, i + 1].cos() + x[:, i + 1] * x[:, i].cos()) for i in range(3))
    triples = sum(c[i] * torch.exp(x[:, i] * x[:, i + 1] * x[:, i + 2]) for i in range(2))
    factor = 1 - (x**2).sum(1)
    torch.testing.assert_close(on_ball.OnBall(TwoBody(c))(x)[:, 0], factor * pairs)
    torch.testing.assert_close(on_ball.OnBall(ThreeBody(c[:2]))(x)[:, 0], factor * triples)


def test_three_bodies_may_be_read_backwards():
    given = ThreeBody.draw(9, seed=2)
    x = points(5, 9)
    backwards = on_ball.OnBall(ThreeBody(given.coefficients.flip(0)))
    torch.testing.assert_close(backwards.laplacian(x.flip(1)), on_ball.OnBall(given).laplacian(x))


def test_long_sums_are_cut_without_a_difference(monkeypatch, solution):
    x = points(5, 7)
    whole = solution.source(x, on_ball.sine_gordon)
    for name in ("two_body", "three_body"):
        monkeypatch.setattr(f"surrogates.physics.solutions.{name}._CHUNK", 11)
    torch.testing.assert_close(solution.source(x, on_ball.sine_gordon), whole, rtol=1e-13, atol=1e-13)


def test_the_two_body_function_is_nearly_linear_in_many_dimensions():
    """What is left of u by the best (1 - |x|^2)(a + b . x): errors of this size say nothing of its two-body part."""

    def left(dim):
        solution, x = two_body(dim, seed=1), points(4 * dim, dim)
        factor = 1 - x.square().sum(1, keepdim=True)
        basis, u = torch.cat([factor, factor * x], 1), solution(x)
        return float((basis @ torch.linalg.lstsq(basis, u).solution - u).norm() / u.norm())

    assert left(10) > 0.03
    assert left(200) < 0.01


def test_radii_are_uniform_or_uniform_in_the_volume():
    radii = points(4000, 30).norm(dim=1)
    volume = points(4000, 30, draw=ball.uniform_ball).norm(dim=1) ** 30
    for sample in (radii, volume):
        gaps = (sample.sort().values - torch.linspace(0, 1, 4000, dtype=torch.float64)).abs().max()
        assert gaps < 1.63 / math.sqrt(4000)  # Kolmogorov's bound at 1 %
    assert points(4000, 30, draw=ball.sphere).mean(dim=0).abs().max() < 5 / math.sqrt(30 * 4000)


def test_points_and_coefficients_repeat_and_differ_by_seed():
    assert torch.equal(points(3, 5, seed=4), points(3, 5, seed=4))
    assert torch.equal(two_body(6, 1).inner.coefficients, two_body(6, 1).inner.coefficients)
    assert not torch.equal(two_body(6, 1).inner.coefficients, two_body(6, 2).inner.coefficients)


def test_what_has_no_meaning_is_refused(solution):
    with pytest.raises(DomainError, match="in 7 dimensions"):
        solution(torch.zeros(3, 6))
    with pytest.raises(DomainError, match="at least 2"):
        two_body(1)
    with pytest.raises(DomainError, match="at least 3"):
        three_body(2)
    with pytest.raises(DomainError, match="dimension"):
        ball.sphere(3, 0)
