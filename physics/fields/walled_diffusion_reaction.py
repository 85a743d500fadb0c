"""Diffusion with reactions between walls and around obstacles: u_t = D Lap(u) + R(u).

Finite volumes in space, the additive Runge-Kutta pair of `imex` in time (diffusion implicit, reactions explicit), each
sample with steps of its own chosen from its error. The given case is the no-flux FitzHugh-Nagumo medium of
PDEBench: An Extensive Benchmark for Scientific Machine Learning (arXiv:2210.07182), section D.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.diffusion_reaction import Reaction, fitzhugh_nagumo_reaction
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.imex import additive_step
from surrogates.physics.fields.solve import Solution
from surrogates.physics.fields.walled_laplacian import WalledLaplacian, walled_laplacian
from surrogates.physics.fields.walls import Condition, Neumann, Walls

HALVINGS = 26  # of the time between two frames, before the error control gives up
COARSEN = 1 / 30  # of the tolerance, below which the next step is twice as long (its error is 16 times larger)
CELLS = 2**17  # values that are advanced together


@dataclass(frozen=True)
class Medium:
    """What diffuses and reacts.

    Args:
        diffusion: one coefficient per field, each a number or (samples,); not negative.
        reaction: (values (samples, fields, *space), parameters) -> rates of the same shape, point by point.
        parameters: of the reaction, each a number or (samples,); they reach it shaped to broadcast against values.
    """

    diffusion: Sequence[float | Tensor]
    reaction: Reaction
    parameters: Mapping[str, float | Tensor] = field(default_factory=dict)


def pdebench_medium(
    k: float | Tensor = 5e-3, diffusion_u: float | Tensor = 1e-3, diffusion_v: float | Tensor = 5e-3
) -> Medium:
    """FitzHugh-Nagumo with PDEBench's numbers; its box is [-1, 1]² with no-flux walls, 128 x 128 cells, T = 5."""
    return Medium((diffusion_u, diffusion_v), fitzhugh_nagumo_reaction, {"k": k})


