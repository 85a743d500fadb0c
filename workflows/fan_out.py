"""`for_each:` runs one step several times: `for_each: {key: values}`, the key one of the step's own.

Values are a list, a range `{range: [start, stop, step]}` (stop excluded), or `{dataset: "${data.test}"}`, one run for
each structure of a file; `first: 10` takes the first ten of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from surrogates.workflows.links import links_in
from surrogates.workflows.typed import hints_of
from surrogates.workflows.words import accepted
from surrogates.workflows.yaml_file import Document, Place

MOST = 10_000


@dataclass(frozen=True)
class FanOut:
    """What is varied.

    Args:
        key: dotted, of the step. values: known beforehand; None for a data set.
        link: the data set's link. first: at most so many of its structures.
    """

    key: str
    values: tuple[Any, ...] | None
    link: str | None = None
    limit: int | None = None

    @property
    def known(self) -> int:
        return len(self.values) if self.values is not None else 0

    def first(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the first run, for checking."""
        return self.pick(arguments, 0) if self.values is not None else self._with(arguments, self.link)

    def pick(self, arguments: dict[str, Any], number: int) -> dict[str, Any]:
        """The arguments of run `number`; a structure of a data set is written `${data.test}#number`."""
        value = self.values[number] if self.values is not None else f"{self.link}#{number}"
        return self._with(arguments, value)

    def _with(self, arguments: dict[str, Any], value: Any) -> dict[str, Any]:
        head, _, rest = self.key.partition(".")
        if not rest:
            return {**arguments, head: value}
        inner = FanOut(rest, (value,)).pick(arguments.get(head) or {}, 0)
        return {**arguments, head: inner}


def read_fan_out(
    document: Document, place: Place, raw: dict[str, Any], cls: type, kind_of: Callable[[Place, str], str]
) -> FanOut | None:
    """The `for_each:` of a step, checked; None where it has none."""
    if "for_each" not in raw:
        return None
    here = (*place, "for_each")
    given = raw["for_each"]
    if not isinstance(given, dict) or len(given) != 1:
        raise document.error(here, "for_each takes one key of the step, such as for_each: {temperature: [300, 500]}")
    ((key, values),) = given.items()
    if key.partition(".")[0] not in (*hints_of(cls), "seed"):
        raise document.error((*here, key), f'unknown key "{key}"; {accepted((*hints_of(cls), "seed"), key)}')
    if isinstance(values, dict) and "dataset" in values:
        return _dataset(document, (*here, key), key, values, kind_of)
    if isinstance(values, dict) and set(values) == {"range"}:
        values = _range(document, (*here, key, "range"), values["range"])
    if not isinstance(values, list) or not 1 <= len(values) <= MOST or links_in(values):
        raise document.error((*here, key), "accepted are a list, {range: [start, stop, step]} or {dataset: ...}")
    return FanOut(key, tuple(values))


def _dataset(
    document: Document, place: Place, key: str, given: dict[str, Any], kind_of: Callable[[Place, str], str]
) -> FanOut:
    for word in given:
        if word not in ("dataset", "first"):
            raise document.error((*place, word), f'unknown key "{word}"; {accepted(("dataset", "first"), word)}')
    first = given.get("first")
    if first is not None and (not isinstance(first, int) or isinstance(first, bool) or first < 1):
        raise document.error((*place, "first"), f"{first!r} is no number of structures")
    if kind_of((*place, "dataset"), given["dataset"]) != "structures":
        raise document.error((*place, "dataset"), f"{given['dataset']} is no file of structures")
    return FanOut(key, None, given["dataset"], first)


def _range(document: Document, place: Place, given: Any) -> list[Any]:
    plain = isinstance(given, list) and 1 <= len(given) <= 3
    if not plain or not all(isinstance(x, int) and not isinstance(x, bool) for x in given):
        raise document.error(place, f"{given!r} is no range; write [stop], [start, stop] or [start, stop, step]")
    if len(given) == 3 and given[2] == 0:
        raise document.error(place, "a range with step 0 never ends")
    numbers = range(*given)
    if not 1 <= len(numbers) <= MOST:
        raise document.error(place, f"{len(numbers)} values; accepted are 1 to {MOST}")
    return list(numbers)
