"""A workflow file as checked dataclasses: what it says, which step needs which, in which order they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from surrogates.workflows.fields import Count, Seed
from surrogates.workflows.names import NAME_RULE, is_name
from surrogates.workflows.overrides import apply_quick, apply_settings
from surrogates.workflows.resolve import Resolver, StepPlan
from surrogates.workflows.typed import Reader
from surrogates.workflows.yaml_file import Document, Place, read_yaml

FORMAT = 1


@dataclass(frozen=True)
class Engine:
    """Where steps run.

    Args:
        use: "local", processes on this machine. workers: how many of them; each computes with one thread.
    """

    use: Literal["local"] = "local"
    workers: Count = 2


@dataclass(frozen=True)
class Head:
    """The top of a workflow file.

    Args:
        surrogates: the format's version. name: of the run, and of its folder below `runs`.
        seed: of everything random. device: "auto", "cpu", "cuda" or "cuda:1".
        engine: where steps run. quick: `step.key: value` pairs that --quick sets.
        steps: by identifier, each with `use:` and the keys of that step.
    """

    surrogates: Literal[1]
    name: str
    steps: dict[str, dict[str, Any]]
    seed: Seed = 0
    device: str = "auto"
    engine: Engine = field(default_factory=Engine)
    quick: dict[str, Any] | None = None


@dataclass(frozen=True)
class Workflow:
    """A checked workflow: nothing in it can fail for its form any more.

    Args:
        head: the top of the file. steps: in an order in which each comes after what it needs.
        data: the plain data after `--quick` and `--set`, as it is kept beside the results.
    """

    head: Head
    steps: dict[str, StepPlan]
    data: dict[str, Any]
    folder: Path
    trust: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.head.name


def load_workflow(
    path: Path, *, quick: bool = False, settings: Mapping[str, Any] | None = None, trust: tuple[str, ...] = ()
) -> Workflow:
    """Read and check a workflow file; raises one `SurrogatesError` with file, line and column."""
    return check_workflow(read_yaml(path), quick=quick, settings=settings, trust=trust)


def check_workflow(
    document: Document, *, quick: bool = False, settings: Mapping[str, Any] | None = None, trust: tuple[str, ...] = ()
) -> Workflow:
    """A checked workflow from a document; see `load_workflow`."""
    if not isinstance(document.data, dict):
        raise document.error((), "a workflow file is a mapping that begins with `surrogates: 1`")
    _head(document)
    if quick:
        apply_quick(document)
    apply_settings(document, settings or {})
    head = _head(document)
    return Workflow(head, Resolver(document, trust).steps(), document.data, document.folder, trust)


def _head(document: Document) -> Head:
    if document.data.get("surrogates") != FORMAT or document.data.get("surrogates") is True:
        given = document.data.get("surrogates")
        raise document.error(("surrogates",), f"format {given!r}; this version reads `surrogates: {FORMAT}`")
    reader = Reader(document, _no_link, _no_part, _no_foreign)
    head: Head = reader.dataclass(Head, document.data, ())
    if not is_name(head.name):
        raise document.error(("name",), f"{head.name!r} is no name of a run; accepted are {NAME_RULE}")
    if head.device not in ("auto", "cpu", "cuda") and not head.device.removeprefix("cuda:").isdigit():
        raise document.error(("device",), f"{head.device!r} is no device; accepted are auto, cpu, cuda, cuda:1")
    if not head.steps:
        raise document.error(("steps",), "there are no steps")
    for step in head.steps:
        if not is_name(step) or "." in step:
            raise document.error(
                ("steps", step), f"{step!r} is no name of a step; accepted are {NAME_RULE}, without '.'"
            )
    return head


def _no_link(place: Place, text: str, kind: str) -> str:
    raise NotImplementedError  # the head has no such fields


def _no_part(place: Place, value: dict[str, Any], rooms: tuple[str, ...]) -> dict[str, Any]:
    raise NotImplementedError


def _no_foreign(place: Place, value: dict[str, Any]) -> dict[str, Any]:
    raise NotImplementedError
