"""Interaction blocks of mace-torch as ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from surrogates.blocks.gate import SIGMOID_GAIN
from surrogates.blocks.interactions import GatedSum, MeanNumber, NeighbourSum
from surrogates.blocks.mlp import SILU_GAIN, NormMLP, UnitMLP
from surrogates.blocks.neighbor_norm import LearnedDensity
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.physics.errors import FileError
from surrogates.potentials.mace_torch.convolution import Convolution, convolution
from surrogates.potentials.mace_torch.linear import channels, element_matrices, matrices
from surrogates.potentials.mace_torch.stubs import Stub

_PREFIX, _SUFFIX = "RealAgnostic", "InteractionBlock"


def kind_of(block: Stub) -> str:
    """ "", "Residual", "Density", "DensityResidual", "AttResidual" or "ResidualNonLinear"."""
    return block.kind.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def interaction(block: Stub, n_radial: int, order: Tensor, rounded: bool) -> NeighbourSum | GatedSum:
    """The block with its weights; `order` gives the file's row of each of our elements."""
    paths, inputs = convolution(block), channels(block.get("node_feats_irreps"), "node_feats_irreps")
    common = {
        "between": None if paths.seen == inputs else str(paths.seen),
        "vector_parity": paths.vector_parity,
        "rounded": rounded,
    }
    sizes = str(inputs), len(paths.harmonics) - 1, str(paths.targets)
    if kind_of(block) == "ResidualNonLinear":
        gated = GatedSum(*sizes, _linear_widths(block, n_radial), n_elements=len(order), **common).double()  # type: ignore[arg-type]
        _fill_gated(gated, block, paths, order)
        return gated
    density, attentive = "Density" in kind_of(block), kind_of(block) == "AttResidual"
    mixed = kind_of(block) in ("", "Density")  # these mix channels by element before the product
    n_scalars = matrices(block.module("linear_down"))[0, 1].shape[1] if attentive else 0
    plain = NeighbourSum(
        *sizes,
        [n_radial, *_unit_widths(block.module("conv_tp_weights"))],
        norm=LearnedDensity(n_radial) if density else MeanNumber(block.number("avg_num_neighbors")),
        n_elements=len(order) if mixed else 0,
        n_scalars=n_scalars,
        **common,  # type: ignore[arg-type]
    ).double()
    _fill_up(plain, block, inputs, paths)
    fill_unit_mlp(plain.radial, block.module("conv_tp_weights"), paths)
    paths.fill(plain.convolution, matrices(block.module("linear")))
    if density:
        plain.norm.weight.data = block.module("density_fn").module("layer0").tensor("weight")
    else:
        plain.norm.number.fill_(block.number("avg_num_neighbors"))  # type: ignore[operator]
    if plain.scalars is not None:
        plain.scalars.data = matrices(block.module("linear_down"))[0, 1] * inputs.channels**0.5
    if plain.mix is not None:
        found = element_matrices(block.module("skip_tp"))
        plain.mix.weight.data = torch.stack(
            [found[irrep][:, order] * paths.targets.channels**0.5 for irrep in plain.outputs]
        )
    return plain


def fill_unit_mlp(ours: UnitMLP, theirs: Stub, paths: Convolution) -> None:
    """Set a radial network; gains that differ from ours go into the next matrix."""
    gain = 1.0
    layers = _layers(theirs)
    for k, (parameter, layer) in enumerate(zip(ours.weights, layers, strict=True)):
        weight = layer.tensor("weight") * gain
        parameter.data = paths.columns(weight) if k + 1 == len(layers) else weight
        gain = _gain(layer) / SILU_GAIN if k + 1 < len(layers) else 1.0


def _layers(network: Stub) -> list[Stub]:
    found = {name: m for name, m in network.state["_modules"].items() if isinstance(m, Stub) and m.kind == "_Layer"}
    if list(found) != [f"layer{k}" for k in range(len(found))] or not found:
        raise FileError("a radial network of this model has unknown layers; the file is damaged or of another version")
    return list(found.values())


def _gain(layer: Stub) -> float:
    act = layer.get("act")
    function = act.get("f") if isinstance(act, Stub) else None
    if getattr(function, "name", None) not in ("torch.nn.functional.silu", "torch._C._nn.silu"):
        raise FileError("a radial network of this model has an activation other than SiLU; that is not supported")
    return act.number("cst")


def _unit_widths(network: Stub) -> list[int]:
    return [layer.tensor("weight").shape[1] for layer in _layers(network)[:-1]]


