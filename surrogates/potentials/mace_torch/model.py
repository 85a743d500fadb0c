"""A mace-torch model file as our MACE: one potential for each head, on one trunk.

Formulas and layout: mace-torch 0.3.5 to 0.3.16 (MACE, arXiv:2206.07697); the constants of the file are used as they are
stored, and e3nn's normalisation goes into the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from surrogates.blocks.scalar_readout import ScalarReadout
from surrogates.physics.errors import FileError
from surrogates.potentials.mace import MACE
from surrogates.potentials.mace_parts import Trunk
from surrogates.potentials.mace_torch.archive import Archive
from surrogates.potentials.mace_torch.interaction import kind_of
from surrogates.potentials.mace_torch.layer import layer
from surrogates.potentials.mace_torch.linear import channels, matrices
from surrogates.potentials.mace_torch.machine import read_pickle
from surrogates.potentials.mace_torch.product import born_in_float32
from surrogates.potentials.mace_torch.radial import count, radial_embedding, repulsion
from surrogates.potentials.mace_torch.readout import HeadReadout, readout, stacked
from surrogates.potentials.mace_torch.state import state_embedding
from surrogates.potentials.mace_torch.stubs import Stub


@dataclass(frozen=True)
class Head:
    """One head of a model file.

    Args:
        name: its name in the file.
        model: atoms -> raw atomic energies. baseline: repulsion of nuclei in eV, or None.
        isolated: energies of isolated atoms by atomic number, eV. scale, shift: of the raw energies, eV.
    """

    name: str
    model: MACE
    baseline: nn.Module | None
    isolated: dict[int, float]
    scale: float
    shift: float


@dataclass(frozen=True)
class ModelFile:
    """What a mace-torch model file holds.

    Args:
        heads: in the file's order, on one trunk.
        dtype: precision of its weights. born: precision that its constants were rounded to when it was made.
        facts: kinds of layers and the like, for a model card.
    """

    heads: tuple[Head, ...]
    dtype: torch.dtype
    born: torch.dtype
    facts: dict[str, str]


def read_mace_torch(path: str | Path, *, mask_first: bool = True) -> ModelFile:
    """Read a `.model` file of mace-torch 0.3 without running anything of it; in float64.

    `mask_first=False` reads models of several heads with NonLinearBias readouts as mace-torch 0.3.14 evaluated them:
    there a head saw the first hidden layer of all heads; later versions mask it, and the file does not say which.
    Raises FileError for what is damaged or not supported, TrustError for a class that no such file has.
    """
    path = Path(path)
    model = read_pickle(Archive(path))
    if not isinstance(model, Stub) or model.kind not in ("MACE", "ScaleShiftMACE"):
        raise FileError(f"{path} holds no model of mace-torch but {getattr(model, 'name', type(model).__name__)}")
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return _converted(model, mask_first)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(
            f"{path} is no model that mace-torch 0.3.5 to 0.3.16 writes, or damaged ({reason}); save it again there"
        ) from error


def _converted(model: Stub, mask_first: bool) -> ModelFile:
    numbers = model.tensor("atomic_numbers").tolist()
    order = torch.tensor(sorted(range(len(numbers)), key=numbers.__getitem__))
    elements = sorted(numbers)
    trunk, single = _trunk(model, elements, order)
    names = [str(name) for name in model.get("heads", ["Default"])]
    heads = tuple(_head(model, k, names, trunk, elements, order, mask_first) for k in range(len(names)))
    blocks = [kind_of(block) or "plain" for block in model.modules("interactions")]
    facts = {
        "class": model.kind,
        "interactions": ", ".join(blocks),
        "heads": ", ".join(names),
        "elements": " ".join(chemical_symbols[z] for z in elements),
        "constants": "rounded to float32" if single else "float64",
    }
    weight = model.module("node_embedding").module("linear").get("weight")
    return ModelFile(heads, weight.dtype, torch.float32 if single else torch.float64, facts)


def _trunk(model: Stub, elements: list[int], order: Tensor) -> tuple[Trunk, bool]:
    products, interactions = model.modules("products"), model.modules("interactions")
    if len(products) != len(interactions) or not products:
        raise FileError("this model has not as many products as interactions; the file is damaged")
    single = born_in_float32(products[0])
    embedding = model.module("radial_embedding")
    layers: list[Any] = [
        layer(block, product, n_radial=count(embedding), order=order, last=k + 1 == len(products), rounded=single)
        for k, (block, product) in enumerate(zip(interactions, products, strict=True))
    ]
    n = channels(interactions[0].get("node_feats_irreps"), "node_feats_irreps").channels
    trunk = Trunk(
        elements,
        radial=radial_embedding(embedding),
        l_max=layers[0].interaction.arguments["l_max"],
        layers=layers,
        channels=n,
        state=state_embedding(model.module("joint_embedding"), n) if model.has("joint_embedding") else None,
    ).double()
    trunk.embedding.data = matrices(model.module("node_embedding").module("linear"))[0, 1][order][None]
    return trunk, single


def _head(
    model: Stub, k: int, names: list[str], trunk: Trunk, elements: list[int], order: Tensor, mask_first: bool
) -> Head:
    scaled = model.kind == "ScaleShiftMACE"
    scale = _of_head(model.module("scale_shift").tensor("scale"), k) if scaled else 1.0
    shift = _of_head(model.module("scale_shift").tensor("shift"), k) if scaled else 0.0
    theirs = model.modules("readouts")
    found: dict[int, HeadReadout] = {}
    for i, part in enumerate(theirs):  # a single readout reads the last layer
        at = len(trunk.layers) if len(theirs) == 1 else i + 1
        found[at] = readout(part, k, len(names), mask_first=mask_first)
    if model.has("embedding_readout"):
        found[0] = _unscaled(readout(model.module("embedding_readout"), k, len(names), mask_first=True), scale)
    parts: list[ScalarReadout | None] = [None] * (len(trunk.layers) + 1)
    for at, head in found.items():
        parts[at] = head.module
    mace = MACE(trunk=trunk, readouts=parts).double()
    mace.last_layer.weight.data = stacked([found[at] for at in sorted(found)])
    isolated = model.module("atomic_energies_fn").tensor("atomic_energies")
    own = isolated.reshape(-1, len(elements))[k if isolated.dim() > 1 and len(isolated) > 1 else 0][order]
    return Head(
        names[k],
        mace,
        repulsion(model, elements, trunk.r_max, scale),
        dict(zip(elements, own.tolist(), strict=True)),
        scale,
        shift + scale * sum(part.bias for part in found.values()),
    )


def _of_head(values: Tensor, k: int) -> float:
    flat = values.flatten()
    return float(flat[k if len(flat) > 1 else 0])


def _unscaled(part: HeadReadout, scale: float) -> HeadReadout:
    """A readout whose energy the scale of the model does not multiply: the embedding's."""
    if scale == 0:
        raise FileError("this model multiplies its energies by zero; it is no trained model")
    return HeadReadout(part.module, part.weight / scale, part.bias / scale)
