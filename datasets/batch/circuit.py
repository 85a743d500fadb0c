"""One circuit with a batch of values for its parameters: what training on circuits and scans over angles take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from surrogates.physics.circuits import Circuit, Simulation, simulate
from surrogates.physics.circuits.batched import statevectors
from surrogates.physics.errors import DomainError


@dataclass(frozen=True, eq=False)
class CircuitBatch:
    """A circuit and the values of its parameters, a row for each member.

    Args:
        circuit: the same for all. values: radians, columns in the order of `circuit.parameters`.
    Raises DomainError for another number of columns, and for values that are not finite.
    """

    circuit: Circuit
    values: Float[Tensor, "batch parameters"]

    def __post_init__(self) -> None:
        names = self.circuit.parameters
        if self.values.ndim != 2 or self.values.shape[1] != len(names):
            told = f"{len(names)} parameters ({', '.join(names) or 'none'})"
            raise DomainError(
                f"values of shape {tuple(self.values.shape)} for {told}; give a row for each member, and a column for "
                "each parameter"
            )
        if not bool(torch.isfinite(self.values.detach()).all()):
            row = int((~torch.isfinite(self.values.detach())).any(1).nonzero()[0])
            raise DomainError(f"row {row} has a value that is not finite; parameters are angles in radians")

    @classmethod
    def of(cls, circuit: Circuit, values: Mapping[str, Any]) -> CircuitBatch:
        """From values by name; numbers are repeated for all members. Raises DomainError for a name that is missing."""
        missing = [name for name in circuit.parameters if name not in values]
        unknown = [name for name in values if name not in circuit.parameters]
        if missing or unknown:
            word = f"{missing[0]!r} has no values" if missing else f"{unknown[0]!r} is no parameter of the circuit"
            raise DomainError(f"{word}; it has {', '.join(circuit.parameters) or 'none'}")
        columns = [torch.as_tensor(values[name], dtype=torch.float64) for name in circuit.parameters]
        if not columns:
            return cls(circuit, torch.zeros(1, 0, dtype=torch.float64))
        return cls(circuit, torch.stack(torch.broadcast_tensors(*(c.reshape(-1) for c in columns)), dim=1))

    def __len__(self) -> int:
        return self.values.shape[0]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> CircuitBatch:
        """The same batch, its values on `device` and in `dtype`."""
        return replace(self, values=self.values.to(device=device, dtype=dtype))

    def __getitem__(self, rows: slice) -> CircuitBatch:
        """Some of the members."""
        return replace(self, values=self.values[rows])

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Values (batch,) by name."""
        return dict(zip(self.circuit.parameters, self.values.unbind(1), strict=True))

    def states(self) -> Complex[Tensor, "batch amplitudes"]:
        """State vectors of all members at once, qubit 0 slowest; differentiable in the values."""
        return statevectors(self.circuit, self.parameters, len(self))

    def simulate(self, *, chi_max: int = 64, cutoff: float | int = 1e-14) -> list[Simulation]:
        """Matrix product states, one member after the other, for circuits too wide for state vectors."""
        names = self.circuit.parameters
        rows = [dict(zip(names, row, strict=True)) for row in self.values.detach().tolist()]
        return [simulate(self.circuit, row, chi_max=chi_max, cutoff=cutoff) for row in rows]
