"""How an operator's answer becomes its next input: by how many frames, and which channel goes where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surrogates.selection import Selection


def stride(inputs: Sequence[Selection], targets: Sequence[Selection]) -> int:
    """Frames by which a step advances: from the newest of the input to the last of the target, of fields in both.

    0 for a map that does not lead on in time, such as from one field to another at the same time.
    """
    newest, furthest = _ends(inputs), _ends(targets)
    return max((furthest[name] - newest[name] for name in newest.keys() & furthest.keys()), default=0)


def why_not(inputs: Sequence[Selection], targets: Sequence[Selection]) -> str | None:
    """Why such a map cannot be rolled out; None where it can."""
    step = stride(inputs, targets)
    if step < 1:
        return "this surrogate makes one prediction, not steps; train it on selections such as u[t], u[t+1]"
    known = {(s.name, offset) for s in (*inputs, *targets) for offset in _offsets(s)}
    lacking = [str(s) for s in inputs if any((s.name, offset + step) not in known for offset in _offsets(s))]
    if not lacking:
        return None
    return (
        f"the input {', '.join(lacking)} changes with time, and its frames of the next step ({step} later) are neither "
        "predicted nor among the inputs of this one; a rollout needs them among the targets"
    )


def sources(layout: Any, new: Any, step: int, count: int) -> list[int]:
    """For each channel of the next input, which one of (input, prediction) it is; `count` input channels are before.
    The layouts are Channels, or MeshChannels.

    What has no time stays, newest frames come in, oldest go.
    """
    found: list[int] = []
    for b in layout.blocks:
        if b.selection.relative:
            for offset in _offsets(b.selection):
                fresh = [count + channel for channel in new.frame(b.name, offset + step)]
                found += fresh or layout.frame(b.name, offset + step)
        else:
            found += range(b.channels.start, b.channels.stop)
    return found


def _offsets(s: Selection) -> range:
    """Frames from `t`; none of a selection that is not relative."""
    return range(s.first, s.stop) if s.relative and s.first is not None and s.stop is not None else range(0)


def _ends(selections: Sequence[Selection]) -> dict[str, int]:
    """The frame after the newest of each field."""
    found: dict[str, int] = {}
    for s in selections:
        if offsets := _offsets(s):
            found[s.name] = max(found.get(s.name, offsets.stop), offsets.stop)
    return found
