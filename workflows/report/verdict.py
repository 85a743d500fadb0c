"""Would we trust this surrogate, for what, and why not?

A criterion compares one measured number with one printed threshold. The verdict is the worst of them: a failed
essential criterion says no, a failed other one says with care. What was not measured is said, never assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Criterion:
    """One measured number beside its threshold.

    Args:
        name: what was measured, in words. value: the number; None where it was not measured.
        low, high: accepted range; None for no limit on that side.
        unit: of value and limits. essential: failing it alone means no.
        use: what the surrogate is good for where this holds, such as "molecular dynamics".
        advice: what to do where it does not hold.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    essential: bool = False
    use: str = ""
    advice: str = ""

    @property
    def passed(self) -> bool | None:
        """None where nothing was measured; NaN fails."""
        if self.value is None:
            return None
        above = self.low is None or self.value >= self.low
        below = self.high is None or self.value <= self.high
        return self.value == self.value and above and below

    @property
    def threshold(self) -> str:
        """The accepted range in words."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g} {self.unit}".strip()
        if self.low is None and self.high is None:
            return "to be measured"
        limit = f">= {self.low:g}" if self.low is not None else f"<= {self.high:g}"
        return f"{limit} {self.unit}".strip()


Answer = Literal["yes", "with care", "no"]


@dataclass(frozen=True)
class Verdict:
    """The answer, what the surrogate may be used for, and what speaks against it."""

    answer: Answer
    uses: tuple[str, ...]
    against: tuple[Criterion, ...]
    unknown: tuple[Criterion, ...]
    criteria: tuple[Criterion, ...]

    @property
    def headline(self) -> str:
        """One sentence for the top of the page."""
        if self.answer == "no":
            return "No: do not use this surrogate."
        purpose = f" for {_and(self.uses)}" if self.uses else ""
        if self.answer == "yes":
            return f"Yes{purpose}."
        refused = tuple(dict.fromkeys(c.use for c in self.against if c.use))
        but = f", not for {_and(refused)}" if refused else ""
        return f"With care{purpose}{but}: read what speaks against it."


def judge(criteria: Sequence[Criterion]) -> Verdict:
    """The verdict over all criteria; without a single essential one measured the answer is no."""
    measured = [c for c in criteria if c.passed is not None]
    against = [c for c in measured if not c.passed]
    essential = [c for c in measured if c.essential]
    if not essential or any(c.essential for c in against):
        answer: Answer = "no"
    else:
        answer = "with care" if against else "yes"
    held = [c.use for c in measured if c.use and c.passed]
    broken = {c.use for c in against}
    uses = tuple(dict.fromkeys(u for u in held if u not in broken)) if answer != "no" else ()
    return Verdict(answer, uses, tuple(against), tuple(c for c in criteria if c.passed is None), tuple(criteria))


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
