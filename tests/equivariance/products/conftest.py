"""Random arguments of products, and the sum over paths in which products are compared."""

from types import SimpleNamespace

import pytest
import torch

from surrogates.equivariance.irreps import ChannelIrreps, natural_irreps
from surrogates.equivariance.wigner_zjz import exact_harmonics

BOTH = ((0, 1), (0, -1), (1, -1), (1, 1), (2, 1), (2, -1))  # parity doubled


def directions(n: int, seed: int = 0) -> torch.Tensor:
    """Unit vectors: both poles of the frames, one just beside a pole, and random ones."""
    unit = torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    unit[:3] = torch.tensor([[0, 1.0, 0], [0, -1.0, 0], [1e-9, 1.0, 0]])[:n]
    return torch.nn.functional.normalize(unit, dim=1)


def arguments(product, edges: int = 5, seed: int = 0):
    """Features, harmonics and weights for a product, float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(edges, product.inputs.dim, product.inputs.channels, dtype=torch.float64, generator=generator)
    weights = torch.randn(edges, product.n_weights, dtype=torch.float64, generator=generator)
    return x, exact_harmonics(product.l_max, directions(edges)), weights


def merged(product, rows: torch.Tensor) -> dict:
    """Rows summed over the paths to each irrep: {irrep: (edges, 2l + 1, channels)}."""
    found, first = {}, 0
    for (l, p), n in product.outputs:
        part = rows[:, first : first + (2 * l + 1) * n]
        found[l, p] = part.unflatten(1, (2 * l + 1, n)).sum(dim=2)
        first += (2 * l + 1) * n
    assert first == rows.shape[1]
    return found


def natural(l_max: int, channels: int = 2) -> tuple:
    """inputs, l_max, outputs, all up to one degree."""
    return ChannelIrreps(natural_irreps(l_max), channels), l_max, natural_irreps(l_max)


@pytest.fixture
def kit():
    """What the tests of products share."""
    return SimpleNamespace(arguments=arguments, merged=merged, natural=natural, directions=directions, both=BOTH)
