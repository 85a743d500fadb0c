"""Every rule: its series are nested autograd's, collapsed and along sparse directions too, and no rule is missing."""

import math
import operator

import mpmath
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from surrogates.derivatives import SparseDirections, jet, propagate

X = torch.tensor([[0.3, -0.7, 1.2, -0.4, 0.9, 0.1, -1.1, 0.6], [-0.2, 0.5, -1.3, 0.8, 0.05, -0.6, 1.4, -0.9]]).double()
SPARSE = SparseDirections(
    torch.tensor([[0, 3], [7, 2], [5, 6]]), torch.tensor([[1.0, -0.5], [0.7, 1], [-1, 0.4]]).double()
)
WEIGHTS = torch.tensor([0.6, -1.3, 0.8]).double()
P = torch.linspace(-1.1, 1.3, 64, dtype=torch.float64)
W, M, K = P.reshape(8, 8).sin(), P[:8] * 2, P[:12].cos()


def grid(x):
    return x.reshape(2, 2, 4)


def image(x):
    return x.reshape(1, 2, 2, 4)


ELEMENTWISE = {
    name: getattr(torch, name)
    for name in [
        "tanh",
        "sigmoid",
        "exp",
        "exp2",
        "expm1",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "erf",
        "erfc",
        "atan",
        "asinh",
        "abs",
        "relu",
        "square",
        "neg",
    ]
}
ELEMENTWISE |= {
    name: getattr(F, name)
    for name in [
        "silu",
        "gelu",
        "softplus",
        "logsigmoid",
        "mish",
        "elu",
        "selu",
        "celu",
        "leaky_relu",
        "relu6",
        "hardtanh",
        "hardsigmoid",
        "hardswish",
        "softsign",
        "tanhshrink",
        "softshrink",
        "hardshrink",
    ]
}
ELEMENTWISE |= {
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus sharp": lambda x: F.softplus(x, beta=30.0, threshold=12.0),
    "elu alpha": lambda x: F.elu(x, 0.7),
    "celu alpha": lambda x: F.celu(x, 0.5),
    "threshold": lambda x: F.threshold(x, 0.2, -3.0),
    "clamp": lambda x: x.clamp(-0.5, 0.85),
    "remainder": lambda x: x % 0.25,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3], dtype=torch.float64)),
    "rrelu": lambda x: F.rrelu(x, training=False),
    "ndtr": torch.special.ndtr,
}
POSITIVE = {
    name: getattr(torch, name)
    for name in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "acosh"]
}
POSITIVE["acosh"] = lambda x: torch.acosh(1 + x)
POSITIVE |= {
    "power real": lambda x: x**2.7,
    "power negative": lambda x: x**-1.5,
    "power negative whole": lambda x: x**-2,
    "power of tensor": lambda x: x ** (M + 0.2),
    "power of jet": lambda x: x ** (x + 0.5),
    "asin": lambda x: torch.asin(x / 3),
    "acos": lambda x: torch.acos(x / 3),
    "atanh": lambda x: torch.atanh(x / 3),
    "logit": lambda x: torch.log(x / 3) - torch.log1p(-x / 3),
}
ARITHMETIC = {
    "1 - x": lambda x: 1 - x,
    "2 / x": lambda x: 2 / x,
    "2 ** x": lambda x: 2**x,
    "tensor ** x": lambda x: (M**2 + 0.1) ** x,
    "x ** 0": lambda x: x**0,
    "x ** 1": lambda x: x**1,
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "x ** 5": lambda x: torch.pow(x, torch.tensor(5)),
    "x / tensor": lambda x: x / (M + 3),
    "tensor / x": lambda x: M / (x + 3),
    "tensor - x": lambda x: M - x,
    "x / y": lambda x: torch.sin(x) / (2 + torch.cos(x[:, :1])),
    "x * y": lambda x: x.exp() * x[:1] * x[..., 2:3],
    "x + y": lambda x: torch.add(x.exp(), x[:1].sin(), alpha=0.3) - 2 * x[..., 2:3],
    "rsub": lambda x: torch.rsub(x.sin(), x, alpha=0.5),
    "integers": lambda x: x.sin() * torch.arange(8) + torch.arange(8),
    "scalar tensor": lambda x: x.sin() * torch.tensor(2.0) / torch.tensor(3.0).double() - torch.tensor(1),
    "addcmul": lambda x: torch.addcmul(x, x.sin(), x, value=0.3) + torch.addcdiv(x, x, 2 + x.cos()),
    "lerp": lambda x: torch.lerp(x, x.sin(), 0.3) + torch.lerp(x, M, x),
    "hypot": lambda x: torch.hypot(x, x[:, :1] + 2),
    "logaddexp": lambda x: torch.logaddexp(x, 2 * x.flip(-1)),
    "atan2": lambda x: torch.atan2(x, 2 + x.flip(-1)),
}
LINEAR = {
    "linear": lambda x: F.linear(x.sin(), W, M),
    "linear of jet": lambda x: F.linear(x, grid(x)[:, 0] @ W[:4], x[0, :2]),
    "conv1d": lambda x: F.conv1d(grid(x), K.reshape(2, 2, 3), M[:2], padding=1),
    "conv1d circular": lambda x: F.conv1d(F.pad(grid(x), (1, 1), mode="circular"), K.reshape(2, 2, 3)),
    "conv2d": lambda x: F.conv2d(image(x), P[:24].reshape(3, 2, 2, 2), M[:3], stride=2, padding=1),
    "conv3d": lambda x: F.conv3d(x.reshape(1, 2, 2, 2, 2), P[:32].reshape(2, 2, 2, 2, 2), padding=1),
    "conv1d transposed": lambda x: F.conv_transpose1d(grid(x), K.reshape(2, 2, 3), M[:2], stride=2),
    "conv2d transposed": lambda x: F.conv_transpose2d(image(x), P[:24].reshape(2, 3, 2, 2), M[:3]),
    "conv3d transposed": lambda x: F.conv_transpose3d(x.reshape(1, 2, 2, 2, 2), P[:32].reshape(2, 2, 2, 2, 2)),
    "conv1d of a point": lambda x: F.conv1d(x, K[:6].reshape(1, 2, 3)),
    "conv kernel of jet": lambda x: F.conv1d(grid(x), x[:, :6].reshape(2, 2, 3), x[0, :2]),
    "matmul": lambda x: x.sin() @ W,
    "matmul left": lambda x: W @ x.T,
    "matmul jets": lambda x: grid(x) @ grid(x.sin()).mT,
    "bmm": lambda x: torch.bmm(grid(x), grid(x.sin()).transpose(1, 2)),
    "mv": lambda x: torch.mv(W, x[0]) * torch.dot(x[0], x[1]),
    "outer": lambda x: torch.outer(x[0], x[1].sin()),
    "einsum": lambda x: torch.einsum("bi,ij,bj->b", x, W, x.sin()),
    "einsum of three": lambda x: torch.einsum("bi,bi,bi->i", x, x.sin(), x.exp()),
    "addmm": lambda x: torch.addmm(x, x.sin(), W, beta=0.5, alpha=2),
    "baddbmm": lambda x: torch.baddbmm(grid(x)[..., :2], grid(x), grid(x.sin()).mT),
    "tensordot": lambda x: torch.tensordot(x, x.sin(), dims=([1], [1])),
    "bilinear": lambda x: F.bilinear(x, x.sin(), P.reshape(1, 8, 8), M[:1]),
    "cross": lambda x: torch.linalg.cross(x[:, :3], x[:, 3:6].sin()),
    "sum": lambda x: x.sin().sum() * x.sum(-1) * grid(x.cos()).sum((0, 2)),
    "sum kept": lambda x: x.sum((0, 1), keepdim=True) * (x**2).sum(dim=-1, keepdim=True),
    "mean": lambda x: x.sin().mean() * x.mean(-1) + grid(x.exp()).mean((1, 2), keepdim=True)[:, 0, 0],
    "cumsum": lambda x: x.sin().cumsum(1),
    "fourier": lambda x: torch.fft.irfft(torch.fft.rfft(x.sin()) * torch.fft.rfft(x), n=8),
    "pooled": lambda x: F.avg_pool1d(grid(x.sin()), 2) * F.adaptive_avg_pool1d(grid(x), 2),
    "interpolated": lambda x: F.interpolate(grid(x.sin()), scale_factor=2, mode="linear"),
}
SHAPED = {
    "cat": lambda x: torch.cat([x.sin(), x[:, :1], torch.ones(2, 1), M.expand(2, 8)], -1),
    "stack": lambda x: torch.stack([x.sin(), M.expand(2, 8), x], dim=1) ** 2,
    "time apart": lambda x: torch.cat([x[:, :-1].sin(), M.expand(2, 8)[:, :2], x[..., 6:]], -1).tanh() * x[:, -1:],
    "parts of x": lambda x: F.linear(torch.cat([x[:, 4:] ** 2, x[:, :4]], -1), W) * (x[:, 1:6] * x[:, 1:6].cos()).sum(),
    "hstack": lambda x: torch.hstack((x.sin(), x)) * torch.vstack((x[:1], x[1:])).repeat(1, 2),
    "split": lambda x: operator.mul(*x.sin().split(4, -1)) + sum(x.chunk(2, -1)) * x[:, :4],
    "unbind": lambda x: x.unbind(-1)[2] * [r for r in x.T][3].sin() + torch.stack(list(x.T[4:5]))[0],
    "index": lambda x: x[..., None, 1:7:2].sin() * x[:, [0, 3]][..., None] * x[[1, 0], 2:3, None],
    "mask": lambda x: x.sin()[:, torch.tensor([True, False] * 4)] * x[X > 0].sum(),
    "index_select": lambda x: x.index_select(1, torch.tensor([1, 1, 5])) * x.gather(1, torch.tensor([[0, 1, 2]] * 2)),
    "reshape": lambda x: x.sin().view(4, 4).T.reshape(-1, 2, 4).flatten(1).unflatten(1, (2, 4)) * x.view(-1, 2, 4),
    "permute": lambda x: grid(x.sin()).permute(2, 0, 1) * grid(x).transpose(0, 2).transpose(1, 2).movedim(0, 0),
    "squeeze": lambda x: x.unsqueeze(1).expand(-1, 3, -1).sin().squeeze(0) * x[None].squeeze(0)[:, None],
    "flip and roll": lambda x: x.flip(-1) * x.roll(3, -1).sin() * x.expand_as(x).contiguous().clone(),
    "pad": lambda x: F.pad(x.sin(), (1, 2), value=0.7) ** 2,
    "pad reflect": lambda x: F.pad(grid(x.sin()), (1, 1), mode="reflect") ** 2,
    "tril": lambda x: (x.T @ x.sin()).tril().diagonal() * (x.T @ x).triu(1)[0],
    "where": lambda x: torch.where(x > 0, x.sin(), 0.5) + torch.where(x > 0.2, 2.0, x**2) + x.where(X > 0, M),
    "masked_fill": lambda x: x.sin().masked_fill(X > 0.3, 2.0) * x,
    "maximum": lambda x: torch.maximum(x.sin(), x**2) * torch.minimum(x, M) + torch.max(x, x.cos()),
    "max": lambda x: x.sin().max(-1).values * x.min(0, keepdim=True)[0][0, :2] + x.amax((0, 1)) * x.max(),
    "sort": lambda x: x.sort(-1, descending=True)[0].sin() * x.topk(8, -1)[0] + x.sin().median(),
    "prod": lambda x: x.sin().prod(-1) * x[:, :3].prod() + x.cos().cumprod(-1)[:, 5],
    "meshgrid": lambda x: operator.mul(*torch.meshgrid(x[0], x[1].sin(), indexing="ij")),
    "scatter": lambda x: torch.zeros_like(x).scatter_add(1, torch.tensor([[0, 0, 3]] * 2), x[:, :3].sin()) * x,
    "cast": lambda x: x.sin().to(torch.float64).double().type_as(x) * x,
    "diff": lambda x: x.sin().diff(dim=-1) * torch.trapezoid(x, dx=0.1)[:, None],
}
REDUCED = {
    "softmax": lambda x: torch.softmax(x.sin() * 3, -1) * F.softmin(x, dim=0),
    "log_softmax": lambda x: F.log_softmax(x**2, dim=-1),
    "logsumexp": lambda x: torch.logsumexp(x.sin() * 3, (0, 1)) * x.logsumexp(-1, keepdim=True),
    "var": lambda x: x.sin().var(-1, keepdim=True) * x.var() * x.var(0, unbiased=False)[:1] * x.std(1, correction=0),
    "norm": lambda x: x.norm(dim=-1, keepdim=True) * torch.linalg.norm(x.sin()) * torch.linalg.vector_norm(x, 3, dim=0),
    "norm of one": lambda x: torch.linalg.vector_norm(x.sin(), 1, dim=-1) * x.norm(p=math.inf, dim=-1),
    "normalize": lambda x: F.normalize(x.sin(), dim=-1) * F.cosine_similarity(x, x.cos(), dim=-1)[:, None],
    "batch_norm": lambda x: F.batch_norm(x.sin(), M, M**2 + 0.5, M, M),
    "rms_norm": lambda x: F.rms_norm(x.sin(), (8,), M, 1e-3),
    "layer_norm": lambda x: F.layer_norm(x.sin(), (8,), M, M),
    "group_norm": lambda x: F.group_norm(x.sin(), 2, M, M),
    "instance_norm": lambda x: F.instance_norm(grid(x.sin())),
    "attention": lambda x: F.scaled_dot_product_attention(grid(x), grid(x.sin()), grid(x.cos()), is_causal=True),
    "dropout off": lambda x: F.dropout(x.sin(), 0.5, training=False),
}


