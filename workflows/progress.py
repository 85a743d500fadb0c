"""Progress with rate and remaining time: bars on a terminal, plain lines elsewhere, nothing when asked."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, TextIO


@dataclass
class _Piece:
    """One job: how far it is, and where it was when first heard of, for the rate."""

    started: float
    begin: float
    done: float
    total: float
    unit: str


def remaining(done: float, total: float, begin: float, seconds: float) -> tuple[float, float | None]:
    """Rate (units a second) since `begin`, and the seconds left at that rate; None as long as nothing moved."""
    rate = (done - begin) / seconds if seconds > 0 else 0.0
    return rate, (total - done) / rate if rate > 0 else None


def clock(seconds: float | None) -> str:
    """`1:02:03`, `2:03`; `-` for unknown."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass
class Lines:
    """Plain lines: one when something begins or ends, and one each `every` seconds for what is under way."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    every: float = 10.0
    pieces: dict[str, _Piece] = field(default_factory=dict)
    last: float = field(default_factory=time.monotonic)
    lock: Any = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def advance(self, name: str, done: float, total: float, unit: str) -> None:
        with self.lock:
            now = time.monotonic()
            piece = self.pieces.setdefault(name, _Piece(now, done, done, total, unit))
            piece.done, piece.total, piece.unit = done, total, unit
            if now - self.last >= self.every:
                self.last = now
                for key, item in self.pieces.items():
                    self.say(_line(key, item, now))

    def finish(self, name: str) -> None:
        with self.lock:
            self.pieces.pop(name, None)

    def close(self) -> None:
        """Nothing to clear away."""


class Bars:
    """A bar a job, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        text = TextColumn("{task.completed:g}/{task.total:g} {task.fields[unit]}  {task.fields[rest]}")
        self.bars = Progress(TextColumn("{task.description}"), BarColumn(), text, console=Console(), transient=True)
        self.rows: dict[str, Any] = {}
        self.pieces: dict[str, _Piece] = {}
        self.bars.start()

    def say(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False)

    def advance(self, name: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        piece = self.pieces.setdefault(name, _Piece(now, done, done, total, unit))
        rate, left = remaining(done, total, piece.begin, now - piece.started)
        rest = f"{rate:.3g}/s, {clock(left)} left"
        if name not in self.rows:
            self.rows[name] = self.bars.add_task(name, total=total, unit=unit, rest=rest)
        self.bars.update(self.rows[name], completed=done, total=total, unit=unit, rest=rest)

    def finish(self, name: str) -> None:
        self.pieces.pop(name, None)
        if name in self.rows:
            self.bars.remove_task(self.rows.pop(name))

    def close(self) -> None:
        self.bars.stop()


class Silence(Lines):
    """Says nothing; for Python callers that ask for it."""

    def say(self, text: str) -> None:
        """Nothing."""


def watcher(show: bool = True) -> Lines | Bars:
    """Bars on a terminal, lines elsewhere."""
    if not show:
        return Silence()
    return Bars() if sys.stdout.isatty() else Lines()


def _line(name: str, piece: _Piece, now: float) -> str:
    rate, left = remaining(piece.done, piece.total, piece.begin, now - piece.started)
    return f"{name}: {piece.done:g}/{piece.total:g} {piece.unit}, {rate:.3g}/s, {clock(left)} left"
