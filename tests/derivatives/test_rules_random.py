"""Random expressions over all rules: their series are nested autograd's, collapsed and along sparse directions."""

import random

import pytest
import torch
from torch.nn import functional as F

from surrogates.derivatives import SparseDirections, propagate

SHAPE = (2, 6)
X = torch.linspace(-1.3, 1.1, 12, dtype=torch.float64).reshape(SHAPE).sin()
C = torch.linspace(-1, 1.5, 12, dtype=torch.float64).reshape(SHAPE).cos()
M = torch.linspace(-1, 1, 36, dtype=torch.float64).reshape(6, 6).mul(2.3).sin()
SPARSE = SparseDirections(torch.tensor([[0, 3], [5, 2]]), torch.tensor([[1.0, -0.5], [0.7, 1]]).double())
WEIGHTS = torch.tensor([0.6, -1.3]).double()

UNARY = [torch.tanh, torch.sin, torch.cos, torch.sigmoid, torch.erf, torch.atan, torch.asinh, torch.relu, torch.abs]
UNARY += [F.silu, F.softplus, F.elu, F.leaky_relu, F.mish, F.logsigmoid, torch.neg, torch.square]
UNARY += [
    lambda z: torch.exp(-z * z),
    lambda z: torch.log(2 + torch.sin(z)),
    lambda z: torch.sqrt(1 + z**2),
    lambda z: torch.rsqrt(2 + z.cos()),
    lambda z: torch.tanh(z) ** 3,
    lambda z: (1.5 + torch.sin(z)) ** -1.3,
    lambda z: 1 / (2 - torch.sigmoid(z)),
    lambda z: 2 ** torch.tanh(z),
    lambda z: torch.tanh(z) @ M,
    lambda z: torch.einsum("bi,ij,bj->bi", z.sin(), M, z.cos()),
    lambda z: F.linear(z.tanh(), M, M[0]),
    lambda z: F.conv1d(z.tanh()[:, None], M[:1, :3][None], padding=1)[:, 0],
    lambda z: torch.softmax(z, -1),
    lambda z: torch.log_softmax(z, 0),
    lambda z: z - z.mean(-1, keepdim=True),
    lambda z: z * torch.rsqrt(z.var(-1, keepdim=True) + 1),
    lambda z: z / (1 + z.norm(dim=0)),
    lambda z: z.cumsum(1).tanh(),
    lambda z: z.flip(0).roll(1, 1),
    lambda z: torch.cat([z[:, 3:], z[:, :2].sin(), z[:, 2:3]], 1),
    lambda z: z.reshape(3, 4).T.reshape(SHAPE),
    lambda z: torch.where(z > 0.1, z.sin(), z.cos()),
    lambda z: z.clamp(-0.7, 0.9),
    lambda z: z.sort(-1).values,
    lambda z: F.pad(z[:, 1:5], (1, 1), value=0.3),
    lambda z: torch.stack([z[0], z[1].sin()]),
    lambda z: z.sum(-1, keepdim=True).tanh() * C,
    lambda z: torch.logsumexp(z, 0, keepdim=True) + z,
    lambda z: z.sin().add_(1).mul_(C),
]
BINARY = [torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum, torch.logaddexp]
BINARY += [
    lambda a, b: a / (2 + torch.cos(b)),
    lambda a, b: torch.atan2(a, 2 + torch.tanh(b)),
    lambda a, b: (2 + torch.sin(a)) ** torch.tanh(b),
    lambda a, b: torch.hypot(a, b + 4),
    lambda a, b: (a.tanh() @ b.sin().T) @ C,
    lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    lambda a, b: torch.where(a > b, a, 0.5 * b),
]


def expression(rng, depth):
    """A random function of x: x itself, a constant, or an operation on smaller ones."""
    if depth == 0:
        return (lambda x: x) if rng.random() < 0.85 else (lambda x: C)
    if rng.random() < 0.6:
        f, inner = rng.choice(UNARY), expression(rng, depth - 1)
        return lambda x: f(inner(x))
    f, a, b = rng.choice(BINARY), expression(rng, depth - 1), expression(rng, rng.randrange(depth))
    return lambda x: f(a(x), b(x))


def check(seed, depth, order):
    rng = random.Random(seed)
    tree, other = expression(rng, depth), expression(rng, 1)

    def u(x):
        y = tree(x) + 0.1 * other(x)
        return (y * torch.sin(1.7 * torch.arange(1, 13)).to(y).reshape(SHAPE)).sum()

    whole, dense = propagate(u, X, SPARSE, order), SPARSE.dense(6)
    for i in range(2):
        t = torch.zeros((), dtype=X.dtype, requires_grad=True)
        d = u(X + t * dense[i])
        for k, c in enumerate(whole):
            if torch.isnan(d):  # nested autograd of a norm at zero
                break
            found, size = (c if k == 0 else c[i]), 1 + whole[k].abs().max().item()
            torch.testing.assert_close(found, d, rtol=1e-10, atol=1e-10 * size, msg=lambda m: f"seed {seed}: {m}")
            if k < order:
                grads = torch.autograd.grad(d, t, create_graph=True, allow_unused=True)[0] if d.requires_grad else None
                d = torch.zeros_like(d) if grads is None else grads / (k + 1)
    short = propagate(u, X, dense, order, weights=WEIGHTS)
    torch.testing.assert_close(
        short[-1], WEIGHTS @ whole[-1], rtol=1e-10, atol=1e-10 * (1 + whole[-1].abs().max().item())
    )


@pytest.mark.parametrize("seed", range(16))
def test_random_expressions(seed):
    check(seed, depth=3, order=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_many_random_expressions(seed):
    check(seed, depth=4, order=4)