def nested(u, x, v, order):
    """d^k/dt^k u(x + t v) / k! of a scalar u, by reverse mode within reverse mode."""
    t = torch.zeros((), dtype=x.dtype, requires_grad=True)
    found = [u(x + t * v)]
    for k in range(1, order + 1):
        d = found[-1]
        slope = torch.autograd.grad(d, t, create_graph=True, allow_unused=True)[0] if d.requires_grad else None
        found.append(torch.zeros_like(d) if slope is None else slope / k)
    return torch.stack(found).detach()


def projected(u):
    """One number of every entry of u, weights without pattern."""

    def number(x):
        y = u(x)
        return (y * torch.sin(1.7 * torch.arange(1, y.numel() + 1)).to(y).reshape(y.shape)).sum()

    return number


def check(u, x, order=6, definition=None):
    oracle, u, dense = projected(definition or u), projected(u), SPARSE.dense(8)
    expected = torch.stack([nested(oracle, x, v, order) for v in dense])
    whole = propagate(u, x, dense, order)
    size = 1e-10 * max(1.0, expected.abs().max().item())
    for k, c in enumerate(whole):
        torch.testing.assert_close(c.expand(3) if k == 0 else c, expected[:, k], rtol=1e-10, atol=size)
    short = propagate(u, x, SPARSE, order, weights=WEIGHTS)
    for c, d in zip(short[:-1], whole[:-1], strict=True):
        torch.testing.assert_close(c, d, rtol=1e-11, atol=size)
    torch.testing.assert_close(short[-1], WEIGHTS @ whole[-1], rtol=1e-11, atol=size)
    part = propagate(u, x, dense, 2, weights=WEIGHTS)
    torch.testing.assert_close(part[-1], WEIGHTS @ whole[2], rtol=1e-11, atol=size)


