"""Which frequencies a spectral layer keeps, counted in waves per side of the box, independent of the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surrogates.physics.errors import DomainError


@dataclass(frozen=True)
class Frequencies:
    """Kept integer frequencies along each axis, in the order in which weights and spectra hold them.

    The field is real, so the last axis is halved: its frequencies are not negative, the other half follows by
    conjugation. Raises DomainError for a negative one there, or for one that is listed twice.
    """

    axes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.axes or any(not a or len(set(a)) != len(a) for a in self.axes) or min(self.axes[-1]) < 0:
            raise DomainError(
                f"frequencies {self.axes} do not fit a real field: give at least one for each axis, none twice, and "
                "none below zero along the last axis"
            )

    @classmethod
    def lowest(cls, modes: Sequence[int]) -> Frequencies:
        """The set of the FNO paper: 0..k-1 and -k..-1 along full axes, 0..k-1 along the last."""
        *full, half = check_modes(modes)
        return cls((*((*range(k), *range(-k, 0)) for k in full), tuple(range(half))))

    @classmethod
    def symmetric(cls, modes: Sequence[int]) -> Frequencies:
        """A set that -xi maps to itself: -(k-1)..k-1 along full axes, 0..k-1 along the last."""
        *full, half = check_modes(modes)
        return cls((*(tuple(range(1 - k, k)) for k in full), tuple(range(half))))

    @property
    def dim(self) -> int:
        return len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many are kept along each axis."""
        return tuple(len(a) for a in self.axes)

    def check(self, points: Sequence[int]) -> None:
        """Raises DomainError for a grid that cannot carry them: two of them alias, or one lies above Nyquist."""
        if len(points) != self.dim:
            raise DomainError(f"a field with {len(points)} axes was given; these weights are for {self.dim}")
        for axis, (kept, n) in enumerate(zip(self.axes, points, strict=True)):
            top = max(abs(f) for f in kept)
            if 2 * top > n or len({f % n for f in kept}) < len(kept):
                raise DomainError(
                    f"frequencies up to {top} are kept along axis {axis}, whose {n} points carry only those up to "
                    f"{n // 2}; give a finer grid, at least {2 * top} points, or fewer modes"
                )


def check_modes(modes: Sequence[int]) -> tuple[int, ...]:
    """Modes of one to three axes. Raises DomainError for none, more than three, or a number below one."""
    if not 1 <= len(modes) <= 3 or any(isinstance(k, bool) or int(k) != k or k < 1 for k in modes):
        raise DomainError(f"modes={tuple(modes)}; give one whole number from 1 up for each of one to three axes")
    return tuple(int(k) for k in modes)


def each_axis(modes: int | Sequence[int], dim: int) -> tuple[int, ...]:
    """One k for all of `dim` axes, or one for each. Raises DomainError where they are not `dim`, or not 1 to 3."""
    if not 1 <= dim <= 3:
        raise DomainError(f"dim={dim}; spectral operators work in 1, 2 or 3 dimensions")
    given = (modes,) * dim if isinstance(modes, int) else tuple(modes)
    if len(given) != dim:
        raise DomainError(f"modes={given} for {dim} axes; give one number for all axes or one for each")
    return check_modes(given)
