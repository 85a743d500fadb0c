"""One compute thread for reference codes.

Two threads cost xTB twice the CPU time for nothing, and their sums come out in varying order: with more than one
thread two equal runs differ in the last bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class OneThread:
    """Limits OpenMP to one thread, unless the user has set OMP_NUM_THREADS; made after the reference is imported."""

    def __init__(self) -> None:
        self._controller = None if "OMP_NUM_THREADS" in os.environ else ThreadpoolController()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within the block, OpenMP and BLAS regions use one thread."""
        if self._controller is None:
            yield
            return
        with self._controller.limit(limits=1):
            yield
