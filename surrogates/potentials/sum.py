"""Two potentials added: a baseline that is known, and a model that learns what is missing (delta learning)."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets.batch import AtomsBatch
from surrogates.interfaces import Potential
from surrogates.physics.errors import DomainError


class Sum(nn.Module):
    """energies = baseline + model, each with its own cutoff.

    The baseline is frozen: its parameters are physics, and fitting moves the model only. The task `EnergyForces` takes
    the two apart, since it scales what is learned and must not scale what is known.

    Args:
        baseline: such as `ZBL()` or `LennardJones()`, in eV.
        model: what is trained; its raw output is added to the baseline's.
    """

    def __init__(self, baseline: Potential, model: Potential) -> None:
        super().__init__()
        self.model = model  # first, so that the first parameter tells the model's dtype
        self.baseline = baseline.requires_grad_(False)  # type: ignore[attr-defined]
        self.r_max = max(baseline.r_max, model.r_max)
        self.elements = _common(baseline.elements, model.elements)
        self.arguments = {"baseline": baseline, "model": model}

    def forward(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]:
        """Energy of each atom, eV."""
        return self.baseline(within(atoms, self.baseline.r_max)) + self.model(within(atoms, self.model.r_max))


def taken_apart(model: nn.Module, baseline: nn.Module | None = None) -> tuple[nn.Module, nn.Module | None]:
    """What is learned and what is known: the innermost model of nested sums, and all their baselines added up."""
    while isinstance(model, Sum):
        known: nn.Module = model.baseline  # type: ignore[assignment]
        baseline = known if baseline is None else Sum(baseline, known)  # type: ignore[arg-type]
        model = model.model  # type: ignore[assignment]
    return model, baseline


def within(atoms: AtomsBatch, r_max: float) -> AtomsBatch:
    """The same batch with the edges of a shorter cutoff only, Å."""
    if r_max >= atoms.r_max:
        return atoms
    keep = (atoms.vectors().detach().norm(dim=-1) < r_max).nonzero()[:, 0]
    return replace(atoms, edges=atoms.edges[:, keep], shift=atoms.shift[keep], r_max=r_max)


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    if not (first and second):  # () is any element
        return first or second
    both = tuple(z for z in first if z in second)
    if not both:
        raise DomainError(f"the baseline knows elements {first}, the model {second}; a sum needs a common one")
    return both
