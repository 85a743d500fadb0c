"""Estimates of operators are without bias, in values and parameter gradients: 1e4 draws within 4 standard errors."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from surrogates.derivatives import (
    Biharmonic,
    Dense,
    Diagonal,
    PartialSum,
    SecondOrder,
    Sparse,
    SparseDirections,
    estimate,
    laplacian,
)
from surrogates.derivatives.scheme import Scheme, apply, each
from surrogates.derivatives.stde import LAWS, distinct, distinct_pairs
from surrogates.physics.errors import DomainError

D, BLOCKS = 6, 50
COEFFICIENTS = torch.tensor([2.0, -1, 0.5, 0, 1, -0.3], dtype=torch.float64)
FACTOR = torch.tensor([[1.0, 0, 2], [0, 1, 0], [0.5, 0, 0], [0, 0, -1], [0, 3, 0], [1, 1, 1]], dtype=torch.float64)
IIJ = PartialSum(tuple((i, i, j) for i in range(D) for j in (0, 3) if i != j))


@pytest.fixture
def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(D, 6), nn.Tanh(), nn.Linear(6, 1)).double()


@pytest.fixture
def u(net):
    """A network with a polynomial that has derivatives of every kind up to order 4."""
    mix = torch.randn(D, 3, dtype=torch.float64) / 4
    return lambda x: (
        (1 - (x**2).sum(-1, keepdim=True)) * net(x) + ((x @ mix) ** 4 + (x @ mix) ** 3).sum(-1, keepdim=True)
    )


@pytest.fixture
def x():
    torch.manual_seed(4)
    return torch.randn(1, D, dtype=torch.float64)


def estimates(u, x, schemes):
    """One number for each scheme, all from one pass."""
    first = schemes[0].directions
    if isinstance(first, torch.Tensor):
        directions = torch.cat([s.directions for s in schemes])
    else:
        parts = [s.directions for s in schemes]
        directions = SparseDirections(torch.cat([p.indices for p in parts]), torch.cat([p.values for p in parts]))
    together = Scheme(directions, torch.cat([s.weights for s in schemes]), schemes[0].order)
    return each(u, x, together)[1].flatten().unflatten(0, (len(schemes), -1)).sum(1)


def gradients(y, net):
    """(n, parameters) of n numbers."""
    rows, parameters = torch.eye(len(y), dtype=y.dtype), list(net.parameters())
    parts = torch.autograd.grad(y, parameters, rows, retain_graph=True, is_grads_batched=True, allow_unused=True)
    return torch.cat([p.flatten(1) for p in parts if p is not None], 1)


def deviations(blocks, exact):
    """(mean - exact) / standard error of each column; where nothing is random the mean is exact."""
    error, spread = blocks.mean(0) - exact, blocks.std(0) / math.sqrt(len(blocks))
    live = spread > 1e-9 * blocks.abs().amax(0)
    assert live.sum() > 10
    assert (error[~live].abs() <= 1e-7 * blocks.abs().amax(0)[~live]).all()
    return error[live] / spread[live]


def bias(u, net, x, operator, schemes):
    """Deviations of the value and of every parameter's gradient, over blocks of draws."""
    blocks = estimates(u, x, schemes).unflatten(0, (BLOCKS, -1)).mean(1)
    whole = apply(u, x, operator.exact(x)).flatten()
    found = torch.cat([blocks.detach().unsqueeze(1), gradients(blocks, net)], 1)
    return deviations(found, torch.cat([whole.detach(), gradients(whole, net)[0]]))


def drawn(operator, x, law, draws, per=2):
    """`draws` terms or random directions, as independent estimates from `per` each."""
    torch.manual_seed(12)
    if law is None:
        return [operator.sparse(x, Sparse(per)) for _ in range(draws // per)]
    whole = operator.dense(x, Dense(draws, law))
    group = len(whole) // draws * per
    return [replace(part, weights=part.weights * (draws / per)) for part in whole.parts(group)]


OPERATORS = {
    "laplacian": (Diagonal(), ["rademacher", "gaussian", "sphere", "mammen"]),
    "some-axes": (Diagonal(2, 1.0, (0, 2, 5)), ["rademacher"]),
    "weighted-second": (Diagonal(2, COEFFICIENTS), ["rademacher", "gaussian"]),
    "weighted-third": (Diagonal(3, COEFFICIENTS), ["mammen"]),
    "fourth": (Diagonal(4), []),
    "biharmonic": (Biharmonic(), ["gaussian", "sphere", "rademacher", "mammen"]),
    "covariance": (SecondOrder(FACTOR), ["rademacher", "gaussian", "sphere"]),
    "iij": (IIJ, []),
}
QUICK = [
    ("laplacian", None),
    ("laplacian", "rademacher"),
    ("weighted-third", None),
    ("biharmonic", "sphere"),
    ("biharmonic", "rademacher"),
    ("iij", None),
]
EVERY = [(name, law) for name, (_, laws) in OPERATORS.items() for law in (None, *laws)]


@pytest.mark.parametrize(("name", "law"), QUICK)
def test_estimates_have_no_bias(u, net, x, name, law):
    operator = OPERATORS[name][0]
    assert bias(u, net, x, operator, drawn(operator, x, law, 1000)).abs().max() < 4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "law"), EVERY)