def standardised(x):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)


DEFINITIONS = {  # where torch's own higher derivatives are slow, missing or taken for constants
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "gelu tanh": lambda x: x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    "hardsigmoid": lambda x: torch.clamp(x + 3, 0, 6) / 6,
    "layer_norm": lambda x: standardised(x.sin()) * M + M,
    "group_norm": lambda x: standardised(grid(x.sin())).flatten(1) * M + M,
    "instance_norm": lambda x: standardised(grid(x.sin())),
    "normalize": lambda x: (
        x.sin()
        / x.sin().norm(dim=-1, keepdim=True)
        * (x * x.cos()).sum(-1, keepdim=True)
        / (x.norm(dim=-1, keepdim=True) * x.cos().norm(dim=-1, keepdim=True))
    ),
}
ORDER = {**dict.fromkeys(ELEMENTWISE | ARITHMETIC, 4), **dict.fromkeys(LINEAR | SHAPED | REDUCED, 3)}
ORDER |= dict.fromkeys(["tanh", "sigmoid", "exp", "sin", "cos", "erf", "silu", "gelu", "softplus", "x * y", "x / y"], 6)
pytestmark = pytest.mark.filterwarnings("error::surrogates.physics.errors.SurrogatesWarning")
CASES = ELEMENTWISE | ARITHMETIC | LINEAR | SHAPED | REDUCED


