"""The task of a graph network of panels: the stress on the mesh of a panel from its plates, and its peak.

Loss as in Graph Neural Network for Stress Predictions in Stiffened Panels Under Uniform Loading (arXiv:2309.13022):
squared errors over the square of each panel's largest stress, so that lightly loaded panels count as much as others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.datasets import MeshPrediction, MeshSample
from surrogates.meshes.graph_sage import PanelGraph
from surrogates.physics.errors import DomainError
from surrogates.tasks.plate_scores import PlateScores, score

__all__ = ["PanelGraphs", "PlateScores", "PlateStress"]
_VERTICES = 20_000  # of a batch in prediction
_PARTS = ("field", "peak")


class PlateStress(nn.Module):
    """A network on graphs of panels as a physical result: what `fit` trains on a `Meshes` data set of panels.

    Args:
        model: PlateGraphNet or VertexGraphNet: how a panel becomes a graph, and its vertices' values a field.
        field: what is predicted, a stress that is never negative: of cells' corners for plates, of nodes for vertices.
    Parts of the loss, each without unit: "field" (mean squared error over the panel's largest value squared) and "peak"
    (squared relative error of the largest value).
    """

    feature_mean: Tensor
    feature_scale: Tensor
    target_scale: Tensor
    usual: Tensor
    known: Tensor

    def __init__(self, model: nn.Module, *, field: str = "von_mises") -> None:
        super().__init__()
        for name in ("graph", "at_nodes", "n_features"):
            if not hasattr(model, name):
                raise DomainError(
                    f"a {type(model).__name__} is no network on graphs of panels: it has no `{name}`; give a "
                    "PlateGraphNet or a VertexGraphNet"
                )
        self.arguments = {"model": model, "field": field}
        self.model, self.field = model, field
        count = int(model.n_features)  # type: ignore[arg-type]
        self.register_buffer("feature_mean", torch.zeros(count))
        self.register_buffer("feature_scale", torch.ones(count))
        self.register_buffer("target_scale", torch.ones(()))
        self.register_buffer("usual", torch.zeros(2))  # mean value and mean peak over pressure, the trivial prediction
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))

    # what it is ------------------------------------------------------------------------------------------------------

    @property
    def trained(self) -> bool:
        """Whether it has a normalisation from earlier training."""
        return bool(self.known)

    @property
    def peak(self) -> str:
        """Name of the quantity beside the field."""
        return f"peak_{self.field}"

    @property
    def loss_parts(self) -> tuple[str, ...]:
        """Words that a plan's weights may have."""
        return _PARTS

    @property
    def default_weights(self) -> dict[str, float | int]:
        """The field with a little of its peak."""
        return {"field": 1.0, "peak": 0.03}

    # prediction ------------------------------------------------------------------------------------------------------

    def forward(self, graph: PanelGraph) -> Tensor:
        """Values at the vertices, in units of each panel's pressure."""
        told = (graph.features - self.feature_mean) / self.feature_scale
        y: Tensor = self.model(PanelGraph(**{**graph.__dict__, "features": told}))
        return y * self.target_scale

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """MeshPrediction of a MeshSample, or a list of them for several; one model has no spread, `std` is None."""
        samples = [data] if isinstance(data, MeshSample) else [data[k] for k in range(len(data))]
        if not samples:
            raise DomainError("there are no panels; give at least one")
        if not self.trained:
            raise DomainError("this task has seen no data yet; train it with fit, or call prepare(data)")
        found = []
        for sample, values in self._values(samples):
            nodal = self.model.at_nodes(sample, values)  # type: ignore[operator]
            peaks = {self.peak: (float(nodal.max()), None)}
            found.append(MeshPrediction(sample, {self.field: nodal}, None, peaks))
        return found[0] if isinstance(data, MeshSample) else found

    def truth(self, sample: MeshSample) -> np.ndarray:
        """The field at the nodes of a panel whose solution is known. Raises DomainError where it is not."""
        if self.field not in sample.fields:
            raise DomainError(
                f"the mesh has no field {self.field!r} to compare with; it has {', '.join(sample.fields) or 'none'}"
            )
        return np.asarray(sample.fields[self.field], dtype=np.float64)

    def _values(self, samples: Sequence[MeshSample]) -> Iterator[tuple[MeshSample, np.ndarray]]:
        """Values at the vertices of each sample, in the field's unit."""
        waiting: list[tuple[MeshSample, PanelGraph]] = []
        for k, sample in enumerate(samples):
            waiting.append((sample, self.model.graph(sample)))  # type: ignore[operator]
            if k + 1 < len(samples) and sum(len(g.features) for _, g in waiting) < _VERTICES:
                continue
            batch = self.collate([g for _, g in waiting])
            with torch.no_grad():
                y = self(batch.to(self.target_scale.device)).clamp_min(0).double().cpu()
            begun = 0
            for held, graph in waiting:
                own = y[begun : begun + len(graph.features)] * float(graph.scale)
                begun += len(graph.features)
                yield held, own.numpy()
            waiting = []

    # training --------------------------------------------------------------------------------------------------------

    def gather(self, data: Any) -> Any:
        """A data set of panels as graphs with their targets, each made once."""
        return data if isinstance(data, PanelGraphs) or not len(data) else PanelGraphs(self, data)

    def check_validation(self, valid: Any) -> None:
        """Nothing: one task has one kind of validation data."""

    def prepare(self, train: Any) -> None:
        """Means and scales from the training data.

        Raises DomainError where a panel is no plates, has no stress, or a value is not finite.
        """
        graphs = self.gather(train)
        features, squares, means, peaks = [], [], [], []
        for k in range(len(graphs)):
            graph = graphs[k]
            over = graph.target / graph.scale
            if not bool(over.isfinite().all() and graph.features.isfinite().all()) or float(over.max()) <= 0:
                raise DomainError(
                    f"training row {k}: {self.field} or a feature is not finite, or it is zero everywhere"
                )
            features.append(graph.features[:, 0])
            squares.append(over.square().mean())
            means.append(over.mean())
            peaks.append(over.max())
        table = torch.cat(features)
        scale = table.std(dim=0, correction=0)
        self.feature_mean.copy_(table.mean(dim=0))
        self.feature_scale.copy_(torch.where(scale > 1e-9, scale, 1.0))
        self.target_scale.copy_(torch.stack(squares).mean().sqrt())
        self.usual.copy_(torch.stack([torch.stack(means).mean(), torch.stack(peaks).mean()]))
        self.known.fill_(True)

    def restart(self, train: Any, isolated: Any = None) -> dict[str, Any]:
        """Go on from trained weights: the normalisation stays."""
        if isolated is not None:
            raise DomainError(f"isolated={isolated!r} is for energies of atoms; panels have none, so leave it away")
        self.gather(train)[0]
        return {"isolated": "keep"}

    def collate(self, samples: Sequence[PanelGraph]) -> PanelGraph:
        """Graphs -> one, in the model's precision."""
        return PanelGraph.joined(samples).to(dtype=self.target_scale.dtype)

    def loss(self, batch: PanelGraph, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """sum of weights[part] part, means over panels."""
        assert batch.target is not None
        target = (batch.target / _each(batch.scale[batch.graph], batch.target)).flatten(1)
        said, panels = self(batch).flatten(1), len(batch)
        largest, highest = (_largest(x, batch.graph, panels) for x in (target, said))
        error = ((said - target) / largest[batch.graph, None]).square().mean(dim=1)
        count = torch.bincount(batch.graph, minlength=panels)
        field = (error.new_zeros(panels).index_add(0, batch.graph, error) / count).mean()
        parts = {"field": field, "peak": (highest / largest - 1).square().mean()}
        whole = torch.stack([weights.get(name, 0.0) * part for name, part in parts.items()]).sum()
        return whole, {name: part.detach() for name, part in parts.items()}

    def refit(self, train: Any) -> None:
        """Nothing: there is no closed form to correct."""

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> PlateScores:
        """Errors on held-out panels; `predict` is what is scored, this task's own unless given."""
        return score(self, predict or self.predict, data)

    def card(self) -> dict[str, Any]:
        """What it predicts, for the card of a saved model; plain JSON."""
        return {"field": self.field, "quantity": self.peak, "unit of outputs": "largest pressure of the panel"}


class PanelGraphs:
    """Graphs with targets of a data set of panels, made when they are first looked at, and kept."""

    def __init__(self, task: PlateStress, data: Any) -> None:
        self.data, self._task = data, task
        self._made: dict[int, PanelGraph] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> PanelGraph:
        if index not in self._made:
            try:
                self._made[index] = self._task.model.graph(self.data[index], self._task.field)  # type: ignore[operator]
            except DomainError as error:
                raise DomainError(f"panel {index}: {error}") from error
        return self._made[index]

    def row_hashes(self) -> list[str]:
        """Of the panels."""
        found: list[str] = self.data.row_hashes()
        return found

    @property
    def hash(self) -> str:
        """Of the panels."""
        return str(self.data.hash)


def _each(scale: Tensor, like: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (like.dim() - 1))


def _largest(values: Tensor, panel: Tensor, panels: int) -> Tensor:
    """Largest value (panels,) of values (vertices, n)."""
    each = values.amax(dim=1)
    return each.new_full((panels,), -torch.inf).scatter_reduce(0, panel, each, "amax")
