"""Names of MACE's tensors in checkpoints written before it was made of parts."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

_INTERACTION = re.compile(r"layers\.(\d+)\.(up|convolution|radial)\.(.*)")
_LAYER = re.compile(r"layers\.(\d+)\.(product|linear|skip)\.(.*)")


def rename(module: Any, tensors: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Give old names their new ones, in place; nothing happens to a dict of new ones."""
    if f"{prefix}embedding" not in tensors:
        return
    for name in [name for name in tensors if name.startswith(prefix)]:
        for new in _new_names(module, name[len(prefix) :]):
            tensors[prefix + new] = tensors[name]
        if not name.startswith((f"{prefix}trunk.", f"{prefix}last_layer.")):
            del tensors[name]


def _new_names(module: Any, name: str) -> list[str]:
    layers = range(len(module.layers))
    if name == "embedding":
        return ["trunk.embedding"]
    if name == "readout":
        return [f"readouts.{len(layers)}.weights.0"]
    if name == "avg_num_neighbors":
        norms = [f"trunk.layers.{k}.interaction.norm.number" for k in layers]
        return [norm for norm in norms if norm in module.state_dict()]
    if name.startswith("norms."):
        _, k, rest = name.split(".", 2)
        return [f"trunk.layers.{k}.interaction.norm.{rest}"]
    for pattern, form in ((_INTERACTION, r"trunk.layers.\1.interaction.\2.\3"), (_LAYER, r"trunk.layers.\1.\2.\3")):
        if pattern.fullmatch(name):
            return [pattern.sub(form, name)]
    return []
