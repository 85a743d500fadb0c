"""What a step sees while it works: its folder, its inputs as paths, its seed; the same in every process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surrogates.workflows.links import parse_link
from surrogates.workflows.names import checked_name

Progress = Callable[[float | int, float | int, str], None]


def silent(done: float | int, total: float | int, unit: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Desk:
    """Where a step works.

    Args:
        folder: of the step; its outputs go here. seed: of everything random. device: "auto", "cpu", "cuda:1".
        inputs: what stands behind each link and path of the file: an absolute path, or one by name for parts.
        trust: what the person who runs allows beyond the rooms. progress: told (done, total, unit) now and then.
    """

    folder: Path
    seed: int = 0
    device: str = "auto"
    inputs: dict[str, Any] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    progress: Progress = silent

    def job_folder(self, job: str) -> Path:
        """The folder of one piece of work, made when absent; what lies in it survives a kill."""
        folder = self.folder / "jobs" / checked_name(job, "job")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def given(self, value: Any) -> Any:
        """Plain data with every link and path of the file replaced by what stands behind it."""
        if isinstance(value, dict):
            return {key: self.given(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.given(item) for item in value]
        if not isinstance(value, str) or value not in self.inputs:
            link = parse_link(value)
            whole = f"{value}".partition("#")[0]
            return f"{self.inputs[whole]}#{link.row}" if link and whole in self.inputs else value
        return self.inputs[value]
