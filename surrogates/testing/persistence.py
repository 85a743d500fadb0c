"""The law of files: what was saved is what is loaded."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from surrogates.construct import construct, describe
from surrogates.testing.law import Law, judge, not_applicable
from surrogates.testing.laws import Batches, each
from surrogates.testing.probe import probe


def saved_is_loaded(thing: Any, structures: Batches) -> list[Law]:
    """Energies survive a checkpoint, or a bare module its description in JSON and its state, to the bit."""
    name = "saved = loaded"
    thing = getattr(thing, "surrogate", thing)  # our ASE calculator holds one
    if hasattr(thing, "save"):
        again = _through_checkpoint(thing)
    elif isinstance(thing, nn.Module) and hasattr(thing, "arguments"):
        again = _through_description(thing)
    else:
        return [not_applicable(name, "eV", "cannot be saved")]
    before, after, error, scale = probe(thing), probe(again), 0.0, 0.0
    for s in each(structures):
        one, two = before(s).energy, after(s).energy
        error, scale = max(error, abs(one - two)), max(scale, abs(one))
    return [judge(name, error, scale, 0.0, "eV", "to the bit")]


def _through_checkpoint(thing: Any) -> Any:
    from surrogates.training.checkpoint import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "law.safetensors"
        thing.save(path)
        return load(path)


def _through_description(thing: nn.Module) -> nn.Module:
    spec = json.loads(json.dumps(describe(thing)))
    again = construct(spec, trust=[type(thing).__module__])
    dtype = probe(thing).dtype
    again = again.to(dtype)
    again.load_state_dict(thing.state_dict())
    return again
