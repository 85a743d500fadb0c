"""A "parareal" in time discretization of PDE's (doi:10.1016/S0764-4442(00)01793-6), with a surrogate as the coarse one.

The time is cut into slices. A cheap coarse propagator G gives a first trajectory; then the fine solver F runs on all
slices at once from it, and U_{n+1} <- G(U_n new) + F(U_n old) - G(U_n old) corrects it (J.-L. Lions, Y. Maday and
G. Turinici; in this form L. Baffico and others, doi:10.1103/PhysRevE.66.057701). After k corrections the first k
slices are F's own, so n slices need at most n; the surrogate pays where far fewer do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.physics.errors import DomainError

Propagator = Callable[[Tensor, float, float], Tensor]


@dataclass(frozen=True)
class Parareal:
    """A trajectory that the fine solver certifies.

    Args:
        values: states at the times, the first one the initial state.
        times: (times,).
        defects: max over the slices of |F(U_n) - U_{n+1}| / |U_{n+1}|, after 0, 1, ... corrections, for each sample:
            by how much the fine solver disagrees with the trajectory. Zero is F's own trajectory.
        converged: whether the last defect of every sample is within the tolerance.
        fine_slices: fine solves of one slice in all; the serial fine solver needs one for each slice.
        limit: the tolerance.
    """

    values: Float[Tensor, "samples times *state"]
    times: Float[Tensor, "times"]
    defects: Float[Tensor, "sweeps samples"]
    converged: bool
    fine_slices: int
    limit: float

    @property
    def sweeps(self) -> int:
        """Passes of the fine solver over the slices, which can run side by side: the time of this many slices."""
        return len(self.defects)

    def __str__(self) -> str:
        slices = len(self.times) - 1
        worst = ", ".join(f"{d:.1e}" for d in self.defects.amax(dim=1).tolist())
        return (
            f"{'certified' if self.converged else 'not certified'} to {self.limit:g} with {self.sweeps} fine sweeps of "
            f"{slices} slices (serial: the time of {slices} slices); defects {worst}"
        )


@torch.no_grad()
def parareal(
    coarse: Propagator,
    fine: Propagator,
    initial: Float[Tensor, "samples *state"],
    times: Float[Tensor, "times"] | Sequence[float | int],
    tolerance: float = 1e-6,
    iterations: int | None = None,
) -> Parareal:
    """Correct the coarse trajectory until the fine solver agrees with it.

    Args:
        coarse, fine: (state, start, end) -> state, samples side by side.
        times: the slices' ends, increasing; the first one belongs to `initial`.
        tolerance: of the defect. iterations: corrections at most; None is the number of slices, which is exact.
    Raises:
        DomainError: times that do not increase, or a propagator that is not finite (names sample and time).
    """
    moments = [float(t) for t in times]
    if len(moments) < 2 or any(b <= a for a, b in pairwise(moments)):
        raise DomainError(f"times={moments}; give at least two, increasing, the first one of the initial state")
    if iterations is not None and iterations < 0:
        raise DomainError(f"iterations={iterations}; give 0 or more, or None for as many as there are slices")
    slices = list(pairwise(moments))
    limit = len(slices) if iterations is None else min(iterations, len(slices))
    states, guesses = [initial], []
    for slice_ in slices:
        guesses.append(_run("coarse", coarse, states[-1], slice_))
        states.append(guesses[-1])
    solved: list[Tensor] = [initial] * len(slices)
    defects, calls = [], 0
    for sweep in range(limit + 1):
        for n in range(max(sweep - 1, 0), len(slices)):  # what lies before has not moved
            solved[n] = _run("fine", fine, states[n], slices[n])
            calls += 1
        each = [_distance(f, u) for f, u in zip(solved, states[1:], strict=True)]
        defects.append(torch.stack(each).amax(dim=0))
        if sweep == limit or bool((defects[-1] <= tolerance).all()):
            break
        states[sweep + 1] = solved[sweep]  # its start is exact, so both coarse terms cancel
        for n in range(sweep + 1, len(slices)):
            again = _run("coarse", coarse, states[n], slices[n])
            states[n + 1] = again + solved[n] - guesses[n]
            guesses[n] = again
    stored = torch.tensor(moments, dtype=initial.dtype, device=initial.device)
    converged = bool((defects[-1] <= tolerance).all())
    return Parareal(torch.stack(states, dim=1), stored, torch.stack(defects), converged, calls, tolerance)


def _run(name: str, propagator: Propagator, state: Tensor, slice_: tuple[float, float]) -> Tensor:
    after = propagator(state, *slice_)
    if after.shape != state.shape:
        raise DomainError(f"the {name} propagator makes {tuple(after.shape)} of {tuple(state.shape)}; it keeps shapes")
    wrong = ~after.reshape(len(after), -1).isfinite().all(dim=1)
    if bool(wrong.any()):
        raise DomainError(
            f"sample {int(wrong.nonzero()[0])}: the {name} propagator is not finite at time {slice_[1]:g}; use shorter "
            "slices, or a coarse propagator that is stable on states between its own"
        )
    return after


def _distance(u: Tensor, v: Tensor) -> Tensor:
    size = v.reshape(len(v), -1).norm(dim=1)
    return (u - v).reshape(len(u), -1).norm(dim=1) / torch.where(size > 0, size, 1.0)
