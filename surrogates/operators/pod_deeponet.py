"""A comprehensive and fair comparison of two neural operators (with practical extensions) based on FAIR data (arXiv:2111.05512).

Here its POD-DeepONet (section 3.1). The network is DeepXDE's PODDeepONet. As the authors run it: modes of the mean-free training targets, each of mean
square 1, the sum divided by the number of modes, and the mean added.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.deepxde import deepxde
from surrogates.operators.deeponet_parts.aligned import aligned
from surrogates.operators.deeponet_parts.nets import INITIALIZER, check_activation, default_precision, widths_of
from surrogates.operators.deeponet_parts.places import axis, smooth
from surrogates.operators.deeponet_parts.reader import Reader
from surrogates.physics.errors import DomainError


class PODDeepONet(nn.Module):
    """G(u)(y) = (1/p) sum_k b_k(u) phi_k(y) + phi_0(y), with phi_k the p leading POD modes of the training targets.

    Several output channels are one vector-valued field with common modes. Away from the grid of the targets the modes
    are interpolated (trigonometric along periodic axes, cubic along others).

    Args:
        dim, sensors, activation, in_channels, out_channels, n_parameters, points: as in DeepONet.
        modes: p. branch: widths of the branch's hidden layers.
        trunk: widths of a learned trunk whose outputs join the modes; None: modes alone.
        grid: points along each axis of the targets; `prepare` fills it in.
    """

    modes: Tensor
    mean: Tensor

    def __init__(
        self,
        *,
        dim: int,
        sensors: int | Sequence[Any],
        modes: int = 16,
        branch: Sequence[int] = (40, 40),
        trunk: Sequence[int] | None = None,
        activation: str = "relu",
        in_channels: int = 1,
        out_channels: int = 1,
        n_parameters: int = 0,
        points: str | Sequence[str] = "periodic",
        grid: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if modes < 1:
            raise DomainError(f"modes={modes}; give at least 1")
        check_activation(activation)
        self.dim, self.in_channels, self.out_channels, self.n_parameters = dim, in_channels, out_channels, n_parameters
        self.reader = Reader(dim, sensors, points, (in_channels, out_channels, n_parameters))
        self.arguments = {
            "dim": dim,
            "sensors": self.reader.sensors.arguments["sensors"],
            "modes": modes,
            "branch": list(branch),
            "trunk": None if trunk is None else list(trunk),
            "activation": activation,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "n_parameters": n_parameters,
            "points": points if isinstance(points, str) else list(points),
            "grid": None if grid is None else list(grid),
        }
        self.count = modes
        learned = [] if trunk is None else [self._trunk_inputs, *widths_of("trunk", trunk)]
        sizes = [self.reader.branch_width, *branch, modes + (learned[-1] if learned else 0)]
        net = deepxde().nn.PODDeepONet(torch.zeros(1, modes), sizes, activation, INITIALIZER, learned or None)
        del net.pod_basis  # a plain attribute of DeepXDE's, always float32 on the device of its birth
        net.register_buffer("pod_basis", torch.zeros(1, modes), persistent=False)
        self.net = default_precision(net)
        self._reserve(() if grid is None else tuple(grid))

    def prepare(
        self, values: Float[Tensor, "samples in_channels *space"], target: Float[Tensor, "samples out_channels *space"]
    ) -> None:
        """Take mean and modes from training targets. Raises DomainError where there are fewer than `modes` directions.

        `target` is in the units that the model works in; `values` are not used.
        """
        shape = tuple(target.shape[2:])
        if target.shape[1] != self.out_channels or len(shape) != self.dim:
            raise DomainError(
                f"targets have shape {tuple(target.shape)}; this model gives (samples, {self.out_channels}, "
                f"{', '.join(['points'] * self.dim)})"
            )
        rows = target.detach().double().flatten(1)
        mean = rows.mean(0)
        _, strength, directions = torch.linalg.svd(rows - mean, full_matrices=False)
        rank = int((strength > 1e-12 * strength.max()).sum()) if bool(strength.max() > 0) else 0
        if rank < self.count:
            raise DomainError(
                f"modes={self.count}, but {len(rows)} training targets differ in {rank} directions only; "
                f"give more of them, or modes={max(rank, 1)}"
            )
        directions = directions[: self.count]
        largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
        modes = (directions * largest.sign() * directions.shape[1] ** 0.5).T
        self._reserve(shape, like=next(self.parameters()))
        self.arguments["grid"] = list(shape)
        self.mean.copy_(mean.view_as(self.mean))
        self.modes.copy_(modes.view_as(self.modes))

    def forward(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels *space"]:
        """The output field on the grid of `values`."""
        shape = tuple(values.shape[2:])
        found = self._sum(values, parameters, self.reader.grid(values), *self._on_grid(shape))
        return found.unflatten(2, shape)

    def at(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        points: Float[Tensor, "points dim"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels points"]:
        """The output at any points in [0, 1]^dim, the same for every sample; differentiable in the points."""
        points = self.reader.queries(points)
        stored = torch.cat([self._stored().unsqueeze(-1), self.modes], dim=-1)
        weights = [smooth(points[:, a], n, kind) for a, (n, kind) in enumerate(self._axes())]
        found = torch.einsum("qn,cn...->cq...", weights[0], stored)
        for weight in weights[1:]:
            found = torch.einsum("qn,cqn...->cq...", weight, found)
        return self._sum(values, parameters, points, found[..., 0], found[..., 1:])

    def aligned(
        self,
        values: Float[Tensor, "batch in_channels *space"],
        points: Float[Tensor, "batch points dim"],
        parameters: Float[Tensor, "batch parameters"] | None = None,
    ) -> Float[Tensor, "batch out_channels points"]:
        """The output at points of each sample's own."""
        return aligned(self, values, points, parameters)

    def projection(
        self, target: Float[Tensor, "batch out_channels *space"]
    ) -> Float[Tensor, "batch out_channels *space"]:
        """What of a field on the modes' grid they can express: no branch does better in mean square."""
        mean, modes = self._stored().flatten(), self.modes.flatten(0, -2)
        inside = (target.flatten(1) - mean) @ modes / len(modes)
        return (inside @ modes.T + mean).view_as(target)

    @property
    def _trunk_inputs(self) -> int:
        """Coordinates, and which channel is asked for where there are several."""
        return self.dim + (self.out_channels if self.out_channels > 1 else 0)

    def _axes(self) -> list[tuple[int, str]]:
        return list(zip(self.modes.shape[1:-1], self.reader.kinds, strict=True))

    def _reserve(self, shape: tuple[int, ...], like: Tensor | None = None) -> None:
        """Buffers for mean and modes on a grid; empty ones before there is a grid."""
        empty = torch.empty(0) if like is None else like.new_empty(0)
        size = (self.out_channels, *shape) if shape else (0,)
        self.register_buffer("mean", empty.new_zeros(size))
        self.register_buffer("modes", empty.new_zeros(*size, self.count))

    def _stored(self) -> Tensor:
        if not self.mean.numel():
            raise DomainError("this POD-DeepONet has no modes yet; train it with fit, or call prepare(values, target)")
        return self.mean

    def _on_grid(self, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Mean (channels, points) and modes (channels, points, p) on a grid of this shape."""
        stored = torch.cat([self._stored().unsqueeze(-1), self.modes], dim=-1)
        if len(shape) == self.dim and shape != tuple(self.mean.shape[1:]):
            for a, ((n, kind), wanted) in enumerate(zip(self._axes(), shape, strict=True)):
                x = axis(wanted, kind, stored)
                stored = torch.tensordot(smooth(x, n, kind), stored, ([1], [a + 1])).movedim(0, a + 1)
        stored = stored.flatten(1, self.dim)
        return stored[..., 0], stored[..., 1:]

    def _sum(
        self, values: Tensor, parameters: Tensor | None, points: Tensor, mean: Tensor, modes: Tensor
    ) -> Float[Tensor, "batch out_channels points"]:
        places = points.repeat(self.out_channels, 1)
        if self.out_channels > 1:
            which = torch.eye(self.out_channels, dtype=points.dtype, device=points.device)
            places = torch.cat([places, which.repeat_interleave(len(points), 0)], dim=1)
        inputs = (self.reader.joined(values, parameters), places)
        found: Tensor = torch.func.functional_call(self.net, {"pod_basis": modes.flatten(0, 1)}, (inputs,))
        return mean + (found / self.count).unflatten(1, (self.out_channels, len(points)))
