"""A run as Python sees it: results by step, as dataclasses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogates.physics.errors import WorkflowError
from surrogates.workflows.results import read_result
from surrogates.workflows.words import accepted


@dataclass(frozen=True)
class Run:
    """What `surrogates.run` returns.

    Args:
        directory: everything the run wrote. steps: identifiers, in order.
        computed: the steps that this call computed; the others were finished before.
    """

    directory: Path
    steps: tuple[str, ...]
    computed: tuple[str, ...] = ()

    def __getitem__(self, step: str) -> Any:
        """The result of a step, a dataclass with units in its docstring; a list of them for one with `for_each:`."""
        if step not in self.steps:
            raise WorkflowError(f"the run in {self.directory} has no step {step!r}; {accepted(self.steps, step)}")
        return read_result(self.directory / step)

    def __iter__(self) -> Iterator[str]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)
