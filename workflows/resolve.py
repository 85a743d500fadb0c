"""Steps of a workflow, resolved: links followed, keys checked, sorted so that each comes after what it needs."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surrogates.workflows.catalogue import step_class, step_names
from surrogates.workflows.fan_out import FanOut, read_fan_out
from surrogates.workflows.fields import KINDS, Seed
from surrogates.workflows.foreign import check_foreign
from surrogates.workflows.links import Link, links_in, looks_like_link, parse_link
from surrogates.workflows.parts import check_part
from surrogates.workflows.typed import Reader
from surrogates.workflows.words import accepted
from surrogates.workflows.yaml_file import Document, Place

COMMON = ("use", "for_each", "seed")


@dataclass(frozen=True)
class StepPlan:
    """One step as it will run.

    Args:
        id: its key in the file. use: its module. arguments: its keys after links into the file have been followed.
        step: the dataclass built from them. needs: steps whose outputs it takes. files: paths that the file names.
        seed: its own, where given.
    """

    id: str
    use: str
    arguments: dict[str, Any]
    step: Any
    needs: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    fan_out: FanOut | None = None
    seed: int | None = None


class Resolver:
    """Resolves the steps of a document, each once, what they need first."""

    def __init__(self, document: Document, trust: tuple[str, ...] = ()) -> None:
        self.document = document
        self.trust = trust
        self.raw: dict[str, Any] = document.data["steps"]
        self.done: dict[str, StepPlan] = {}
        self.open: list[str] = []

    def steps(self) -> dict[str, StepPlan]:
        """Every step, in an order in which each comes after what it needs."""
        for step in self.raw:
            self._resolve(step, ("steps", step))
        return self.done

    def _resolve(self, step: str, asked_at: Place) -> StepPlan:
        if step in self.done:
            return self.done[step]
        if step in self.open:
            circle = " -> ".join([*self.open[self.open.index(step) :], step])
            raise self.document.error(asked_at, f"the steps need each other in a circle: {circle}; cut one link")
        self.open.append(step)
        plan = self._plan(step, ("steps", step))
        self.open.remove(step)
        self.done[step] = plan
        return plan

    def _plan(self, step: str, place: Place) -> StepPlan:
        raw = self.raw[step]
        use = raw.get("use")
        if not isinstance(use, str) or use not in step_names():
            problem = f"{use!r} is no step" if "use" in raw else 'the key "use" is missing'
            raise self.document.error((*place, "use"), f"{problem}; {accepted(step_names(), str(use))}")
        cls = step_class(use)
        resolved = self._follow(raw, place)
        fan_out = read_fan_out(self.document, place, resolved, cls, self._link_kind)
        files: dict[str, str] = {}
        reader = self._reader(files)
        seed = self._seed(reader, resolved, place)
        first = fan_out.first(resolved) if fan_out else resolved
        built = reader.dataclass(cls, first, place, common=COMMON)
        for number in range(1, fan_out.known if fan_out else 0):
            reader.dataclass(cls, fan_out.pick(resolved, number), place, common=COMMON)  # type: ignore[union-attr]
        arguments = {k: v for k, v in resolved.items() if k not in COMMON}
        needs = {link.step for link in links_in([arguments, fan_out.link if fan_out else None])}
        return StepPlan(step, use, arguments, built, tuple(s for s in self.done if s in needs), files, fan_out, seed)

    def _seed(self, reader: Reader, raw: dict[str, Any], place: Place) -> int | None:
        if "seed" not in raw:
            return None
        seed: int = reader.read(Seed, raw["seed"], (*place, "seed"))
        return seed

    def _reader(self, files: dict[str, str]) -> Reader:
        document, trust = self.document, self.trust

        def link(place: Place, text: str, kind: str) -> str:
            if parse_link(text) is not None:
                return self._checked_link(place, text, kind)
            files[text] = str(self._file(place, text))
            return text

        return Reader(
            document,
            link,
            lambda place, value, rooms: check_part(document, place, value, rooms, trust),
            lambda place, value: check_foreign(document, place, value, trust),
        )

    def _checked_link(self, place: Place, text: str, kind: str) -> str:
        given = self._link_kind(place, text)
        if given != kind:
            raise self.document.error(place, f"{text} is {KINDS[given]}; accepted is {KINDS[kind]}")
        return text

    def _link_kind(self, place: Place, text: str) -> str:
        link = parse_link(text)
        if link is None:
            raise self.document.error(place, f"{text!r} is no link; write it as ${{step}} or ${{step.output}}")
        kind: str = self.done[link.step].step.outputs()[link.output].kind
        if link.row is not None and kind != "structures":
            raise self.document.error(place, f"{link} counts structures, but {KINDS[kind]} is named")
        return kind

    def _file(self, place: Place, text: str) -> Path:
        path = (self.document.folder / Path(text).expanduser()).resolve()
        if not path.exists():
            hint = f"; {accepted(self.raw, text)} as ${{step}}" if text in self.raw else ""
            raise self.document.error(place, f"there is no file {text!r} in {self.document.folder}{hint}")
        return path

    def _follow(self, value: Any, place: Place) -> Any:
        """`value` with every link into the file replaced by what stands there; links to outputs stay."""
        if isinstance(value, dict):
            return {key: self._follow(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._follow(item, (*place, index)) for index, item in enumerate(value)]
        link = parse_link(value)
        if link is None:
            if looks_like_link(value):
                raise self.document.error(place, f"{value!r} is no link; write it as ${{step}} or ${{step.output}}")
            return value
        return self._followed(link, place)

    def _followed(self, link: Link, place: Place) -> Any:
        if link.step not in self.raw:
            raise self.document.error(place, f'there is no step "{link.step}"; {accepted(self.raw, link.step)}')
        plan = self._resolve(link.step, place)
        outputs = plan.step.outputs()
        if link.output in outputs:
            if plan.fan_out is not None:
                raise self.document.error(place, f"{link} is a step with for_each: its outputs have no one name")
            return str(link)
        found: Any = plan.arguments
        for key in link.rest:
            if not isinstance(found, dict) or key not in found:
                known = [*filter(None, outputs), *(found if isinstance(found, dict) else ())]
                raise self.document.error(place, f"{link} does not exist; step {link.step} has {accepted(known, key)}")
            found = found[key]
        if not link.rest:
            raise self.document.error(place, f"{link} has no output of its own; {accepted(filter(None, outputs))}")
        return deepcopy(found)
