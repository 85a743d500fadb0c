"""What every DeepONet does around DeepXDE's network: fields to branch inputs, points to trunk inputs, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.operators.deeponet_parts.places import grid, kinds_of
from surrogates.operators.deeponet_parts.sensors import Sensors
from surrogates.physics.errors import DomainError


class Reader(nn.Module):
    """Sensors, query points, trunk features and boundary of a model.

    `channels` are the numbers of input and output channels and of parameters.

    Args:
        dim, sensors, points: as in DeepONet. channels: see above.
        features, boundary: parts of the model, or None. times: of the output's frames, () for none.
    """

    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        dim: int,
        sensors: Any,
        points: str | Sequence[str],
        channels: tuple[int, int, int],
        features: nn.Module | None = None,
        boundary: nn.Module | None = None,
        times: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.n_parameters = channels
        if min(dim, self.in_channels, self.out_channels) < 1 or self.n_parameters < 0:
            raise DomainError(
                f"dim={dim}, in_channels={channels[0]}, out_channels={channels[1]} must be positive, "
                f"n_parameters={channels[2]} at least 0"
            )
        self.dim, self.kinds, self.times = dim, kinds_of(points, dim), tuple(float(t) for t in times)
        self.sensors = Sensors(sensors, self.kinds)
        self.features, self.boundary = features, boundary
        if features is not None and not hasattr(features, "width"):
            raise DomainError(f"features={type(features).__name__} has no `width`; use Periodic or RandomFourier")
        if boundary is not None:
            if hasattr(boundary, "check"):
                boundary.check(self.n_coordinates)  # type: ignore[operator]
            self.register_buffer("target_mean", torch.zeros(self.out_channels))
            self.register_buffer("target_scale", torch.ones(self.out_channels))

    @property
    def n_coordinates(self) -> int:
        """Coordinates of a query point: those of space, and the time where the output has frames."""
        return self.dim + bool(self.times)

    @property
    def trunk_width(self) -> int:
        """Inputs of the trunk."""
        if self.features is None:
            return self.n_coordinates
        return int(self.features.width(self.n_coordinates, self.dim))  # type: ignore[operator]

    @property
    def branch_width(self) -> int:
        """Inputs of a branch that reads everything."""
        return self.in_channels * self.sensors.count + self.n_parameters

    def measure(self, values: Tensor, parameters: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sensor values (batch, channels, sensors) and parameters (batch, n). Raises DomainError for other numbers."""
        if values.ndim != self.dim + 2 or values.shape[1] != self.in_channels:
            raise DomainError(
                f"values have shape {tuple(values.shape)}; this model takes (batch, {self.in_channels}, "
                f"{', '.join(['points'] * self.dim)})"
            )
        given = (len(values), 0) if parameters is None else tuple(parameters.shape)
        if given != (len(values), self.n_parameters):
            raise DomainError(
                f"parameters have shape {given}; this model was made with n_parameters={self.n_parameters} and takes "
                f"({len(values)}, {self.n_parameters})"
            )
        told = values.new_zeros(len(values), 0) if parameters is None else parameters
        return self.sensors(values), told

    def joined(self, values: Tensor, parameters: Tensor | None) -> Float[Tensor, "batch inputs"]:
        """Everything that is known of a sample in one row: sensors channel by channel, then the parameters."""
        seen, told = self.measure(values, parameters)
        return torch.cat([seen.flatten(1), told], dim=1)

    def grid(self, values: Tensor) -> Float[Tensor, "points dim"]:
        """The points on which `values` stand."""
        return grid(values.shape[2:], self.kinds, values)

    def queries(self, points: Float[Tensor, "points dim"]) -> Float[Tensor, "queries coordinates"]:
        """Points at every time, time by time. Raises DomainError for points of another dimension."""
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise DomainError(f"query points have shape {tuple(points.shape)}; give (points, {self.dim}), in [0, 1]")
        if not self.times:
            return points
        times = torch.tensor(self.times, dtype=points.dtype, device=points.device)
        times = times[:, None].expand(-1, len(points)).reshape(-1, 1)
        return torch.cat([points.repeat(len(self.times), 1), times], dim=1)

    def seen_by_trunk(self, queries: Float[Tensor, "queries coordinates"]) -> Float[Tensor, "queries features"]:
        """Trunk inputs at query points."""
        return queries if self.features is None else self.features(queries, self.dim)

    def finish(
        self, queries: Float[Tensor, "queries coordinates"], output: Float[Tensor, "batch channels queries"]
    ) -> Float[Tensor, "batch channels queries"]:
        """The output with its boundary values, which are in the data's units."""
        if self.boundary is None:
            return output
        mean, scale = (
            x[:, None] if not self.times else x.repeat_interleave(len(queries) // len(x))
            for x in (self.target_mean, self.target_scale)
        )
        return (self.boundary(queries, mean + scale * output) - mean) / scale

    def set_target_scale(self, mean: Float[Tensor, "channels"], scale: Float[Tensor, "channels"]) -> None:
        """How the caller normalises its targets, (target - mean) / scale by channel; only a boundary needs it."""
        if self.boundary is not None:
            self.target_mean.copy_(mean)
            self.target_scale.copy_(scale)

    def frames(self, output: Float[Tensor, "batch channels queries"]) -> Float[Tensor, "batch frames points"]:
        """Queries at several times as channels, one for each."""
        return output.reshape(len(output), len(self.times), -1) if self.times else output