@torch.no_grad()
def solve(
    initial: Float[Tensor, "samples fields *space"],
    medium: Medium,
    *,
    grid: Grid,
    times: Float[Tensor, "times"] | Sequence[float | int],
    walls: Walls | Condition | Sequence[Walls | Condition] = Neumann(0.0),
    mask: Tensor | None = None,
    tolerance: float = 1e-7,
) -> Solution:
    """Advance cell averages to each of the times; 0 outside the mask.

    Args:
        initial: averages at times[0]. grid: axes with walls or periodic ones. times: increasing.
        walls: for all fields, or one entry per field; conditions are on du/dn (a = 1 in `walls`).
        mask: True inside; obstacles are False. Parts that are cut off from one another simply do not interact.
        tolerance: of the estimated error of each step, relative to each field's root mean square.
    Raises:
        DomainError: shapes that do not fit, values that are not finite (names sample and cell), negative diffusion, a
            tolerance that no step meets (names sample, time and the step that was tried).
    """
    moments = [float(t) for t in times]
    _check(initial, medium, grid, moments, tolerance)
    n, fields = initial.shape[:2]
    each = list(walls) if isinstance(walls, Sequence) else [walls] * fields
    if len(each) != fields:
        raise DomainError(f"walls for {len(each)} fields of {fields}; give one entry for all, or one per field")
    operators: list[WalledLaplacian] = []
    for i, wall in enumerate(each):
        same = next((j for j in range(i) if each[j] is wall), None)
        operators.append(operators[same] if same is not None else walled_laplacian(grid, wall, mask, initial))
    diffusion = torch.stack([_per_sample(d, n, initial, "diffusion") for d in medium.diffusion], dim=1)
    if bool((diffusion < 0).any()):
        raise DomainError("a diffusion coefficient is negative, which no forward time can follow; give 0 or more")
    shape = (n, *[1] * (grid.dim + 1))
    numbers = {name: _per_sample(v, n, initial, name).reshape(shape) for name, v in medium.parameters.items()}
    if mask is not None:
        initial = torch.where(mask, initial, 0.0)
    parts = []
    size = max(1, CELLS // math.prod(initial.shape[1:]))
    for at in range(0, n, size):
        rows = slice(at, at + size)
        cut = {name: number[rows] for name, number in numbers.items()}
        stepper = _Stepper(operators, diffusion[rows], medium.reaction, cut, mask)
        parts.append(_march(stepper, initial[rows], moments, tolerance, at))
    stored = torch.tensor(moments, dtype=initial.dtype, device=initial.device)
    values, steps, rejected, error = (torch.cat(part) for part in zip(*parts, strict=True))
    return Solution(values, stored, steps, rejected, error)


@dataclass(frozen=True)
class _Stepper:
    operators: Sequence[WalledLaplacian]
    diffusion: Tensor
    reaction: Reaction
    parameters: Mapping[str, Tensor]
    mask: Tensor | None

    def __call__(self, u: Tensor, h: float, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The chosen rows one step later, and the largest relative error over the fields of each."""
        coefficient = self.diffusion[rows]
        numbers = {name: number[rows] for name, number in self.parameters.items()}
        spread = coefficient.reshape(*coefficient.shape, *[1] * (u.dim() - 2))

        def explicit(values: Tensor) -> Tensor:
            rates = self.reaction(values, numbers)
            return rates if self.mask is None else torch.where(self.mask, rates, 0.0)

        def implicit(values: Tensor) -> Tensor:
            return spread * torch.stack([op.apply(values[:, i]) for i, op in enumerate(self.operators)], dim=1)

        def shifted(right: Tensor, c: float) -> Tensor:
            solved = [op.shifted(right[:, i], c * coefficient[:, i]) for i, op in enumerate(self.operators)]
            return torch.stack(solved, dim=1)

        after, error = additive_step(u[rows], h, explicit, implicit, shifted)
        space = tuple(range(2, u.dim()))
        size = after.square().mean(dim=space).sqrt()
        size = size + 1e-3 * size.amax(dim=1, keepdim=True) + 1e-30
        return after, (error.square().mean(dim=space).sqrt() / size).amax(dim=1)


def _march(
    step: _Stepper, initial: Tensor, moments: list[float], tolerance: float, first: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps of the frame's length over a power of two, per sample, so that factorisations serve again."""
    u, n = initial.clone(), len(initial)
    level = torch.zeros(n, dtype=torch.long)
    steps, rejected, total = torch.zeros_like(level), torch.zeros_like(level), torch.zeros(n, dtype=torch.float64)
    frames = [initial]
    for start, end in pairwise(moments):
        place = torch.zeros(n, dtype=torch.long)  # in units of the finest step
        while bool((place < 2**HALVINGS).any()):
            for now in torch.unique(level[place < 2**HALVINGS]).tolist():
                rows = torch.nonzero((level == now) & (place < 2**HALVINGS))[:, 0]
                h = (end - start) / 2**now
                after, error = step(u, h, rows.to(u.device))
                error = error.double().cpu()
                good = error <= tolerance  # False for NaN
                done = rows[good]
                u[done.to(u.device)] = after[good.to(u.device)]
                place[done] += 2 ** (HALVINGS - now)
                steps[done] += 1
                total[done] += error[good]
                rejected[rows[~good]] += 1
                level[rows[~good]] += 1
                aligned = place % 2 ** (HALVINGS - now + 1) == 0
                level[rows[good & (error < COARSEN * tolerance) & aligned[rows] & (now > 0)]] -= 1
            if int(level.max()) > HALVINGS:
                sample = int(level.argmax())
                at = start + (end - start) * int(place[sample]) / 2**HALVINGS
                least = (end - start) / 2**HALVINGS
                raise DomainError(
                    f"sample {first + sample} at time {at:.6g}: no step down to {least:.2g} meets the tolerance "
                    f"{tolerance:g}; the reaction blows up there, or the tolerance is below round-off"
                )
        frames.append(u.clone())
    return torch.stack(frames, dim=1), steps, rejected, total


def _per_sample(value: float | Tensor, samples: int, like: Tensor, name: str) -> Tensor:
    number = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if number.dim() > 1 or (number.dim() == 1 and len(number) not in (1, samples)) or not bool(number.isfinite().all()):
        raise DomainError(
            f"{name} of shape {tuple(number.shape)} for {samples} samples; give one finite number, or one per sample"
        )
    return number.reshape(-1).expand(samples)


def _check(initial: Tensor, medium: Medium, grid: Grid, moments: list[float], tolerance: float) -> None:
    if tuple(initial.shape[2:]) != grid.shape or len(initial) == 0:
        raise DomainError(
            f"initial averages of shape {tuple(initial.shape)} on a grid of {grid.shape}; give (samples, fields, "
            "*grid.shape)"
        )
    if len(medium.diffusion) != initial.shape[1]:
        raise DomainError(
            f"{len(medium.diffusion)} diffusion coefficients for {initial.shape[1]} fields; give one for each"
        )
    if len(moments) < 1 or any(b <= a for a, b in pairwise(moments)):
        raise DomainError(f"times={moments}; give increasing times, the first one of the initial state")
    if not 0 < tolerance < 1:
        raise DomainError(f"tolerance={tolerance!r}; it lies between 0 and 1")
    wrong = ~initial.isfinite()
    if bool(wrong.any()):
        sample, which, *cell = wrong.nonzero()[0].tolist()
        raise DomainError(f"sample {sample}: field {which} is not finite at cell {tuple(cell)}; it must be a number")
