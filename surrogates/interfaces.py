"""What the parts promise each other. Structural types: nobody inherits from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch, Csr, MeshGraph


@runtime_checkable
class Potential(Protocol):
    """Atoms -> atomic energies: an nn.Module that returns one raw thing.

    `r_max` (Å) is the cutoff its edges need; `elements` are the atomic numbers it knows, () for any.
    """

    r_max: float
    elements: tuple[int, ...]

    def __call__(self, atoms: AtomsBatch) -> Float[Tensor, "atoms"]: ...


@runtime_checkable
class Surrogate(Protocol):
    """Atoms -> physical result: what simulations, laws, the calculator and the report work on.

    A trained task, an ensemble, a calibrated model and a foreign ASE calculator in our adapter all satisfy it.
    The result has `energy` (structures,), `forces` (atoms, 3), `energies` (atoms,) or None, `stress` (structures, 6)
    or None, `energy_std` (structures,) or None and `forces_std` (atoms, 3) or None.
    """

    r_max: float
    elements: tuple[int, ...]

    def predict(self, atoms: AtomsBatch, *, stress: bool = False, spread: bool = False) -> Any: ...


@runtime_checkable
class Operator(Protocol):
    """Field -> field on a grid of `dim` axes: an nn.Module that returns channels.

    `values` are normalised input channels (batch, in_channels, *space) on any grid, `parameters` (batch, n_parameters)
    standardised numbers such as a viscosity, None where n_parameters is 0. A mask is one more input channel.
    """

    dim: int
    in_channels: int
    out_channels: int
    n_parameters: int

    def __call__(
        self, values: Float[Tensor, "batch channels *space"], parameters: Float[Tensor, "batch n"] | None = None
    ) -> Float[Tensor, "batch outputs *space"]: ...


@runtime_checkable
class MeshNetwork(Protocol):
    """Nodes of meshes -> nodes of meshes: an nn.Module that returns channels.

    `values` are normalised input channels (nodes, in_channels); meshes lie side by side in the graph. `patterns` are
    what it needs beside the mesh's "edges", by name, made once for each mesh from points (n, dim), edges and named sets
    of nodes. It may have `moving_patterns(points, moved, edges)` for those that change with the state.
    """

    dim: int
    in_channels: int
    out_channels: int

    def patterns(self, points: np.ndarray, edges: Csr, tags: Mapping[str, np.ndarray]) -> dict[str, Csr]: ...

    def __call__(self, values: Float[Tensor, "nodes channels"], graph: MeshGraph) -> Float[Tensor, "nodes outputs"]: ...


@runtime_checkable
class Task(Protocol):
    """What `fit` needs, in every domain: an nn.Module that owns a model and knows its loss.

    Beside these methods it may have `loss_parts` and `default_weights` (the words of a plan's weights), `gather` (its
    view of a data set as training samples), `restart` (what replaces `prepare` in fine-tuning) and `card`.
    """

    def prepare(self, train: Any) -> None:
        """Take normalisation from the training data (called once, before the first step)."""

    def collate(self, samples: Sequence[Any]) -> Any:
        """Samples -> a batch with `.to(device, dtype)` and `.rows`."""

    def loss(self, batch: Any, weights: Mapping[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar loss of a batch, and its unweighted parts (detached) by name."""

    def refit(self, train: Any) -> None:
        """Closed-form corrections after the last step, such as the energy shift."""

    def evaluate(self, data: Any) -> Any:
        """Scores on held-out data, a dataclass with units in its docstring."""
