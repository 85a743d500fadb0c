"""One factorised tensor for the spectral weights of all layers.

Paper: Multi-Grid Tensorized Fourier Neural Operator for High-Resolution PDEs (arXiv:2310.00120): a tensor
(layers, in, out, *frequencies) as Tucker, canonical polyadic or tensor-train factors. What layers have in common is
stored once; a layer has its own row of the layer factor.

A spectrum is multiplied with that row and the factors, in the order of fewest operations for their shapes. At the start
the rebuilt tensor has E|w|^2 = 2 / (in + out), as the weights of single layers have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.blocks.frequencies import Frequencies
from surrogates.blocks.spectral_weights.factors import ComplexFactors, channel_std, mixed_by_factors
from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import CP, TensorTrain, Tucker, cp_rank, train_ranks, tucker_ranks


@runtime_checkable
class JointWeights(Protocol):
    """An nn.Module that holds the weights of `depth` layers and mixes channels as the one asked for does."""

    depth: int
    in_channels: int
    out_channels: int
    frequencies: Frequencies

    def contract_layer(
        self, layer: int, spectrum: Complex[Tensor, "batch in *kept"]
    ) -> Complex[Tensor, "batch out *kept"]:
        """sum_i W[layer, i, o, f] X[b, i, f]."""
        ...


class LayerView(nn.Module):
    """One layer of joint weights, as a `FourierConv` takes it. It has no parameters of its own.

    Who makes the layers registers the joint weights once, beside them; a view finds them there, also after the whole
    network was copied, moved or loaded.
    """

    def __init__(self, joint: nn.Module, layer: int) -> None:
        super().__init__()
        if not isinstance(joint, JointWeights):
            raise DomainError(
                f"a {type(joint).__name__} is no weight of several layers; give a JointTucker or its like"
            )
        if not 0 <= layer < joint.depth:
            raise DomainError(f"layer {layer} was asked for; these weights are for {joint.depth}, counted from 0")
        self._joint = (joint,)  # a tuple, so that torch does not register it a second time
        self.layer, self.frequencies = layer, joint.frequencies
        self.in_channels, self.out_channels = joint.in_channels, joint.out_channels

    def contract(self, spectrum: Complex[Tensor, "batch in *kept"]) -> Complex[Tensor, "batch out *kept"]:
        """As this layer of the joint weights does."""
        return self._joint[0].contract_layer(self.layer, spectrum)


class JointTucker(nn.Module):
    """W[l i o x y] = sum G[k p q s t] L[l k] U[i p] V[o q] A[x s] B[y t]

    Args:
        depth: layers. in_channels, out_channels, modes: of each; modes as in `FourierConv`.
        rank: fraction of the dense parameters of all layers, one rank for all axes, or one for each of
            (layers, in, out, *frequencies).
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        out_channels: int,
        modes: Sequence[int],
        *,
        rank: int | float | Sequence[int] = 0.1,
    ) -> None:
        super().__init__()
        self.depth, self.in_channels, self.out_channels = check_depth(depth), in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (depth, in_channels, out_channels, *self.frequencies.shape)
        self.ranks = tucker_ranks(shape, rank)
        self.arguments = {
            "depth": depth,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": list(self.ranks),
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(math.prod(self.ranks))) ** (1 / (len(shape) + 1))
        self.factors = ComplexFactors([self.ranks, *zip(shape, self.ranks, strict=True)], std)

    def contract_layer(
        self, layer: int, spectrum: Complex[Tensor, "batch in *kept"]
    ) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with core, row and matrices in one planned sum."""
        core, layers, *matrices = self.factors.tensors()
        names = ("ip", "oq", "xs", "yt", "zu")[: len(matrices)]
        indices = ["k" + "".join(name[1] for name in names), "k", *names]
        return mixed_by_factors(spectrum, ",".join(indices), [core, layers[layer], *matrices])

    def factorised(self) -> Tucker:
        """The tensor (layers, in, out, *kept) in factors."""
        core, *matrices = self.factors.tensors()
        return Tucker(core, tuple(matrices))

    def set(self, factors: Tucker) -> None:
        """Take the numbers of a decomposition of the same ranks."""
        self.factors.set([factors.core, *factors.matrices])


class JointCP(nn.Module):
    """W[l i o x y] = sum_r w_r L[l r] U[i r] V[o r] A[x r] B[y r]; rank is a fraction or the number of components."""

    def __init__(
        self, depth: int, in_channels: int, out_channels: int, modes: Sequence[int], *, rank: int | float = 0.1
    ) -> None:
        super().__init__()
        self.depth, self.in_channels, self.out_channels = check_depth(depth), in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (depth, in_channels, out_channels, *self.frequencies.shape)
        self.rank = cp_rank(shape, rank)
        self.arguments = {
            "depth": depth,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": self.rank,
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(self.rank)) ** (1 / len(shape))
        self.factors = ComplexFactors([(self.rank,), *((d, self.rank) for d in shape)], std)
        self.factors.set([torch.ones(self.rank), *self.factors.tensors()[1:]])

    def contract_layer(
        self, layer: int, spectrum: Complex[Tensor, "batch in *kept"]
    ) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with component weights and matrices in one planned sum."""
        weights, layers, *matrices = self.factors.tensors()
        indices = ["r", "ir", "or", *("xr", "yr", "zr")[: len(matrices) - 2]]
        return mixed_by_factors(spectrum, ",".join(indices), [weights * layers[layer], *matrices])

    def factorised(self) -> CP:
        """The tensor (layers, in, out, *kept) in factors."""
        weights, *matrices = self.factors.tensors()
        return CP(weights, tuple(matrices))

    def set(self, factors: CP) -> None:
        """Take the numbers of a decomposition of the same rank."""
        self.factors.set([factors.weights, *factors.matrices])


