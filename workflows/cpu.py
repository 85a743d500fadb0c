"""CPU time of this process and of the programs that it ran, such as pw.x."""

from __future__ import annotations

import time


def cpu_seconds() -> float:
    """Seconds so far; those of a child count once it has ended."""
    try:
        import resource
    except ImportError:  # not on Windows
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
