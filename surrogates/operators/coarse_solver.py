"""A solver on a coarse grid as an operator: what delta learning starts from, or a baseline to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.fields import Grid, solve
from surrogates.physics.fields.named import named_equation
from surrogates.physics.fields.refinement import refined, thinned


class CoarseSolver(nn.Module):
    """State -> state `time` later, solved on every `coarser`-th point and interpolated; in the data's units.

    As `OperatorMap(model, ..., baseline=CoarseSolver(...))` the model learns what the coarse grid leaves out.

    Args:
        equation: name of a periodic equation of surrogates.physics.fields, such as "burgers".
        dim, lengths: of the domain, one length for all axes or one for each.
        time: from the newest input frame to the target.
        coarser: how many times fewer points along each axis; must divide them.
        numbers: parameters of the equation that are the same for all samples, by name.
        told: parameters of the equation that come with each sample, in the order of the task's `parameters`.
        frames: frames of each field among the input channels, field by field; the newest is solved from.
        tolerance: of the solver.
    """

    def __init__(
        self,
        *,
        equation: str,
        dim: int,
        time: float | int,
        coarser: int = 4,
        lengths: float | int | Sequence[float | int] = 1.0,
        numbers: Mapping[str, float | int] | None = None,
        told: Sequence[str] = (),
        frames: int = 1,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__()
        self.arguments = {
            "equation": equation,
            "dim": dim,
            "time": time,
            "coarser": coarser,
            "lengths": lengths,
            "numbers": dict(numbers or {}),
            "told": list(told),
            "frames": frames,
            "tolerance": tolerance,
        }
        self.equation = named_equation(equation, dim)
        self.dim, self.n_parameters = dim, len(told)
        self.in_channels, self.out_channels = frames * self.equation.components, self.equation.components
        self._newest: list[int] = []
        for rank in self.equation.ranks.values():  # a field's frames stand behind each other, then the next field's
            start = len(self._newest) * frames
            self._newest += range(start + (frames - 1) * dim**rank, start + frames * dim**rank)
        self._lengths = [lengths] * dim if isinstance(lengths, int | float) else list(lengths)
        self._time, self._coarser, self._tolerance = float(time), coarser, tolerance
        self._numbers, self._told = dict(numbers or {}), tuple(told)

    @torch.no_grad()
    def forward(
        self, values: Float[Tensor, "batch in_channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch out_channels *space"]:
        """The state `time` later. Raises DomainError where the grid cannot be coarsened or the solver breaks down."""
        space = tuple(values.shape[2:])
        grid = Grid(space, self._lengths).coarser(self._coarser)
        newest = thinned(values[:, self._newest], self._coarser, self.dim)
        numbers: dict[str, float | int | Tensor] = dict(self._numbers)
        for k, name in enumerate(self._told):
            assert parameters is not None
            numbers[name] = parameters[:, k].double()
        found = solve(
            self.equation,
            newest.double(),
            grid=grid,
            times=[0.0, self._time],
            parameters=numbers,
            tolerance=self._tolerance,
        )
        return refined(found.values[:, -1], space).to(values)
