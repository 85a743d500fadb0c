"""What factorised spectral weights share: complex factors stored as real parameters, and their planned sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.physics.tensors import contract


class ComplexFactors(nn.ParameterList):
    """Complex tensors, each kept as a real parameter (..., 2), normal with E|x|^2 = std^2."""

    def __init__(self, shapes: Sequence[Sequence[int]], std: float) -> None:
        super().__init__(nn.Parameter(torch.randn(*shape, 2) * (std / math.sqrt(2))) for shape in shapes)

    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(torch.view_as_complex(p) for p in self)

    def set(self, tensors: Sequence[Tensor]) -> None:
        """Take these numbers. Raises DomainError where their shapes are others."""
        given, wanted = [tuple(t.shape) for t in tensors], [tuple(p.shape[:-1]) for p in self]
        if given != wanted:
            raise DomainError(f"factors of shapes {given} were given; these weights hold {wanted}")
        for parameter, tensor in zip(self, tensors, strict=True):
            parameter.data = torch.view_as_real(tensor.to(_complex(parameter.dtype)).contiguous()).clone()


def channel_std(in_channels: int, out_channels: int) -> float:
    """sqrt(2 / (in + out)): the spread of the rebuilt weight at the start."""
    return math.sqrt(2 / (in_channels + out_channels))


def mixed_by_factors(
    spectrum: Complex[Tensor, "batch in *kept"], indices: str, factors: Sequence[Tensor]
) -> Complex[Tensor, "batch out *kept"]:
    """sum over i of W[i o x...] X[b i x...] with W as the factors whose `indices` are given, comma by comma.

    Index names: b batch, i in, o out, x y z frequencies; all others belong to the factors. The dense weight is built on
    the way only if that needs the fewest operations.
    """
    places = "xyz"[: spectrum.ndim - 2]
    return contract(f"bi{places},{indices}->bo{places}", spectrum, *factors)


def _complex(real: torch.dtype) -> torch.dtype:
    return torch.complex128 if real == torch.float64 else torch.complex64
