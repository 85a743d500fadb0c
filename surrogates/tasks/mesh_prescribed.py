"""Values that are known beforehand (Dirichlet conditions): where they are, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_channels import MeshBlock, MeshChannels
from surrogates.tasks.mesh_facts import named
from surrogates.tasks.mesh_inputs import marked
from surrogates.tasks.mesh_windows import MeshWindow, values


@dataclass(frozen=True)
class Prescribed:
    """By field, the tags on whose nodes it is known, with the components meant; None for all."""

    fields: Mapping[str, Mapping[str, Sequence[int] | None]]

    @classmethod
    def of(cls, given: Mapping[str, Any] | None, names: Sequence[str]) -> Prescribed:
        """From what a user writes: {"velocity": ["inlet", "wall"]} or {"displacement": {"left": [0]}}."""
        found: dict[str, dict[str, Any]] = {}
        for name, tags in (given or {}).items():
            if name not in names:
                raise DomainError(f"prescribed names {name!r}; the targets are {', '.join(names)}")
            if isinstance(tags, Mapping):
                found[name] = {str(t): None if parts is None else [int(k) for k in parts] for t, parts in tags.items()}
            else:
                found[name] = dict.fromkeys([tags] if isinstance(tags, str) else tags)
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.fields)

    @property
    def tags(self) -> set[str]:
        """All that are named."""
        return {tag for tags in self.fields.values() for tag in tags}

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {name: dict(tags) for name, tags in self.fields.items()}

    def free(self, sample: Any, layout: MeshChannels) -> np.ndarray:
        """Where the targets are not known, (nodes, targets). Raises DomainError for a component that there is not."""
        found = np.ones((len(sample), layout.count), dtype=bool)
        for b in layout.blocks:
            if b.name in self.fields:
                wrong = [k for parts in self.fields[b.name].values() for k in parts or () if not 0 <= k < b.components]
                if wrong:
                    raise DomainError(f"prescribed component {wrong[0]} of {b.name}, which has 0 to {b.components - 1}")
                known = marked(sample, self.fields[b.name], b.shape)
                found[:, b.channels] = ~np.tile(known, (1, b.frames))
        return found

    def values(self, window: MeshWindow, layout: MeshChannels) -> np.ndarray:
        """Known values (nodes, targets) of the window's next state where they are prescribed, 0 elsewhere.

        From the sample; beyond its last frame the newest one stays. Raises DomainError where there is none.
        """
        sample, free = window.sample, self.free(window.sample, layout)
        found = np.zeros((len(sample), layout.count))
        for b in layout.blocks:
            if b.name not in self.fields:
                continue
            frames = b.checked(self._frames(window, b))
            nodal = np.moveaxis(frames.reshape(len(frames), len(sample), -1), 0, 1).reshape(len(sample), -1)
            here = ~free[:, b.channels]
            if not np.isfinite(nodal[here]).all():
                raise DomainError(f"{named(window.row)} has prescribed values of {b.name} that are not finite")
            found[:, b.channels] = np.where(here, nodal, 0.0)
        return found

    def _frames(self, window: MeshWindow, block: MeshBlock) -> np.ndarray:
        """Frames of a target on the sample, (frames, nodes, *components), the last one repeated where it ends."""
        sample, selection = window.sample, block.selection
        if block.name not in sample.fields:
            raise DomainError(
                f"{named(window.row)} has no field {block.name!r}, whose values on "
                f"{', '.join(self.fields[block.name])} are prescribed; add it with these values (others are not read)"
            )
        if sample.times is None or not selection.relative:
            return values(sample, selection, window.t)
        assert selection.first is not None
        last = len(sample.times) - 1
        places = [min(window.t + selection.first + k, last) for k in range(block.frames)]
        return np.stack([np.asarray(sample.fields[block.name][k]) for k in places])
