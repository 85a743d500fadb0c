"""DeepXDE's operator networks made to measure, and their arguments checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from surrogates.blocks.deepxde import ACTIVATIONS, deepxde
from surrogates.physics.errors import DomainError

INITIALIZER = "Glorot normal"  # the authors' choice
STRATEGIES = ("split_both", "split_branch", "split_trunk", "independent")
"""How one network gives several outputs, section 3.1 of arXiv:2111.05512."""


def widths_of(name: str, widths: Sequence[int]) -> list[int]:
    """Widths of layers as a list. Raises DomainError for none, or for one that is no positive int."""
    found = list(widths)
    if not found or any(not isinstance(w, int) or w < 1 for w in found):
        raise DomainError(f"{name}={widths!r}; give the positive widths of its layers, for example [40, 40]")
    return found


def check_activation(activation: str) -> None:
    """Raises DomainError for a name that is unknown."""
    if activation not in ACTIVATIONS:
        raise DomainError(f"activation={activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")


def check_branch(branch: nn.Module, width: int, p: int) -> None:
    """Raises DomainError where a user's network does not map (batch, width) to (batch, p)."""
    like = next((x for x in branch.parameters()), torch.zeros(()))
    try:
        with torch.no_grad():
            shape = tuple(branch(like.new_zeros(2, width)).shape)
    except RuntimeError as error:
        shape = (str(error).split("\n")[0],)  # type: ignore[assignment]
    if shape != (2, p):
        raise DomainError(
            f"the branch maps (2, {width}) to {shape}; it reads {width} numbers, sensors x channels + parameters, "
            f"and must give {p}, as many as the trunk"
        )


def default_precision(net: nn.Module) -> nn.Module:
    """In torch's default dtype, whatever DeepXDE's own is."""
    return net.to(torch.get_default_dtype())


def cartesian(
    branch: Sequence[int] | nn.Module,
    trunk: Sequence[int],
    activation: str,
    inputs: tuple[int, int],
    outputs: tuple[int, str],
) -> Any:
    """DeepONetCartesianProd for branch and trunk inputs of these widths; `outputs` are their number and strategy.

    Each output is a sum of p products, p the last width of branch and trunk.
    """
    check_activation(activation)
    count, strategy = outputs
    if strategy not in STRATEGIES:
        raise DomainError(f"outputs={strategy!r}; write one of {', '.join(STRATEGIES)}, or the times of the frames")
    trunk = widths_of("trunk", trunk)
    in_trunk = count if strategy in ("split_both", "split_trunk") else 1
    in_branch = count if strategy in ("split_both", "split_branch") else 1
    sizes = [inputs[1], *trunk[:-1], trunk[-1] * in_trunk]
    if isinstance(branch, nn.Module):
        if strategy == "independent" and count > 1:
            raise DomainError(
                "a network as branch cannot be copied for independent outputs; choose outputs='split_both'"
            )
        check_branch(branch, inputs[0], trunk[-1] * in_branch)
        first: Any = (inputs[0], branch)
    else:
        branch = widths_of("branch", branch)
        if branch[-1] != trunk[-1]:
            raise DomainError(f"branch ends with {branch[-1]}, trunk with {trunk[-1]}; their last widths must be equal")
        first = [inputs[0], *branch[:-1], branch[-1] * in_branch]
    several = {"num_outputs": count, "multi_output_strategy": strategy} if count > 1 else {}
    return default_precision(deepxde().nn.DeepONetCartesianProd(first, sizes, activation, INITIALIZER, **several))
