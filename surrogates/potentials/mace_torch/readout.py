"""Readouts of a mace-torch model as ours, one head at a time: what a mask would zero is left out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from surrogates.blocks.scalar_readout import ACTIVATIONS, ScalarReadout
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.linear import biases, matrices
from surrogates.potentials.mace_torch.stubs import Stub, Token

_ACTIVATIONS = {
    "torch.nn.functional.silu": "silu", "torch._C._nn.silu": "silu", "torch.tanh": "tanh", "torch.abs": "abs",
}  # fmt: skip


@dataclass(frozen=True)
class HeadReadout:
    """A readout for one head.

    Args:
        module: scalars -> features. weight: what the energy weighs the features with. bias: what is added to it.
    """

    module: ScalarReadout
    weight: Tensor
    bias: float = 0.0


def readout(theirs: Stub, head: int, n_heads: int, *, mask_first: bool) -> HeadReadout:
    """One of a model's readouts for head number `head`; `mask_first`: see `read_mace_torch`."""
    if theirs.kind == "LinearReadoutBlock":
        matrix = _scalars(theirs.module("linear"))
        return HeadReadout(ScalarReadout(len(matrix)).double(), matrix[:, head] * len(matrix) ** 0.5)
    activation, gain = _activation(theirs.module("non_linearity"))
    ratio = gain / ACTIVATIONS[activation][1]
    first, last = _scalars(theirs.module("linear_1")), _scalars(theirs.module("linear_2"))
    own = _own(first.shape[1], head, n_heads)
    n = own.stop - own.start
    after = biases(theirs.module("linear_2"))
    bias = 0.0 if after is None else float(after[head])
    if theirs.kind == "NonLinearReadoutBlock":
        module = ScalarReadout(len(first), [n], activation=activation).double()
        module.weights[0].data = first[:, own] * len(first) ** 0.5
        return HeadReadout(module, last[own, head] * n**0.5 * ratio, bias)
    middle, shift = _scalars(theirs.module("linear_mid")), biases(theirs.module("linear_mid"))
    entry = own if mask_first else slice(0, first.shape[1])
    width = entry.stop - entry.start
    module = ScalarReadout(len(first), [width, n], activation=activation, bias=shift is not None).double()
    module.weights[0].data = first[:, entry] * len(first) ** 0.5
    module.weights[1].data = middle[entry, own] * width**0.5 * ratio
    if shift is not None:
        module.biases[0].data = shift[own]
    return HeadReadout(module, last[own, head] * n**0.5 * ratio, bias)


def _own(width: int, head: int, n_heads: int) -> slice:
    if width % n_heads:
        raise FileError(f"a readout of width {width} does not divide into {n_heads} heads; the file is damaged")
    n = width // n_heads
    return slice(head * n, (head + 1) * n)


def _scalars(linear: Stub) -> Tensor:
    found = matrices(linear)
    if (0, 1) not in found:
        raise FileError("a readout of this model reads no scalars; only energies are supported")
    return found[0, 1]


def _activation(stub: Stub) -> tuple[str, float]:
    """Name and gain of the activation; None in a file is the identity."""
    acts = stub.modules("acts") if _has_modules(stub) else []
    if not acts:
        return "identity", 1.0
    function = acts[0].get("f")
    if acts[0].kind != "normalize2mom" or not isinstance(function, Token) or function.name not in _ACTIVATIONS:
        name = getattr(function, "name", acts[0].name)
        raise FileError(f"the readout's activation {name} is unknown; silu, tanh, abs and none are read")
    return _ACTIVATIONS[function.name], acts[0].number("cst")


def _has_modules(stub: Stub) -> bool:
    acts = stub.get("acts")
    return isinstance(acts, Stub) and bool(acts.state.get("_modules")) and all(acts.state["_modules"].values())


def stacked(readouts: list[HeadReadout]) -> Tensor:
    """The last layer's weights, (1, features)."""
    return torch.cat([r.weight for r in readouts])[None]
