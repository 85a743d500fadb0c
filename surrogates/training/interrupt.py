"""Ctrl-C between two steps rather than inside one, so that no half-made step is ever kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Remembers a Ctrl-C until `check`; the second one is not held back."""

    def __init__(self) -> None:
        self._asked = False

    def check(self) -> None:
        """Raises KeyboardInterrupt if it was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


@contextmanager
def held_back() -> Iterator[Interrupt]:
    """Ctrl-C is remembered inside this block; other threads get none, so nothing changes there."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt._remember)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
