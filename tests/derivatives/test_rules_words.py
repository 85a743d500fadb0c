"""Operations as people write them: numpy's words, operands by name, second operands that depend on x too."""

import pytest
import torch

from surrogates.derivatives import jet

X = torch.tensor([[0.31, 0.72, 1.24, 0.45], [0.93, 0.12, 0.64, 0.58], [0.27, 0.81, 0.36, 1.13]]).double()
V = torch.tensor([0.4, -1.1, 0.7, 0.9]).double()
W = torch.linspace(-1, 1, 16).double().reshape(4, 4).sin()
CASES = {
    "axis, keepdims": lambda x: torch.sum(x**2, axis=1, keepdims=True) * (x**3).mean(axis=-1, keepdim=True),
    "cat along an axis": lambda x: torch.cat([x**2, x.sin()], axis=1),
    "max along an axis": lambda x: torch.max(x**2, axis=1, keepdims=True)[0],
    "operands by name": lambda x: torch.add(x**2, other=torch.mul(input=x, other=torch.sub(x, other=x**2, alpha=2))),
    "matrices by name": lambda x: torch.mm(x.sin(), mat2=W) + torch.matmul(x, other=W),
    "choices by name": lambda x: (
        torch.where(x > 0.5, input=x.sin(), other=x**2)
        + torch.where(x > 0.5, input=W[:3], other=x**2)
        + torch.where(condition=x > 0.5, input=x.sin(), other=W[:3])
    ),
    "rounded quotient": lambda x: torch.div(x * 7, x + 0.5, rounding_mode="trunc") * x.detach(),
    "rounded down": lambda x: torch.div(x * 7, 2, rounding_mode="floor") * x.detach(),
    "diff with ends": lambda x: torch.diff(x.sin(), prepend=x[:, :1] ** 3, append=x[:, 1:2] ** 2),
    "diff twice": lambda x: torch.diff(x.sin(), n=2, dim=1),
    "trapezoid by x": lambda x: torch.trapezoid(x**2, x.sin())[:, None],
    "trapezoid of a constant": lambda x: torch.trapezoid(torch.ones_like(W[:3]), x.sin() ** 2)[:, None],
    "trapezoid by a row": lambda x: torch.trapezoid(x**2, x[:, 0].sin(), dim=0)[None],
    "trapezoid by steps": lambda x: torch.trapz(x**2, dx=0.1)[:, None] + torch.trapezoid(x.sin(), W[0])[:, None],
    "cumulative": lambda x: torch.cumulative_trapezoid(x**2, x.sin()),
    "remainder": lambda x: torch.remainder(x * 9, x**2 + 0.3) + torch.remainder(torch.full_like(W[:3], 3.0), x**2),
    "fmod": lambda x: torch.fmod(-x * 9, x**2 + 0.3) + (x * 9) % 0.7,
    "clamp by series": lambda x: torch.clamp(x * 2, min=x**2 + 0.6, max=x * 0 + 1.4) ** 2,
    "clamp a constant": lambda x: torch.full_like(W[:3], 0.5).clamp(min=x) ** 2 + torch.clamp_max(x.sin(), x**2),
    "sign of a complex one": lambda x: torch.sgn(torch.complex(x, x**2)).real,
    "real and complex": lambda x: ((x + 2j) * torch.complex(x, x**2)).imag + (x - 1j).imag,
}


def nested(u, x, v, order):
    curve, found = lambda t: u(x + t * v), []
    zero = torch.zeros((), dtype=x.dtype)
    for _ in range(order):
        curve = (lambda f: lambda t: torch.func.jvp(f, (t,), (torch.ones_like(t),))[1])(curve)
        found.append(curve(zero))
    return found


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_nested_autograd_s(name):
    u = CASES[name]
    value, *found = jet(u, X, V[None], 3)
    torch.testing.assert_close(value, u(X), rtol=1e-13, atol=1e-14)
    for derivative, expected in zip(found, nested(u, X, V, 3), strict=True):
        torch.testing.assert_close(derivative[0], expected, rtol=1e-10, atol=1e-10)


def test_a_number_by_a_series_keeps_its_remainder():
    value, slope = jet(lambda x: 3.0 % x, X, V[None], 1)
    torch.testing.assert_close(value, torch.remainder(torch.tensor(3.0).double(), X))
    torch.testing.assert_close(slope[0], -torch.floor(3.0 / X) * V)
