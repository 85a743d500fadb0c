"""The function u of a residual: the network, with the outputs that are already there at the points of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from surrogates.derivatives.reverse import ReversePasses
from surrogates.physics.errors import DomainError

ORDER = (
    "a residual here takes (u, x), the function u first: write u(x) for its values and laplacian(u, x), "
    "partials(u, x, ...) for its derivatives, where DeepXDE's own residuals take (x, y)"
)


class NoTensorError(DomainError, AttributeError):
    """u was used as the tensor of its values."""


class Field:
    """u(points) = net(points); at `points is x` it is y, what the loop's own forward pass gave, with its graph.

    Args:
        net: points (batch, d) -> outputs (batch, outputs).
        x, y: the loop's points and what net gave there.

    `passes` are derivatives by reverse passes from y, for operators that are fastest that way.
    Used as if it were the tensor of its values (u[:, 0], u ** 2, torch.sin(u), u.shape) it raises a DomainError.
    """

    def __init__(self, net: nn.Module, x: Tensor, y: Tensor) -> None:
        self.net, self.x, self.y = net, x, y
        self.passes = ReversePasses(net, x, y)

    def __call__(self, points: Any) -> Any:
        """Outputs (batch, outputs) at points (batch, d), tensors of any kind that the network can follow."""
        return self.y if points is self.x else self.net(points)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NoTensorError(f"u has no {name!r}: {ORDER}")

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> NoReturn:
        raise NoTensorError(f"u was given to torch's {getattr(func, '__name__', func)} as a tensor: {ORDER}")

    def _refuse(self, *_: Any) -> NoReturn:
        raise NoTensorError(f"u was used as a tensor: {ORDER}")

    __getitem__ = __neg__ = __pow__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = _refuse
    __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