def test_ten_thousand_draws_have_no_bias(u, net, x, name, law):
    operator = OPERATORS[name][0]
    assert bias(u, net, x, operator, drawn(operator, x, law, 10_000)).abs().max() < 4


def test_uncorrected_rademacher_is_seen_to_be_wrong(u, net, x):
    """It has the mean 3 Lap^2 u - 2 sum_i d_i^4 u: the test above can fail."""
    torch.manual_seed(5)
    v = LAWS["rademacher"].draw(2000, D, generator=None, like=x)
    plain = Scheme(v, x.new_full((len(v),), 1 / 3), 4)
    schemes = [replace(part, weights=part.weights / 4) for part in plain.parts(4)]
    assert bias(u, net, x, Biharmonic(), schemes).abs().max() > 8


def test_the_square_of_a_residual_has_an_unbiased_gradient_from_two_draws(u, net, x):
    """grad R^2 = E[2 R_1 grad R_2]; one draw used twice adds the variance of R to the loss."""
    schemes = drawn(Diagonal(), x, None, 1000)
    torch.manual_seed(6)
    first, second = estimates(u, x, schemes), estimates(u, x, [Diagonal().sparse(x, Sparse(2)) for _ in schemes])
    exact = gradients(apply(u, x, Diagonal().exact(x)).flatten().square(), net)[0]
    twice = gradients((2 * first.detach() * second).unflatten(0, (BLOCKS, -1)).mean(1), net)
    once = gradients(second.square().unflatten(0, (BLOCKS, -1)).mean(1), net)
    assert deviations(twice, exact).abs().max() < 4
    assert deviations(once, exact).abs().max() > 6


def test_all_terms_are_exact(u, x):
    for operator, count in ((Diagonal(), D), (Biharmonic(), D * (D - 1) // 2), (IIJ, 2 * D - 2), (Diagonal(5, 2.0), D)):
        whole = apply(u, x, operator.exact(x))
        torch.testing.assert_close(apply(u, x, operator.sparse(x, Sparse(count))), whole, rtol=1e-11, atol=1e-11)
        found = estimate(u, x, operator, Sparse(count + 3))
        assert found.standard_error.abs().max() == 0
        torch.testing.assert_close(found.mean, whole, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("how", [Sparse(3), Dense(4)])
def test_the_standard_error_is_the_spread_of_estimates(x, how):
    torch.manual_seed(7)
    mix = torch.randn(D, D, dtype=torch.float64)

    def u(x):
        return torch.tanh(x @ mix).sum(-1, keepdim=True)

    many = [estimate(u, x, Diagonal(), how) for _ in range(60)]
    spread = torch.stack([e.mean for e in many]).std()
    claimed = torch.stack([e.standard_error for e in many]).square().mean().sqrt()
    torch.testing.assert_close(claimed, spread, rtol=0.3, atol=0)
    torch.testing.assert_close(many[0].value, u(x))
    with pytest.raises(DomainError, match="at least two"):
        estimate(u, x, Diagonal(), Sparse(1))


@pytest.mark.parametrize("population", [20, 1000])
def test_draws_are_distinct_and_uniform(population):
    """Below and above 64 times as many as are drawn, where another way is taken."""
    torch.manual_seed(8)
    counts = torch.zeros(population)
    for _ in range(1000):
        found = distinct(Sparse(4), population)
        assert len(set(found.tolist())) == 4
        counts[found] += 1
    expected = 1000 * 4 / population
    chi = ((counts - expected) ** 2).sum() / expected / population
    assert chi < 1.4
    assert sorted(distinct(Sparse(population), population).tolist()) == list(range(population))


def test_pairs_are_distinct_and_ordered():
    for size in (5, 100_000):
        pairs = distinct_pairs(Sparse(8), size)
        assert len(set(map(tuple, pairs.tolist()))) == 8
        assert (pairs[:, 0] < pairs[:, 1]).all()
        assert pairs.max() < size
    assert len(distinct_pairs(Sparse(100), 5)) == 10


def test_laws_have_the_moments_that_are_claimed():
    torch.manual_seed(9)
    like, d = torch.zeros(1, dtype=torch.float64), 3
    for name, law in LAWS.items():
        v = law.draw(100_000, d, generator=None, like=like)
        for power, exact in ((v, 0), (v[:, 0] * v[:, 1], 0), (v**2, 1), (v**3, law.third), (v[:, 0] ** 2 * v[:, 1], 0)):
            assert abs(power.mean() - exact) < 0.02, name
        pair = (v[:, 0] ** 2 * v[:, 1] ** 2).mean()
        assert abs(pair - law.fourth(d)) < 0.02, name
        assert abs((v**4).mean() - 3 * pair - law.excess) < 0.1, name


def test_a_generator_repeats_its_draws(u, x):
    def draw(seed):
        return laplacian(u, x, how=Dense(2, generator=torch.Generator().manual_seed(seed)))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("operator", "how", "text"),
    [
        (Diagonal(4), Dense(), "no random vector"),
        (Diagonal(3), Dense(), "third moment"),
        (Diagonal(6, COEFFICIENTS), Dense(4, "gaussian"), "Sparse"),
        (IIJ, Dense(), "Sparse"),
    ],
)
def test_a_dense_estimate_that_does_not_exist_is_refused(x, operator, how, text):
    with pytest.raises(DomainError, match=text):
        operator.dense(x, how)
