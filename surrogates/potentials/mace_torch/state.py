"""The joint embedding of a mace-torch model as ours: total charge and spin."""

from __future__ import annotations

from typing import Any

from torch import nn

from surrogates.blocks.state_embedding import StateEmbedding
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.stubs import Stub

_NAMES = {"total_charge": "charge", "total_spin": "multiplicity"}


def state_embedding(theirs: Stub, channels: int) -> StateEmbedding:
    """The embedding with its weights. Raises FileError for other quantities than charge and spin of structures."""
    specs = theirs.get("specs")
    if not isinstance(specs, dict) or not specs:
        raise FileError("this model has a joint embedding without specifications; the file is damaged")
    embedders = theirs.module("embedders").state["_modules"]
    ours = StateEmbedding([_quantity(name, spec, embedders[name]) for name, spec in specs.items()], channels).double()
    for name, module in zip(specs, ours.embed, strict=True):
        if isinstance(module, nn.Embedding):
            module.weight.data = embedders[name].tensor("weight")
        else:
            for k in (0, 2):
                _fill(module[k], embedders[name].module(str(k)))  # type: ignore[index]
    _fill(ours.project, theirs.module("project").module("0"))
    return ours


def _quantity(name: str, spec: dict[str, Any], embedder: Stub) -> dict[str, Any]:
    if name not in _NAMES or spec.get("per") != "graph":
        raise FileError(
            f"this model embeds {name!r} of each {spec.get('per')}; only {' and '.join(_NAMES)} of a graph are read"
        )
    if spec["type"] == "categorical":
        rows, width = embedder.tensor("weight").shape
        return {"of": _NAMES[name], "width": width, "classes": rows, "offset": spec.get("offset", 0)}
    if spec.get("in_dim") != 1:
        raise FileError(f"this model embeds {name!r} of {spec.get('in_dim')} numbers; one number is read")
    first = embedder.module("0")
    return {"of": _NAMES[name], "width": first.tensor("weight").shape[0], "bias": first.has("bias")}


def _fill(ours: nn.Linear, theirs: Stub) -> None:
    ours.weight.data = theirs.tensor("weight")
    if ours.bias is not None:
        ours.bias.data = theirs.tensor("bias")