@pytest.mark.parametrize("name", CASES)
def test_series_are_nested_autograd(name):
    check(CASES[name], X, ORDER[name], DEFINITIONS.get(name))


@pytest.mark.parametrize("name", POSITIVE)
def test_series_of_positive_numbers(name):
    check(POSITIVE[name], X.abs() + 0.2, 6 if name in ("log", "sqrt", "power real") else 4)


class Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and "expand" not in str(func) and "view" not in str(func):
            self.size = max(self.size, found.numel())
        return found


def test_sparse_directions_never_fill_all_coordinates_of_all_points():
    count, batch, d = 8, 4, 5000
    weight = torch.linspace(-1, 1, 3 * d).reshape(3, d).sin() / d

    def u(x):
        space, time = x[:, :-1], x[:, -1:]
        inside = 1 - (space**2).sum(-1, keepdim=True) / d
        features = torch.cat([torch.cos(space), torch.sin(space), time], -1)
        return inside * time * F.linear(features[:, d - 1 : 2 * d - 1], weight[:, :d]) * F.linear(x, weight)

    x = torch.linspace(-1, 1, batch * d).reshape(batch, d).cos()
    axes = torch.arange(count)[:, None] * (d // count)
    with Largest() as largest:
        propagate(u, x, SparseDirections(axes, torch.ones(count, 1)), 2, weights=torch.ones(count))
    assert batch * d <= largest.size <= 2 * batch * d + count * d < count * batch * d


def test_powers_and_roots_at_zero():
    def at_zero(u):
        return [c.item() for c in jet(u, torch.zeros(1, 1), torch.ones(1, 1), 4)]

    assert at_zero(lambda x: x**2) == at_zero(torch.square) == at_zero(lambda x: x**2.0) == [0, 0, 2, 0, 0]
    assert at_zero(lambda x: x**3) == at_zero(lambda x: x ** torch.tensor([3.0])) == [0, 0, 0, 6, 0]
    assert at_zero(lambda x: x**2.5)[:3] == [0, 0, 0]
    assert at_zero(torch.sqrt)[:2] == [0, math.inf]
    assert at_zero(lambda x: x.norm(dim=-1)) == at_zero(torch.abs) == at_zero(F.relu) == [0] * 5


TAILS = {  # (torch's function, the same in many digits)
    "softplus": (F.softplus, lambda t: mpmath.log1p(mpmath.exp(t))),
    "logsigmoid": (F.logsigmoid, lambda t: -mpmath.log1p(mpmath.exp(-t))),
    "sigmoid": (torch.sigmoid, lambda t: 1 / (1 + mpmath.exp(-t))),
    "silu": (F.silu, lambda t: t / (1 + mpmath.exp(-t))),
    "gelu": (F.gelu, lambda t: t * mpmath.ncdf(t)),
    "tanh": (torch.tanh, mpmath.tanh),
    "expm1": (torch.expm1, mpmath.expm1),
    "atan": (torch.atan, mpmath.atan),
    "asinh": (torch.asinh, mpmath.asinh),
}


@pytest.mark.parametrize("name", TAILS)
def test_small_and_large_arguments(name):
    f, exact = TAILS[name]
    points = [-30.0, -8.0, -1e-3, 1e-9, 5.0, 19.0]
    x = torch.tensor(points, dtype=torch.float64)[:, None]
    found = jet(f, x, torch.ones(1, 1).double(), 6)
    with mpmath.workdps(40):
        for i, t in enumerate(points):
            for k, c in enumerate(mpmath.taylor(exact, t, 6)):
                expected, ours = float(c * mpmath.factorial(k)), (found[0][i] if k == 0 else found[k][0, i]).item()
                assert ours == pytest.approx(expected, rel=1e-12, abs=2e-13)
