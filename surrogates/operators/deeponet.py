"""Learning nonlinear operators via DeepONet based on the universal approximation theorem of operators (arXiv:1910.03193).

The networks are DeepXDE's DeepONetCartesianProd (unstacked form, bias on, eq. 2; activation on the trunk's last layer;
Glorot normal weights). Ours: fields on any grid in, query points anywhere, parameters, features, boundary, checkpoints.
Stacked form: `branch=Stacked(...)`. See mionet.py for products of branches, pod_deeponet.py for POD modes as trunk.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.operators.deeponet_parts.aligned import aligned
from surrogates.operators.deeponet_parts.nets import cartesian
from surrogates.operators.deeponet_parts.reader import Reader
from surrogates.physics.errors import DomainError


class DeepONet(nn.Module):
    """G(u)(y) = sum_k b_k(u at the sensors) t_k(y) + b_0.

    Args:
        dim: axes of space. sensors: points along each axis of the grid of sensors, or points (sensors, dim) in [0, 1].
        branch: widths of the branch's layers after its input; or a network (batch, inputs) -> (batch, p).
        trunk: widths of the trunk's layers after its input, the last of them p, the same as the branch's last.
        activation: of both, a name in blocks.deepxde.ACTIVATIONS.
        in_channels, out_channels: of the fields. n_parameters: further inputs of the branch, behind the sensors.
        points: where the points of a grid lie along each axis of length 1: "periodic" i/n, "cells" (i+1/2)/n, "ends"
            i/(n-1); one for all or one for each.
        features: what the trunk sees of a point, such as Periodic(harmonics=4); None: its coordinates.
        boundary: applied to the output, such as Pinned(low=[0]). None: nothing.
        outputs: what several output channels are: fields, one of the strategies "split_both", "split_branch",
            "split_trunk", "independent"; or frames of one field, a list of their times (in [0, 1], say): time is then a
            further coordinate of the trunk.
    `net` is DeepXDE's network. Raises DomainError for what does not fit together.
    """

    def __init__(
        self,
        *,
        dim: int,
        sensors: int | Sequence[Any],
        branch: Sequence[int] | nn.Module = (40, 40),
        trunk: Sequence[int] = (40, 40),
        activation: str = "relu",
        in_channels: int = 1,
        out_channels: int = 1,
        n_parameters: int = 0,
        points: str | Sequence[str] = "periodic",
        features: nn.Module | None = None,
        boundary: nn.Module | None = None,
        outputs: str | Sequence[float | int] = "split_both",
    ) -> None:
        super().__init__()
        times = () if isinstance(outputs, str) else tuple(outputs)
        if not isinstance(outputs, str) and len(times) != out_channels:
            raise DomainError(f"outputs names {len(times)} times, out_channels is {out_channels}; they must be equal")
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.reader = Reader(dim, sensors, points, (in_channels, out_channels, n_parameters), features, boundary, times)
        self.arguments = {
            "dim": dim,
            "sensors": self.reader.sensors.arguments["sensors"],
            "branch": branch if isinstance(branch, nn.Module) else list(branch),
            "trunk": list(trunk),
            "activation": activation,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "n_parameters": n_parameters,
            "points": points if isinstance(points, str) else list(points),
            "features": features,
            "boundary": boundary,
            "outputs": outputs if isinstance(outputs, str) else list(times),
        }
        several = (1, "split_both") if times or not isinstance(outputs, str) else (out_channels, outputs)
        self.net = cartesian(branch, trunk, activation, (self.reader.branch_width, self.reader.trunk_width), several)

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
        queries = self.reader.queries(points)
        found = self.net((self.reader.joined(values, parameters), self.reader.seen_by_trunk(queries)))
        found = found.movedim(2, 1) if found.ndim == 3 else found[:, None]
        return self.reader.frames(self.reader.finish(queries, found))

    def aligned(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        points: Float[Tensor, "batch points dim"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels points"]:
        """The output at points of each sample's own, as when one u(y) is known of each u."""
        return aligned(self, values, points, parameters)

    def set_target_scale(self, mean: Float[Tensor, "channels"], scale: Float[Tensor, "channels"]) -> None:
        """Told by a task that normalises its targets, (target - mean) / scale by channel: boundary values need it."""
        self.reader.set_target_scale(mean, scale)