class JointTrain(nn.Module):
    """W[l i o x y] = sum L[l k] U[k i p] V[p o q] A[q x s] B[s y]

    `rank` is a fraction of the dense parameters, one size for all bonds, or one for each. For a fraction, bonds are in
    proportion to the axes that they join but no larger than is of use: the layers are few, and a bond behind them that
    is larger than their number would only spend parameters.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        out_channels: int,
        modes: Sequence[int],
        *,
        rank: int | float | Sequence[int] = 0.1,
    ) -> None:
        super().__init__()
        self.depth, self.in_channels, self.out_channels = check_depth(depth), in_channels, out_channels
        self.frequencies = Frequencies.lowest(modes)
        shape = (depth, in_channels, out_channels, *self.frequencies.shape)
        self.ranks = _useful_bonds(shape, rank) if isinstance(rank, float) else train_ranks(shape, rank)
        self.arguments = {
            "depth": depth,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "modes": list(modes),
            "rank": list(self.ranks),
        }
        std = (channel_std(in_channels, out_channels) / math.sqrt(math.prod(self.ranks))) ** (1 / len(shape))
        bonds = (1, *self.ranks, 1)
        self.factors = ComplexFactors([*zip(bonds[:-1], shape, bonds[1:], strict=True)], std)

    def contract_layer(
        self, layer: int, spectrum: Complex[Tensor, "batch in *kept"]
    ) -> Complex[Tensor, "batch out *kept"]:
        """The spectrum with the row and the cores in one planned sum."""
        layers, *inner, last = self.factors.tensors()
        names = ("kip", "poq", "qxs", "syt", "tzu")[: len(inner)]
        end = names[-1][-1] + "xyz"[len(inner) - 2]
        return mixed_by_factors(spectrum, ",".join(["k", *names, end]), [layers[0, layer], *inner, last[..., 0]])

    def factorised(self) -> TensorTrain:
        """The tensor (layers, in, out, *kept) in factors."""
        return TensorTrain(self.factors.tensors())

    def set(self, factors: TensorTrain) -> None:
        """Take the numbers of a decomposition of the same bonds."""
        self.factors.set(factors.cores)


def check_depth(depth: int) -> int:
    """Raises DomainError for a network without layers."""
    if depth < 1:
        raise DomainError(f"depth={depth}; joint weights are for at least one layer")
    return depth


def _useful_bonds(shape: Sequence[int], fraction: float) -> tuple[int, ...]:
    """The largest bonds in proportion to (d_k + d_k+1) / 2, each at most the product of the axes on its smaller side,
    whose cores hold at most this fraction of the tensor."""
    inner = range(1, len(shape))
    limits = [min(math.prod(shape[:k]), math.prod(shape[k:])) for k in inner]

    def bonds(scale: float) -> tuple[int, ...]:
        wanted = (scale * (shape[k - 1] + shape[k]) / 2 for k in inner)
        return tuple(min(max(round(r), 1), limit) for r, limit in zip(wanted, limits, strict=True))

    def fits(scale: float) -> bool:
        sides = (1, *bonds(scale), 1)
        return sum(a * d * b for a, d, b in zip(sides, shape, sides[1:], strict=False)) <= fraction * math.prod(shape)

    train_ranks(shape, fraction)  # refuses what is no fraction
    low, high = 0.0, float(max(limits))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return bonds(low)
