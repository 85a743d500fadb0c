"""Irreps strings: read, ordered, refused."""

import pytest

from surrogates.equivariance.irreps import channel_irreps, natural_irreps
from surrogates.physics.errors import DomainError


def test_blocks_are_ordered_with_scalars_first():
    irreps = channel_irreps("4x1o + 4x0o + 4x0e")
    assert irreps.irreps == ((0, 1), (0, -1), (1, -1))
    assert (irreps.channels, irreps.dim, irreps.block_of_component) == (4, 5, [0, 1, 2, 2, 2])
    assert channel_irreps(str(irreps)) == irreps


def test_natural_parity_alternates():
    assert natural_irreps(3) == ((0, 1), (1, -1), (2, 1), (3, -1))


@pytest.mark.parametrize("text", ["4x0e + 3x1o", "4x1o", "vectors", "", "4x0e + 4x1o + 4x0e + 4x1o + 4x2e"])
def test_what_cannot_be_stored_is_refused(text):
    with pytest.raises(DomainError, match="irreps"):
        channel_irreps(text)
