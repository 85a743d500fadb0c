"""CPU time of this process and of the programs that it ran, such as pw.x."""

from __future__ import annotations

import time
from collections.abc import Callable

_LEAST = 0.3  # CPU seconds that a timing takes at least
_MOST = 200  # calls


def cpu_seconds() -> float:
    """Seconds so far; those of a child count once it has ended."""
    try:
        import resource
    except ImportError:  # not on Windows
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds_a_call(call: Callable[[], object]) -> float:
    """CPU seconds of one call, mean of as many as fill 0.3 s, two at least; a first one allocates and is left out."""
    call()
    calls, started = 0, cpu_seconds()
    while cpu_seconds() - started < _LEAST or calls < 2:
        call()
        calls += 1
        if calls >= _MOST:
            break
    return (cpu_seconds() - started) / calls
