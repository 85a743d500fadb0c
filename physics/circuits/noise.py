"""Noise of gates as channels: sets of Kraus operators, sum K^dagger K = 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from surrogates.physics.circuits.gates import KIND, PAULI
from surrogates.physics.errors import DomainError


@dataclass(frozen=True, eq=False)
class Channel:
    """Kraus operators (m, 2, 2) on one qubit. Raises DomainError where they do not keep the trace."""

    operators: Tensor

    def __post_init__(self) -> None:
        k = self.operators
        if k.ndim != 3 or k.shape[1:] != (2, 2):
            raise DomainError(f"Kraus operators of shape {tuple(k.shape)}; give (m, 2, 2)")
        wrong = float(((k.mH @ k).sum(0) - torch.eye(2, dtype=k.dtype)).abs().max())
        if wrong > 1e-8:
            raise DomainError(f"the sum of K^dagger K differs from 1 by {wrong:.2g}; a channel keeps the trace")

    def __call__(self, density: Tensor) -> Tensor:
        """sum K rho K^dagger of a density matrix (2, 2)."""
        return (self.operators @ density @ self.operators.mH).sum(0)


def depolarizing(p: float | int) -> Channel:
    """X, Y or Z with probability p / 4 each: rho -> (1 - p) rho + p / 2."""
    _check(p)
    weights = [1 - 0.75 * p, p / 4, p / 4, p / 4]
    return Channel(torch.stack([math.sqrt(w) * m for w, m in zip(weights, PAULI.values(), strict=True)]))


def bit_flip(p: float | int) -> Channel:
    """X with probability p."""
    _check(p)
    return Channel(torch.stack([math.sqrt(1 - p) * PAULI["I"], math.sqrt(p) * PAULI["X"]]))


def dephasing(p: float | int) -> Channel:
    """Z with probability p."""
    _check(p)
    return Channel(torch.stack([math.sqrt(1 - p) * PAULI["I"], math.sqrt(p) * PAULI["Z"]]))


def amplitude_damping(gamma: float | int) -> Channel:
    """1 decays to 0 with probability gamma."""
    _check(gamma)
    keep = torch.tensor([[1, 0], [0, math.sqrt(1 - gamma)]], dtype=KIND)
    fall = torch.tensor([[0, math.sqrt(gamma)], [0, 0]], dtype=KIND)
    return Channel(torch.stack([keep, fall]))


@dataclass(frozen=True, eq=False)
class Noise:
    """What happens to each qubit that a gate has acted on, by the gate's number of qubits; and wrong readings.

    Args:
        after: channels by number of qubits (1, 2). readout: probability that a measured bit is reported wrongly.
    """

    after: Mapping[int, Sequence[Channel]] = field(default_factory=dict)
    readout: float = 0.0

    def __post_init__(self) -> None:
        _check(self.readout)


def _check(p: float | int) -> None:
    if not 0 <= p <= 1:
        raise DomainError(f"{p} is no probability; give a number from 0 to 1")
