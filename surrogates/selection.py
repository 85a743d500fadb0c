"""Which values of a trajectory go in and come out, as text: "u[0]", "u[-1]", "u[0:10]", "a", "u[t-9:t+1]".

A number counts frames of the trajectory (negative ones from its end), `t` stands for any frame: a pair such as
input="u[t-9:t+1]", target="u[t+1]" is one step of a rollout, found at every place of a trajectory where it fits. A name
alone is a field without time (a permeability, a forcing) or a field with one frame. Slices end before their stop, as in
Python. Frames and components become channels, frame by frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from surrogates.physics.errors import DomainError

_TEXT = re.compile(r"\s*(?P<name>[A-Za-z_][\w .-]*?)\s*(\[(?P<inside>[^\[\]]*)\])?\s*")
_PLACE = re.compile(r"\s*(?P<t>t)?\s*(?P<offset>(?(t)[+-]|[+-]?)\s*\d+)?\s*")  # t+1, not t1


@dataclass(frozen=True)
class Selection:
    """Frames of one field.

    Args:
        name: of the field. first, stop: frames, counted from the start of the trajectory (or its end, where negative),
            from `t` where `relative`; both None for all there is. single: one frame was asked for, not a slice.
    """

    name: str
    first: int | None = None
    stop: int | None = None
    relative: bool = False
    single: bool = True

    def __str__(self) -> str:
        if self.first is None and self.stop is None:
            return self.name if self.single else f"{self.name}[:]"
        sign = "t{:+d}" if self.relative else "{}"
        ends = ["" if n is None else sign.format(n).replace("t+0", "t") for n in (self.first, self.stop)]
        return f"{self.name}[{ends[0] if self.single else ':'.join(ends)}]"

    def frames(self, count: int, t: int = 0) -> range:
        """The frames meant, in a trajectory of `count`. Raises DomainError where it has not got them."""
        if self.relative:
            assert self.first is not None
            assert self.stop is not None
            found = range(t + self.first, t + self.stop)
            inside = found.start >= 0 and found.stop <= count
        elif self.single and self.first is not None:
            place = self.first + (count if self.first < 0 else 0)
            found, inside = range(place, place + 1), 0 <= place < count
        else:
            found = range(count)[self.first : self.stop]
            wanted = [n for n in (self.first, self.stop) if n is not None]
            inside = len(found) > 0 and all(-count <= n <= count for n in wanted)
        if not inside:
            raise DomainError(f"{self}: the trajectory has {count} frames, 0 to {count - 1}; choose among them")
        return found


def parse(text: str) -> Selection:
    """Read one selection. Raises DomainError, which says what may be written."""
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _unreadable(text)
    inside = match["inside"]
    if inside is None:
        return Selection(match["name"])
    ends = [_PLACE.fullmatch(end) for end in inside.split(":")]
    if not 1 <= len(ends) <= 2 or any(end is None for end in ends) or not inside.strip():
        raise _unreadable(text)
    relative = [end is not None and end["t"] is not None for end in ends]
    numbers = [_number(end) for end in ends]
    if len(ends) == 1:
        assert numbers[0] is not None
        stop = numbers[0] + 1 if relative[0] else None
        return Selection(match["name"], numbers[0], stop, relative[0])
    if any(relative) and not all(relative):
        raise _unreadable(text)
    if relative[0] and not numbers[0] < numbers[1]:  # type: ignore[operator]
        raise DomainError(f"{text!r} selects no frame; a slice ends before its second number, as in Python")
    return Selection(match["name"], numbers[0], numbers[1], relative[0], single=False)


def parse_all(texts: str | Sequence[str]) -> tuple[Selection, ...]:
    """One selection or several."""
    if not isinstance(texts, str | Sequence):
        raise _unreadable(texts)
    found = tuple(parse(text) for text in ([texts] if isinstance(texts, str) else texts))
    if not found:
        raise DomainError("nothing is selected; name at least one field, such as 'u[0]'")
    return found


def span(selections: Sequence[Selection]) -> tuple[int, int] | None:
    """First and last + 1 offset from `t` that the relative ones among them need; None where none is relative."""
    ends = [(s.first, s.stop) for s in selections if s.relative]
    return (min(a for a, _ in ends), max(b for _, b in ends)) if ends else None  # type: ignore[type-var,return-value]


def _number(match: re.Match[str] | None) -> int | None:
    assert match is not None
    if match["offset"] is None:
        return 0 if match["t"] else None
    return int(match["offset"].replace(" ", ""))


def _unreadable(text: Any) -> DomainError:
    return DomainError(
        f"{text!r} selects nothing; write a field with frames, 'u[0]', 'u[-1]', 'u[0:10]', 'u[t]', 'u[t-9:t+1]', or "
        "the name alone of a field without time"
    )
