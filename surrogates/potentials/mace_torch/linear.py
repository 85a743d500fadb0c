"""Weights of e3nn's linear layers as matrices, one for each irrep, with e3nn's normalisation in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.stubs import Stub

Block = tuple[int, Irrep]  # multiplicity and irrep


def blocks(value: Any) -> list[Block]:
    """Multiplicities and irreps of an e3nn Irreps object, or of its text."""
    if isinstance(value, str):
        return [_parsed(part.strip()) for part in value.split("+")]
    try:
        (entries,) = value.arguments
        found = []
        for entry in entries:
            ((count, irrep),) = entry.arguments
            ((l, p),) = irrep.arguments
            found.append((int(count), (int(l), int(p))))
    except (AttributeError, TypeError, ValueError) as error:
        raise FileError(f"this model file has irreps that cannot be read ({error}); it is damaged") from error
    return [block for block in found if block[0]]


def single(value: Any, what: str) -> dict[Irrep, int]:
    """Multiplicity of each irrep. Raises FileError where an irrep comes twice."""
    found = blocks(value)
    if len({irrep for _, irrep in found}) != len(found):
        raise FileError(f"{what} of this model has an irrep in two blocks, which is not supported; merge them")
    return {irrep: count for count, irrep in found}


def channels(value: Any, what: str) -> ChannelIrreps:
    """Irreps in our order with one number of channels: the largest multiplicity. Raises FileError without scalars."""
    found = single(value, what)
    if (0, 1) not in found:
        raise FileError(f"{what} of this model has no scalars 0e, so its energy does not depend on the atoms")
    irreps = tuple(sorted(found, key=lambda irrep: (irrep[0], -irrep[1])))
    return ChannelIrreps(irreps, max(found.values()))


def matrices(linear: Stub) -> dict[Irrep, Tensor]:
    """y = x @ matrix of each irrep that comes out, (inputs of all its blocks in order, outputs)."""
    ins, outs = blocks(linear.get("irreps_in")), blocks(linear.get("irreps_out"))
    if len({irrep for _, irrep in outs}) != len(outs):
        raise FileError("a linear layer of this model has an irrep in two output blocks; that is not supported")
    weight, start = linear.tensor("weight").flatten(), 0
    rows: dict[Irrep, list[Tensor]] = {}
    for n_in, irrep in ins:
        for n_out, other in outs:
            if irrep == other:
                part = weight[start : start + n_in * n_out]
                if len(part) < n_in * n_out:
                    raise FileError("a linear layer of this model has too few weights; the file is damaged")
                rows.setdefault(irrep, []).append(part.view(n_in, n_out))
                start += n_in * n_out
    if start != len(weight):
        raise FileError("a linear layer of this model has more weights than paths; that is not supported")
    whole = {irrep: torch.cat(parts) for irrep, parts in rows.items()}
    return {irrep: matrix * len(matrix) ** -0.5 for irrep, matrix in whole.items()}


def biases(linear: Stub) -> Tensor | None:
    """Biases of the scalars that come out; None where there are none."""
    found = linear.get("bias")
    return found.double().flatten() if isinstance(found, Tensor) and found.numel() else None


def element_matrices(product: Stub) -> dict[Irrep, Tensor]:
    """Of a fully connected product with one-hot elements: (inputs, elements, outputs) of each irrep, normalised."""
    ins, outs = blocks(product.get("irreps_in1")), blocks(product.get("irreps_out"))
    ((n_elements, _),) = blocks(product.get("irreps_in2"))
    weight, start = product.tensor("weight").flatten(), 0
    found: dict[Irrep, Tensor] = {}
    for n_in, irrep in ins:
        for n_out, other in outs:
            if irrep == other:
                size = n_in * n_elements * n_out
                if irrep in found or start + size > len(weight):
                    raise FileError("a product with elements in this model has an unknown form; it is not supported")
                found[irrep] = weight[start : start + size].view(n_in, n_elements, n_out) / (n_in * n_elements) ** 0.5
                start += size
    return found


def _parsed(part: str) -> Block:
    count, _, irrep = part.rpartition("x")
    if not (count or "1").isdigit() or irrep[-1:] not in ("e", "o") or not irrep[:-1].isdigit():
        raise FileError(f"this model file has irreps {part!r} that cannot be read; it is damaged")
    return int(count or 1), (int(irrep[:-1]), 1 if irrep[-1] == "e" else -1)
