"""The ways to sample around a structure, told apart by the words in a file.

{temperature: 500, samples: 480}              a Langevin walker, in a cell that stays
{rattle: 0.1, samples: 100, strain: 0.02}     random displacements and strains
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import ase

from surrogates.datasets.generators.labels import Referee, ReferenceFailure
from surrogates.datasets.generators.rattled import rattled, require_volume
from surrogates.datasets.generators.walkers import Frame, Walker, walk
from surrogates.physics.errors import DomainError

_FAILURES = 20  # in a row, before it is the reference's and not the structure's fault


@dataclass(frozen=True)
class Rattle:
    """Independent random displacements of each start structure.

    Args:
        rattle: standard deviation of each coordinate, Å. samples: labelled structures.
        strain: standard deviation of the cell's strain components; needs a periodic cell.
        volume: the volume is multiplied by a number drawn evenly from (low, high); needs a periodic cell.
    """

    rattle: float | int
    samples: int
    strain: float | int = 0.0
    volume: Sequence[float | int] | None = None

    def __post_init__(self) -> None:
        if self.volume is not None:
            require_volume(self.volume)
        if not (self.rattle >= 0 and self.strain >= 0 and self.samples > 0):
            raise DomainError(
                f"rattle: {self.rattle}, strain: {self.strain}, samples: {self.samples} were given; "
                "widths must not be negative, samples at least 1"
            )


Sampling: TypeAlias = Walker | Rattle
_KINDS: Mapping[str, type[Any]] = {"temperature": Walker, "rattle": Rattle}


def parse_sampling(spec: Any) -> Sampling:
    """A `Walker` or `Rattle` from a mapping; DomainError names what is accepted."""
    if isinstance(spec, Walker | Rattle):
        return spec
    named = [word for word in _KINDS if isinstance(spec, Mapping) and word in spec]
    if len(named) != 1:
        raise DomainError(
            f"a walker was given as {spec!r}; give temperature (K) for Langevin dynamics or rattle (Å) for random "
            "displacements, and samples"
        )
    return _filled(_KINDS[named[0]], spec)


def frames(
    start: ase.Atoms, referee: Referee, sampling: Sampling, *, spacing: float | int, seed: int
) -> Iterator[Frame]:
    """Labelled frames around `start`, and a frame with `failure` for each that the reference could not label."""
    if isinstance(sampling, Walker):
        return walk(start, referee, sampling, spacing=spacing, seed=seed)
    return _displaced(start, referee, sampling, seed)


def share(sampling: Sampling, structures: int) -> list[Sampling | None]:
    """The samples dealt out over start structures as evenly as possible; None where one gets nothing."""
    each, more = divmod(sampling.samples, structures)
    counts = [each + (k < more) for k in range(structures)]
    return [replace(sampling, samples=n) if n else None for n in counts]


def _displaced(start: ase.Atoms, referee: Referee, sampling: Rattle, seed: int) -> Iterator[Frame]:
    referee.check(start)
    found = failed = draw = 0
    while found < sampling.samples:
        (atoms,) = rattled(start, sampling.rattle, strain=sampling.strain, volume=sampling.volume, seed=[seed, draw])
        draw += 1
        try:
            labels = referee.label(atoms)
        except ReferenceFailure as failure:
            failed += 1
            if failed == _FAILURES:
                raise DomainError(
                    f"the reference {referee.reference.use} failed {failed} times in a row on {start.symbols} rattled "
                    f"by {sampling.rattle:g} Å, at last with: {failure}; rattle less or check the structure"
                ) from failure
            yield Frame(atoms, None, str(failure))
            continue
        found, failed = found + 1, 0
        yield Frame(atoms, labels)


def _filled(kind: type[Any], spec: Mapping[str, Any]) -> Any:
    accepted = {f.name: f for f in fields(kind)}
    for word, value in spec.items():
        if word not in accepted:
            near = difflib.get_close_matches(str(word), accepted, 1)
            raise DomainError(
                f"a walker has no {word!r}; it takes {', '.join(accepted)}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if word == "volume":
            if value is not None and not (isinstance(value, list | tuple) and all(map(_is_number, value))):
                raise DomainError(f"a walker's volume was given as {value!r}; give two factors, such as [0.94, 1.06]")
            continue
        whole = word == "samples"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise DomainError(f"a walker's {word} was given as {value!r}; give a {'whole ' if whole else ''}number")
    if "samples" not in spec:
        raise DomainError(f"a walker {dict(spec)} lacks samples; give the number of labelled structures it shall yield")
    return kind(**spec)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