def _linear_widths(block: Stub, n_radial: int) -> list[int]:
    linears = [m for m in block.module("conv_tp_weights").modules("net") if m.kind == "Linear"]
    return [n_radial, *(m.tensor("weight").shape[0] for m in linears[:-1])]


def _fill_up(ours: NeighbourSum | GatedSum, block: Stub, inputs: ChannelIrreps, paths: Convolution) -> None:
    found = matrices(block.module("linear_up"))
    shared = [irrep for irrep in paths.seen.irreps if irrep in found]
    stacked = [_wide(found[irrep], paths.seen.channels) for irrep in shared]
    ours.up.weight.data = torch.stack(stacked) * inputs.channels**0.5


def _wide(matrix: Tensor, n: int) -> Tensor:
    """Zero columns for channels that a block of lower multiplicity has not."""
    return nn.functional.pad(matrix, (0, n - matrix.shape[1]))


def _fill_gated(ours: GatedSum, block: Stub, paths: Convolution, order: Tensor) -> None:
    inputs = channels(block.get("node_feats_irreps"), "node_feats_irreps")
    _fill_up(ours, block, inputs, paths)
    _check_gate(block.module("equivariant_nonlin"))
    ours.source.data = matrices(block.module("source_embedding"))[0, 1][order]
    ours.target.data = matrices(block.module("target_embedding"))[0, 1][order]
    _fill_norm_mlp(ours.radial, block.module("conv_tp_weights"))
    last: Any = ours.radial[-1]
    last.weight.data = paths.columns(last.weight.data.T).T.contiguous()
    last.bias.data = paths.columns(last.bias.data)
    _fill_norm_mlp(ours.density, block.module("density_fn"))
    ours.alpha.data, ours.beta.data = block.tensor("alpha").reshape(()), block.tensor("beta").reshape(())
    n = paths.targets.channels
    mixes, gates = _split(matrices(block.module("linear_1")), n)
    paths.fill(ours.convolution, mixes)
    rows = paths.rows(gates, (0, 1))
    wanted = _gate_columns(paths, n)
    ours.gates.data = rows[:, wanted] * len(rows) ** 0.5
    own, own_gates = _split(matrices(block.module("linear_res")), n)
    height = paths.seen.channels
    scalars = [irrep for irrep in ours.outputs if irrep[0] == 0]
    higher = [irrep for irrep in ours.outputs if irrep[0] > 0]
    columns = own_gates[:, wanted].split(n, dim=1)
    every = [own.get(i) for i in scalars] + list(columns) + [own.get(i) for i in higher]
    kept = [nn.functional.pad(m, (0, 0, 0, height - len(m))) for m in every if m is not None]
    ours.own.weight.data = torch.stack(kept) * height**0.5
    found = matrices(block.module("linear_2"))
    ours.linear.weight.data = torch.stack([found[irrep] for irrep in ours.outputs]) * n**0.5


def _split(found: dict[Irrep, Tensor], n: int) -> tuple[dict[Irrep, Tensor], Tensor]:
    """The matrices of features, and that of the gates, which follow the scalars 0e."""
    both = found[0, 1]
    return {**found, (0, 1): both[:, :n]}, both[:, n:]


def _by_file(paths: Convolution) -> list[Irrep]:
    """Targets in the file's order: by degree, odd before even."""
    return sorted(paths.targets.irreps)


def _gate_columns(paths: Convolution, n: int) -> Tensor:
    """Columns of the gates in the order of our irreps."""
    theirs = [irrep for irrep in _by_file(paths) if irrep[0] > 0]
    ours = [irrep for irrep in paths.targets.irreps if irrep[0] > 0]
    return torch.tensor([theirs.index(irrep) * n + c for irrep in ours for c in range(n)], dtype=torch.long)


def _fill_norm_mlp(ours: NormMLP, theirs: Stub) -> None:
    for part, stub in zip(ours, theirs.modules("net"), strict=True):
        if isinstance(part, nn.Linear | nn.LayerNorm):
            part.weight.data, part.bias.data = stub.tensor("weight"), stub.tensor("bias")


def _check_gate(gate: Stub) -> None:
    """The gate's constants are those of SiLU and sigmoid, whoever wrote it. Raises FileError."""
    found = [gate.get(name) for name in ("_scalar_cst", "_gate_cst")]
    for value, expected in zip(found, (SILU_GAIN, SIGMOID_GAIN), strict=True):
        numbers = value.flatten().tolist() if isinstance(value, Tensor) else value
        numbers = numbers if isinstance(numbers, list | tuple) else [numbers]
        if any(isinstance(x, float) and abs(x - expected) > 1e-9 for x in numbers):
            raise FileError("a gate of this model has other activations than SiLU and sigmoid; that is not supported")
