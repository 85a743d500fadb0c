"""Sections -> one self-contained HTML page that opens offline.

Everything that comes from a file is escaped: text by jinja2's autoescape, data inside scripts as JSON without `<`, `>`,
`&` and line separators. Figures are our own SVG text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from surrogates.workflows.report.verdict import Verdict

_ROOM = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first column is text, the others are numbers already put into words with their unit."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """SVG text of `figures` and its caption."""

    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Molecules:
    """Frames in xyz format for the viewer, with a caption; more than one frame plays as a movie."""

    xyz: str
    caption: str = ""
    frames: int = 1


@dataclass(frozen=True)
class Section:
    """One part of the report: a heading, sentences, then tables, pictures and structures in order."""

    title: str
    text: Sequence[str] = ()
    blocks: Sequence[Table | Picture | Molecules] = field(default_factory=tuple)


def script_json(data: Any) -> Markup:
    """JSON that may stand inside a script element: no sequence in it can close the element or start a comment."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def render(title: str, verdict: Verdict, sections: Sequence[Section], provenance: Sequence[tuple[str, str]]) -> str:
    """The whole page as text."""
    loader = FileSystemLoader(_ROOM / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    views = [block for section in sections for block in section.blocks if isinstance(block, Molecules)]
    library = (_ROOM / "static" / "3Dmol-min.js").read_text(encoding="utf-8") if views else ""
    return environment.get_template("report.html.j2").render(
        title=title,
        verdict=verdict,
        sections=sections,
        provenance=provenance,
        kind=lambda block: type(block).__name__,
        svg=lambda picture: Markup(picture.svg),
        views=script_json([{"xyz": view.xyz, "frames": view.frames} for view in views]),
        library=Markup(library.replace("</script", "<\\/script")),
    )
