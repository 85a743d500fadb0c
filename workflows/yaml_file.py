"""A YAML file as plain data, with line and column of every key.

YAML 1.2 through ruamel's round-trip reader: 1e-3 is a number, duplicate keys are errors. What may cost memory or
time is bounded: text, depth, and the number of values after aliases have been followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surrogates.physics.errors import FileError, WorkflowError

MOST_TEXT = 1_000_000  # characters
MOST_VALUES = 20_000
MOST_DEPTH = 40
Place = tuple[str | int, ...]


@dataclass
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each of its parts stands.

    Args:
        name: the file, as messages print it. folder: relative paths in the file start here.
        positions: line and column, from 1, of each key or item; `notes` say instead where an override came from.
    """

    name: str
    folder: Path
    data: Any
    positions: dict[Place, tuple[int, int]] = field(default_factory=dict)
    notes: dict[Place, str] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """`file:line:column` of the innermost part of `place` that the file has."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.notes:
                return self.notes[place[:end]]
            if place[:end] in self.positions:
                line, column = self.positions[place[:end]]
                return f"{self.name}:{line}:{column}"
        return self.name if self.positions or not place else f"{self.name}, {'.'.join(map(str, place))}"

    def error(self, place: Place, message: str) -> WorkflowError:
        """The one message about what is wrong at `place`."""
        return WorkflowError(f"{self.where(place)}: {message}")


def read_yaml(path: Path) -> Document:
    """The file at `path`; raises `FileError` when it cannot be read and `WorkflowError` when it is no plain YAML."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); give the path of a workflow file") from error
    if len(text) > MOST_TEXT:
        raise FileError(f"{path}: {len(text)} bytes; a workflow file has at most {MOST_TEXT}")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from error
    return parse_yaml(decoded, name=str(path), folder=path.resolve().parent)


def parse_yaml(text: str, *, name: str, folder: Path) -> Document:
    """YAML text -> document; every way of being wrong is one `WorkflowError` with file, line and column."""
    if _brackets(text) > 2 * MOST_DEPTH:  # before the parser, whose time grows with the square of the depth
        raise WorkflowError(f"{name}: nested deeper than {MOST_DEPTH} levels")
    document = Document(name, folder, None)
    tree = _compose(text, name)
    document.data = _Plain(document).convert(tree, ())
    return document


def parse_value(text: str) -> Any:
    """The value after `--set a.b=`: a YAML scalar, list or mapping on one line."""
    return parse_yaml(text, name=f"value {text!r}", folder=Path()).data


def _brackets(text: str) -> int:
    """The deepest nesting of brackets, those in quotes included."""
    depth = deepest = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


def _compose(text: str, name: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = " ".join(str(error.problem or error.context or "not YAML").split())
        raise WorkflowError(f"{place}: this is not valid YAML: {problem}") from error
    except RecursionError as error:
        raise WorkflowError(f"{name}: nested deeper than {MOST_DEPTH} levels") from error
    except Exception as error:  # ruamel lets ValueError, TypeError, AttributeError of odd scalars and tags through
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WorkflowError(f"{name}: this is not valid YAML: {reason}") from error


class _Plain:
    """Converts ruamel's tree, counting values so that aliases cannot blow it up."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0

    def convert(self, value: Any, place: Place) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.document.error(place, f"more than {MOST_VALUES} values once aliases are followed")
        if len(place) > MOST_DEPTH:
            raise self.document.error(place, f"nested deeper than {MOST_DEPTH} levels")
        if isinstance(value, dict):
            return {key: self.convert(value[key], (*place, key)) for key in self._keys(value, place)}
        if isinstance(value, list):
            for index in range(len(value)):
                self._mark(value, index, (*place, index))
            return [self.convert(item, (*place, index)) for index, item in enumerate(value)]
        return self._scalar(value, place)

    def _keys(self, mapping: Any, place: Place) -> list[str]:
        for key in mapping:
            if not isinstance(key, str):
                raise self.document.error(place, f"the key {key!r} is not text; quote it")
            self._mark(mapping, key, (*place, str(key)))
        return [str(key) for key in mapping]

    def _mark(self, container: Any, key: Any, place: Place) -> None:
        lines = getattr(getattr(container, "lc", None), "data", None) or {}
        if key in lines:
            self.document.positions[place] = (lines[key][0] + 1, lines[key][1] + 1)

    def _scalar(self, value: Any, place: Place) -> Any:
        if value is None:
            return None
        for kind, plain in ((bool, bool), (int, int), (float, float), (str, str)):
            if isinstance(value, kind):
                return plain(value)
        if type(value).__name__ == "ScalarBoolean":
            return bool(value)
        raise self.document.error(
            place, f"a {type(value).__name__} is not accepted; write a number, text, true, false, a list or a mapping"
        )
