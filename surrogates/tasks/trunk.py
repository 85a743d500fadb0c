"""Trunk and readout of a potential: what describes atoms, and what turns the description into an energy.

The readout is made of the parameters and submodules whose name begins with `readout` or is `last_layer`, at the top of
the model; everything else is trunk. A model with other names says so in an attribute `readout_parts`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn

from surrogates.physics.errors import DomainError


def is_readout(model: nn.Module, name: str) -> bool:
    """Whether the parameter or submodule `name` ("layers.0.up") of `model` belongs to its readout."""
    top = name.split(".")[0]
    parts = getattr(model, "readout_parts", None)
    return top in parts if parts is not None else top == "last_layer" or top.startswith("readout")


def readout_names(model: nn.Module) -> list[str]:
    """Parameters of the readout. Raises DomainError for a model without one, such as a pair potential."""
    names = [name for name, _ in model.named_parameters() if is_readout(model, name)]
    if not names:
        raise DomainError(
            f"a {type(model).__name__} has no readout apart from its trunk; its parameters are "
            f"{', '.join(name for name, _ in model.named_parameters()) or 'none'}"
        )
    return names


def trunk_names(model: nn.Module) -> list[str]:
    """Parameters of the trunk. Raises DomainError as `readout_names`."""
    readout = set(readout_names(model))
    return [name for name, _ in model.named_parameters() if name not in readout]


def share_trunk(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the trunk of `source`: the very same tensors, so that training one trains the other.

    Raises DomainError when the two trunks differ in kind or shape.
    """
    own, other = dict(source.named_parameters()), dict(target.named_parameters())
    names = trunk_names(source)
    different = type(source) is not type(target) or names != trunk_names(target)
    if different or any(own[name].shape != other[name].shape for name in names) or _reach(source) != _reach(target):
        raise DomainError(
            f"a {type(source).__name__} and a {type(target).__name__} of other sizes, elements or cutoff cannot share "
            "a trunk; build both with the same arguments, or copy one with with_replay"
        )
    target._parameters.update({n: p for n, p in source._parameters.items() if not is_readout(source, n)})
    target._buffers.update({n: b for n, b in source._buffers.items() if not is_readout(source, n)})
    shared = {name: child for name, child in source._modules.items() if not is_readout(source, name)}
    given = {id(target._modules[name]): child for name, child in shared.items()}
    target._modules.update(shared)
    named: dict[str, Any] = vars(target).get("arguments", {})  # a model made of parts may name the trunk it had
    named.update({key: given[id(value)] for key, value in named.items() if id(value) in given})


def shares_trunk(first: nn.Module, second: nn.Module) -> bool:
    """Whether two models have one trunk: each of its parameters is the same tensor."""
    own, other = dict(first.named_parameters()), dict(second.named_parameters())
    return all(own[name] is other.get(name) for name in trunk_names(first))


def twin(task: nn.Module) -> nn.Module:
    """A task like this one, with a readout and a normalisation of its own (equal at first) on the same trunk."""
    made = deepcopy(task)
    share_trunk(task.model, made.model)  # type: ignore[arg-type]
    return made


def _reach(model: nn.Module) -> tuple[float, tuple[int, ...]]:
    return float(model.r_max), tuple(model.elements)  # type: ignore[arg-type]
