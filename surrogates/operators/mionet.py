"""MIONet: Learning multiple-input operators via tensor product (arXiv:2202.06137), the low-rank form, eq. 11.

The network is DeepXDE's MIONetCartesianProd, which has two branches; of more inputs the second branch is itself a
product of networks. Several output channels have a network each. The trunk's last layer has no activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.deepxde import deepxde
from surrogates.operators.deeponet_parts.aligned import aligned
from surrogates.operators.deeponet_parts.nets import INITIALIZER, check_activation, default_precision, widths_of
from surrogates.operators.deeponet_parts.reader import Reader
from surrogates.physics.errors import DomainError


class MIONet(nn.Module):
    """G(u_1, ..., u_n)(y) = sum_k b1_k(u_1) ... bn_k(u_n) t_k(y) + b_0: each input channel has a branch of its own.

    The parameters, where there are any, are one more input: for an operator that is linear in each of its inputs, or
    where a viscosity scales everything, a product needs fewer weights than one branch that reads all.

    Args:
        dim, sensors, trunk, activation, in_channels, out_channels, n_parameters, points, features, boundary: as in
            DeepONet.
        branch: widths of the layers of every branch of a field; the last is p. parameter_branch: likewise of the
            parameters' branch, None for the same.
    `nets` are DeepXDE's networks, one for each output channel. Raises DomainError for a single input.
    """

    def __init__(
        self,
        *,
        dim: int,
        sensors: int | Sequence[Any],
        branch: Sequence[int] = (40, 40),
        parameter_branch: Sequence[int] | None = None,
        trunk: Sequence[int] = (40, 40),
        activation: str = "relu",
        in_channels: int = 1,
        out_channels: int = 1,
        n_parameters: int = 0,
        points: str | Sequence[str] = "periodic",
        features: nn.Module | None = None,
        boundary: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if in_channels + (n_parameters > 0) < 2:
            raise DomainError("a MIONet multiplies two inputs or more, and there is one field only; use DeepONet")
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.reader = Reader(dim, sensors, points, (in_channels, out_channels, n_parameters), features, boundary)
        self.arguments = {
            "dim": dim,
            "sensors": self.reader.sensors.arguments["sensors"],
            "branch": list(branch),
            "parameter_branch": None if parameter_branch is None else list(parameter_branch),
            "trunk": list(trunk),
            "activation": activation,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "n_parameters": n_parameters,
            "points": points if isinstance(points, str) else list(points),
            "features": features,
            "boundary": boundary,
        }
        check_activation(activation)
        m, last = self.reader.sensors.count, widths_of("trunk", trunk)[-1]
        sizes = [[m, *widths_of("branch", branch)]] * in_channels
        if n_parameters:
            sizes = [*sizes, [n_parameters, *widths_of("parameter_branch", parameter_branch or branch)]]
        if any(widths[-1] != last for widths in sizes):
            raise DomainError(f"branches end with {[w[-1] for w in sizes]}, the trunk with {last}; all must be equal")
        layers = [self.reader.trunk_width, *trunk]
        self.nets = nn.ModuleList(_network(sizes, layers, activation) for _ in range(out_channels))

    def forward(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels *space"]:
        """The output field on the grid of `values`."""
        return self.at(values, self.reader.grid(values), parameters).unflatten(2, values.shape[2:])

    def at(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        points: Float[Tensor, "points dim"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels points"]:
        """The output at any points in [0, 1]^dim, the same for every sample; differentiable in the points."""
        seen, told = self.reader.measure(values, parameters)
        first = seen[:, 0]
        rest = torch.cat([seen[:, 1:].flatten(1), told], dim=1)
        queries = self.reader.queries(points)
        trunk = self.reader.seen_by_trunk(queries)
        found = torch.stack([net((first, rest, trunk)) for net in self.nets], dim=1)
        return self.reader.finish(queries, found)

    def aligned(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        points: Float[Tensor, "batch points dim"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels points"]:
        """The output at points of each sample's own."""
        return aligned(self, values, points, parameters)

    def set_target_scale(self, mean: Float[Tensor, "channels"], scale: Float[Tensor, "channels"]) -> None:
        """Told by a task that normalises its targets, (target - mean) / scale by channel: boundary values need it."""
        self.reader.set_target_scale(mean, scale)


class Product(nn.Module):
    """Product of networks that read consecutive columns of one input."""

    def __init__(self, nets: Sequence[nn.Module], columns: Sequence[int]) -> None:
        super().__init__()
        self.nets, self.columns = nn.ModuleList(nets), list(columns)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch p"]:
        parts = [net(part) for net, part in zip(self.nets, x.split(self.columns, dim=1), strict=True)]
        return torch.stack(parts).prod(0)


def _network(sizes: Sequence[Sequence[int]], trunk: Sequence[int], activation: str) -> nn.Module:
    """Of two branches both DeepXDE's own; of more, the second is a product."""
    nn_of = deepxde().nn
    first, *rest = [list(widths) for widths in sizes]
    second: Any = rest[0]
    if len(rest) > 1:
        nets = [nn_of.FNN(widths, activation, INITIALIZER) for widths in rest]
        second = (sum(w[0] for w in rest), Product(nets, [w[0] for w in rest]))
    return default_precision(nn_of.MIONetCartesianProd(first, second, list(trunk), activation, INITIALIZER))
