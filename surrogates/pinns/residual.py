"""A residual of the function u as what DeepXDE's data classes take: our derivatives in DeepXDE's own loop.

Paper: DeepXDE: A deep learning library for solving differential equations (doi:10.1137/19M1274067).
It hands a residual the points x and the network's outputs y, and differentiates y by nested reverse passes. Here the
residual gets u itself, so that any operator of `surrogates.derivatives` can follow it. With stochastic operators the
gradient of the mean square is biased unless value and gradient come from independent draws: `unbiased=True`, as in
Stochastic Taylor Derivative Estimator (arXiv:2412.00088).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.blocks.deepxde import check_backend
from surrogates.physics.errors import DomainError
from surrogates.pinns.field import ORDER, Field

_POINTS = frozenset({"x", "X", "xs", "xt", "t", "inputs", "points"})
_OUTPUTS = frozenset({"y", "Y", "ys", "u", "U", "outputs"})


class Residual:
    """`dde.data.PDE(geometry, Residual(net, function), ...)`: callable as (x, y), or (x, y, aux) when `function` is.

    Args:
        net: the network that the `dde.Model` trains, its feature and output transforms included.
        function: (u, x) or (u, x, aux) -> residual. u: points -> outputs (batch, outputs), to be handed to operators
            such as `laplacian(u, x)`; x: DeepXDE's points (batch, d), where u(x) costs nothing; aux: what its
            `auxiliary_var_function` gives; arguments with a default are left alone. The residual is a tensor (batch,)
            or (batch, equations), or a list, tuple or dict of such tensors, each with a loss of its own.
        unbiased: evaluate twice, R1 and R2 with independent random draws, and return R1 with the gradient of R2: the
            gradient of its square has the right expectation when the residual is linear in the estimated operators.
            Costs one more forward evaluation; the loss shown is still larger than the exact one by the variance.

    Random operators draw anew at each call, which a line search (L-BFGS) takes for noise: give it exact operators.

    Raises:
        DomainError: no network, no such function, a residual in DeepXDE's (x, y) order, a residual that does not fit
            the points, another network than the Model's. SurrogatesError: DeepXDE runs on another backend.
    """

    def __init__(self, net: Any, function: Any, *, unbiased: bool = False) -> None:
        check_backend()
        self.net = _network(net)
        self.function, self.auxiliary = _function(function)
        self.unbiased = unbiased
        names = ("x", "y", "auxiliary")[: 3 if self.auxiliary else 2]  # DeepXDE counts our arguments
        self.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names])
        self._known = False

    def __call__(self, x: Any, y: Any, *auxiliary: Any) -> Tensor | list[Tensor]:
        """The residual at DeepXDE's points x (batch, d), where the network gave y; a list where `function` gives one.

        Under `dde.config.set_default_autodiff("forward")` y is (outputs, network), as DeepXDE hands it over.
        """
        y = y[0] if isinstance(y, tuple) else y
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            check_backend()
            raise DomainError(
                f"the residual was called with {type(x).__name__} and {type(y).__name__}; it takes the points x "
                "(batch, d) and the network's outputs y as torch tensors, as dde.data.PDE hands them over"
            )
        if not self._known:
            _check_network(self.net, x, y)
            self._known = True
        u = Field(self.net, x, y)
        result = _checked(self.function(u, x, *auxiliary), u)
        if self.unbiased:
            again = _checked(self.function(u, x, *auxiliary), u)
            if isinstance(result, Tensor) and isinstance(again, Tensor):
                return _joined(result, again)
            return [_joined(first, second) for first, second in zip(result, again, strict=True)]
        return result

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return f"Residual({type(self.net).__name__}, {name}, unbiased={self.unbiased})"


def _network(net: Any) -> nn.Module:
    if not isinstance(net, nn.Module):
        raise DomainError(
            f"the first argument of Residual is {type(net).__name__}; it is the network that the dde.Model trains, a "
            "torch.nn.Module such as dde.nn.FNN: Residual(net, lambda u, x: ...)"
        )
    if hasattr(net, "trunk"):
        raise DomainError(
            f"{type(net).__name__} is an operator network, which takes functions and points; Residual takes a network "
            "of points alone, such as dde.nn.FNN"
        )
    return net


def _function(function: Any) -> tuple[Callable[..., Any], bool]:
    """The function, and whether it takes auxiliary variables."""
    if not callable(function):
        raise DomainError(
            f"the second argument of Residual is {type(function).__name__}, which cannot be called; it is a function "
            "of u and x, such as lambda u, x: laplacian(u, x) + torch.sin(u(x))"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # built-in functions show no signature
        return function, False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in places if p.default is p.empty]
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    unnamed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(needed) > 3 or (len(places) < 2 and not several) or unnamed:
        raise DomainError(
            f"the function of a residual takes ({', '.join(p.name for p in parameters)}); it takes (u, x), or "
            "(u, x, aux) with DeepXDE's auxiliary variables; give further arguments a default or functools.partial"
        )
    if len(needed) > 1 and needed[0] in _POINTS and needed[1] in _OUTPUTS:
        raise DomainError(f"the function of a residual takes ({', '.join(needed)}), but {ORDER}")
    return function, len(needed) == 3


def _check_network(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """On the first call: y is what net gives at x, so that values and derivatives belong to one function."""
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):  # output transforms may need gradients
        values, again = net(x).detach(), net(x).detach()
    if not torch.equal(values, again):  # a network with random parts: nothing to compare
        return
    scale = float(y.detach().abs().max()) if y.numel() else 0.0
    if values.shape != y.shape or not torch.allclose(values, y, rtol=1e-3, atol=1e-4 * scale, equal_nan=True):
        raise DomainError(
            f"the outputs that DeepXDE handed over are not those of the {type(net).__name__} given to Residual; give "
            "Residual the very network that the dde.Model trains, with every wrapper around it"
        )


def _joined(first: Tensor, second: Tensor) -> Tensor:
    """The value of the first with the gradient of the second."""
    return first.detach() + (second - second.detach())


def _checked(result: Any, u: Field) -> Tensor | list[Tensor]:
    """The residual, each part of it a real tensor with one row a point."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        if not result:
            raise DomainError("the function of a residual returned no equation; it returns a tensor, or a list of them")
        return [_part(part, f"equation {i}", u) for i, part in enumerate(result)]
    return _part(result, "the residual", u)


def _part(part: Any, name: str, u: Field) -> Tensor:
    points, outputs = len(u.x), u.y.shape[-1]
    fits = f"(points,) or (points, equations), here ({points},) or ({points}, 1)"
    if not isinstance(part, Tensor):
        raise DomainError(f"{name} is {type(part).__name__}; it must be a torch tensor of shape {fits}")
    shape = tuple(part.shape)
    if part.ndim not in (1, 2) or shape[0] != points:
        raise DomainError(f"{name} has shape {shape}, which does not fit the {points} points; it must be {fits}")
    if part.ndim == 2 and shape[1] == points and points > 1 and points != outputs:
        raise DomainError(
            f"{name} has shape {shape}, points times points: somewhere ({points}, 1) met ({points},) and was "
            "broadcast; u(x) and its derivatives are (points, outputs), so give the source the shape (points, 1)"
        )
    return part
