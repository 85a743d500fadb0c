"""What the edges of a mesh say of a node's place: return probabilities of random walks, eigenvectors of the Laplacian.

Paper: A Generalization of Transformer Networks to Graphs (arXiv:2012.09699), section 2.1.2, for eigenvectors and their
signs; Graph Neural Networks with Learnable Structural and Positional Representations (arXiv:2110.07875), eq. 13, for
walks.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from surrogates.datasets.batch import Csr

_BLOCK = 8192  # rows of a power at a time
_DENSE = 200  # nodes up to which all eigenvectors are found


def walk_returns(edges: Csr, steps: int) -> np.ndarray:
    """Probability (n, steps) that a random walk is back where it began after 1, ..., steps edges: diag (D^-1 A)^k."""
    matrix = _normalised(edges)
    found = np.zeros((edges.rows, steps))
    for first in range(0, edges.rows, _BLOCK):
        rows = slice(first, min(first + _BLOCK, edges.rows))
        power = sp.identity(edges.rows, format="csr")[rows]  # S^j with S = D^-1/2 A D^-1/2, symmetric
        for k in range(1, steps + 1):
            if k % 2:
                half, power = power, power @ matrix
                found[rows, k - 1] = half.multiply(power).sum(1).A1  # S^j S^(j+1)
            else:
                found[rows, k - 1] = power.multiply(power).sum(1).A1
    return found


def laplacian_vectors(edges: Csr, count: int) -> np.ndarray:
    """Eigenvectors (n, count) of 1 - D^-1/2 A D^-1/2 after the first, by ascending eigenvalue, of mean square 1.

    Zeros where the mesh has too few nodes. Signs, and bases of repeated eigenvalues, are arbitrary.
    """
    n = edges.rows
    laplacian = sp.identity(n, format="csc") - _normalised(edges).tocsc()
    wanted = min(count + 1, n)
    if n <= max(_DENSE, 3 * wanted):
        vectors = np.linalg.eigh(laplacian.toarray())[1][:, :wanted]
    else:
        begin = np.random.default_rng(0).standard_normal(n)
        values, vectors = eigsh(laplacian, k=wanted, sigma=-1e-2, which="LM", v0=begin)
        vectors = vectors[:, np.argsort(values)]
    found = np.zeros((n, count))
    found[:, : wanted - 1] = vectors[:, 1:] * np.sqrt(n)
    return found


def _normalised(edges: Csr) -> sp.csr_matrix:
    """D^-1/2 A D^-1/2; rows of zeros for nodes without neighbours."""
    degrees = edges.degrees.numpy().astype(np.float64)
    scale = np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    receivers, senders = edges.receivers.numpy(), edges.senders.numpy()
    data = scale[receivers] * scale[senders]
    return sp.csr_matrix((data, senders, edges.starts.numpy()), shape=(edges.rows, edges.rows))
