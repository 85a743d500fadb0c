"""Edges of meshes as networks see them: vectors and lengths, normalised; pairs of nodes that are close in the world."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor, nn

from surrogates.datasets.batch import Csr
from surrogates.physics.errors import DomainError

_ENOUGH = 1_000_000  # edges after which the normalisation stays as it is


def edge_vectors(points: Float[Tensor, "nodes dim"], pattern: Csr) -> Float[Tensor, "entries dim_1"]:
    """[x_i - x_j, |x_i - x_j|] of each entry, i receives from j."""
    vectors = points.index_select(0, pattern.receivers) - points.index_select(0, pattern.senders)
    return torch.cat([vectors, vectors.norm(dim=1, keepdim=True)], dim=1)


def world_edges(moved: np.ndarray, edges: Csr, radius: float | int) -> Csr:
    """Pairs of nodes at most `radius` apart where they are now, both ways, that are no neighbours in the mesh.

    Raises DomainError for places that are not finite or not one a node.
    """
    if moved.ndim != 2 or len(moved) != edges.rows or not np.isfinite(moved).all():
        raise DomainError(
            f"places of shape {moved.shape}, finite: {bool(np.isfinite(moved).all())}, for a mesh of {edges.rows} "
            "nodes; give one finite place a node (a rollout that went astray has none)"
        )
    pairs = cKDTree(moved).query_pairs(float(radius), output_type="ndarray").astype(np.int64)
    both, n = np.concatenate([pairs, pairs[:, ::-1]]), max(edges.rows, 1)
    own = edges.receivers.cpu().numpy() * n + edges.senders.cpu().numpy()
    both = both[~np.isin(both[:, 0] * n + both[:, 1], own)]
    receivers, senders = torch.from_numpy(both).unbind(1)
    return Csr.of_pairs(receivers, senders, rows=edges.rows)


class EdgeNorm(nn.Module):
    """(x - mean) / standard deviation of each feature, over the first million edges that are seen in training.

    As the authors' normalisers do: collected while training, then fixed, kept with the weights. Until the first step in
    training features pass as they are; a feature that is the same on all edges is only moved to zero.
    """

    edges: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("square", torch.ones(features))

    def forward(self, x: Float[Tensor, "entries features"]) -> Float[Tensor, "entries features"]:
        if self.training and len(x):
            self._collect(x.detach().to(self.mean.dtype))
        variance = self.square - self.mean.square()
        known = variance > 1e-5 * self.square
        scale = torch.where(known, variance, torch.ones_like(variance)).sqrt()
        return (x - self.mean) / scale

    @torch.no_grad()
    def _collect(self, x: Tensor) -> None:
        """Cumulative means, written without a look at values, which would stall a GPU."""
        share = torch.where(self.edges < _ENOUGH, len(x) / (self.edges + len(x)), 0.0)
        self.mean.lerp_(x.mean(0), share)
        self.square.lerp_(x.square().mean(0), share)
        self.edges.add_(torch.where(self.edges < _ENOUGH, float(len(x)), 0.0))
