"""By how much stored frames miss their equation: what physics says about a prediction, without a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError
from surrogates.physics.fields.equation import Equation
from surrogates.physics.fields.grid import Grid


def residual(
    equation: Equation,
    values: Float[Tensor, "samples times components *space"],
    times: Float[Tensor, "times"] | Sequence[float | int],
    grid: Grid,
    parameters: Mapping[str, float | int | Tensor] | None = None,
    forcing: Tensor | Callable[[float], Tensor] | None = None,
    order: int = 6,
) -> Float[Tensor, "samples times components *space"]:
    """u_t - L u - N(u) - forcing at every frame; differentiable in `values`.

    Space is spectral and free of aliasing for every mode below Nyquist's; u_t is the derivative of the polynomial
    through the nearest order + 1 frames (as many as there are, if fewer), centred inside and one-sided at the ends. So
    frames must lie closer than the changes of the solution: compare with the residual of a reference on the same
    times.

    Args:
        times: increasing, of the frames; the spacing may vary.
        forcing: (samples or 1, components, *space), or a function of time that gives it.
    Raises:
        DomainError: fewer than two frames, or shapes and names that do not fit.
    """
    moments = torch.as_tensor(times, dtype=torch.float64)
    expected = (len(moments), equation.components, *grid.shape)
    if tuple(values.shape[1:]) != expected or len(moments) < 2:
        raise DomainError(
            f"values of shape {tuple(values.shape)} at {len(moments)} times for {equation.name} on a grid of "
            f"{grid.shape}; give (samples, times, {equation.components}, *space) with at least two times"
        )
    k = equation.modes(grid, values.dtype, values.device, padded=True)
    numbers = equation.numbers(parameters, len(values), values)
    right = equation.right_hand_side(k, numbers)
    change = torch.einsum("ts,ns...->nt...", difference_matrix(moments, order).to(values), values)
    frames = []
    for at, time in enumerate(moments.tolist()):
        frame = k.values(right(k.spectrum(values[:, at])), grid.shape)
        if forcing is not None:
            frame = frame + (forcing if isinstance(forcing, Tensor) else forcing(time)).to(values)
        frames.append(frame)
    return change - torch.stack(frames, dim=1)


def difference_matrix(times: Float[Tensor, "times"], order: int = 6) -> Float[Tensor, "times times"]:
    """Matrix of the first derivative at each time, of the polynomial through the nearest order + 1 times.

    In barycentric form: D_ij = (w_j / w_i) / (t_i - t_j) with w_j = 1 / prod (t_j - t_m), and rows that sum to 0
    (J.-P. Berrut, L. N. Trefethen, Barycentric Lagrange Interpolation, doi:10.1137/S0036144502417715, eq. 9.4).
    """
    n = len(times)
    size = min(order + 1, n)
    out = torch.zeros(n, n, dtype=times.dtype)
    for i in range(n):
        first = min(max(i - size // 2, 0), n - size)
        near = times[first : first + size]
        gaps = near[:, None] - near
        gaps.fill_diagonal_(1.0)
        w = 1 / (gaps / (near[-1] - near[0])).prod(1)
        at = i - first
        row = w / w[at] / (times[i] - near).masked_fill(torch.arange(size) == at, 1.0)
        row[at] = 0.0
        row[at] = -row.sum()
        out[i, first : first + size] = row
    return out
