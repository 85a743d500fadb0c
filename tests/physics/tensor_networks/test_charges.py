"""Conserved charges: operators in parts, layouts, and ground states of sectors against exact and dense ones."""

import numpy as np
import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.lattice import electron, hamiltonian, heisenberg, hubbard, j1j2, spin, tfim
from surrogates.physics.lattice.exact import matrix
from surrogates.physics.tensor_networks import MPS, dmrg, energy_and_variance, mpo
from surrogates.physics.tensor_networks.charges import Fused, charged_mpo, charges_of, columns_to_rows, rows_to_columns


def lowest_of_sector(model, start, conserve):
    """Exact diagonalisation among the basis states with the start's charge."""
    charges = charges_of(model.site, conserve)
    total = np.zeros(1, dtype=int)
    for _ in range(model.length):
        total = np.add.outer(total, np.array(charges)).ravel()
    own = total[np.argmax(np.abs(start.vector().numpy()))]
    inside = np.flatnonzero(total == own)
    return np.linalg.eigvalsh(matrix(model).toarray()[np.ix_(inside, inside)])[0]


CASES = {
    "heisenberg": (heisenberg(8), MPS.neel(8), "Sz"),
    "magnetised": (heisenberg(8), MPS.product(["up"] * 6 + ["down"] * 2), "Sz"),
    "reaching": (j1j2(8, j2=0.3), MPS.neel(8), "Sz"),
    "ring": (heisenberg(8, periodic=True), MPS.neel(8), "Sz"),
    "spin one": (heisenberg(5, twice_spin=2), MPS.product([0, 2, 1, 0, 2], spin(2)), "Sz"),
    "hubbard": (hubbard(4), MPS.product(["up", "down", "both", "empty"], electron()), "n"),
    "hubbard spin": (hubbard(4), MPS.product(["up", "down", "up", "empty"], electron()), "Sz"),
    "twisted": (
        hamiltonian(6, [(np.exp(0.3j), [("S+", a), ("S-", a + 1)]) for a in range(5)])
        + hamiltonian(6, [(np.exp(-0.3j), [("S-", a), ("S+", a + 1)]) for a in range(5)]),
        MPS.neel(6),
        "Sz",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_ground_states_of_sectors(name):
    model, start, conserve = CASES[name]
    found = dmrg(model, start, chi_max=64, conserve=conserve)
    assert found.energy == pytest.approx(lowest_of_sector(model, start, conserve), abs=1e-9)
    assert found.converged
    # the dense state is that of the blocks: same energy and variance, one charge only
    assert energy_and_variance(mpo(model), found.state) == pytest.approx((found.energy, found.variance), abs=1e-10)
    assert found.state.norm() == pytest.approx(1)
    total = found.state.expect(conserve).sum()
    torch.testing.assert_close(total, start.expect(conserve).sum().to(total), atol=1e-10, rtol=0)


def test_truncated_answers_equal_the_dense_ones():
    dense, blocks = (dmrg(heisenberg(16), MPS.neel(16), chi_max=20, conserve=c) for c in (None, "Sz"))
    assert blocks.energy == pytest.approx(dense.energy, abs=1e-8)
    assert blocks.variance == pytest.approx(dense.variance, rel=0.2)
    assert blocks.variance == pytest.approx(energy_and_variance(mpo(heisenberg(16)), blocks.state)[1], rel=1e-6)
    assert max(blocks.state.bonds) <= 22
    entangled = dmrg(heisenberg(16), dense.state.compress(chi_max=8), chi_max=20)
    again = dmrg(heisenberg(16), blocks.state, chi_max=20, conserve="Sz")  # from a state that is no product
    assert again.energy == pytest.approx(entangled.energy, abs=1e-8)


def test_parts_that_cancel_are_dropped():
    """Sx Sx + Sy Sy changes no charge though each of its operators does."""
    terms = [(1.0, [(s, a), (s, a + 1)]) for a in range(3) for s in ("Sx", "Sy", "Sz")]
    found = charged_mpo(hamiltonian(4, terms), "Sz")
    np.testing.assert_allclose(found.operator.dense().numpy(), matrix(heisenberg(4)).toarray(), atol=1e-12)
    assert found.operator.dtype == torch.float64
    assert max(found.operator.bonds) == 5


def test_layouts_are_inverse():
    site, left, right = (0, 1), {0: 2, 1: 3}, {0: 1, 1: 4, 2: 2}
    rows, columns = Fused(left, site, 1), Fused(right, site, -1)
    t = {q: torch.randn(rows.sizes[q], right[q]) for q in right}
    back = columns_to_rows(rows_to_columns(t, rows, columns), rows, columns)
    assert all(torch.equal(back[q], t[q]) for q in t)


def test_bad_charges_are_named():
    with pytest.raises(DomainError, match="that change Sz"):
        dmrg(tfim(4), MPS.neel(4), conserve="Sz")
    with pytest.raises(DomainError, match="X is not diagonal"):
        dmrg(tfim(4), MPS.neel(4), conserve="X")
    with pytest.raises(DomainError, match="parts of 2 charges"):
        dmrg(heisenberg(4), (MPS.neel(4) + MPS.product(["up"] * 4)).compress(), conserve="Sz")
    with pytest.raises(DomainError, match="no states above"):
        dmrg(heisenberg(4), MPS.neel(4), conserve="Sz", sites="one")
