"""Sampling, operators on states, transfer matrices and files, against vectors and known states."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from surrogates.physics.errors import DomainError, FileError
from surrogates.physics.lattice import heisenberg, hubbard, spin, tfim
from surrogates.physics.lattice.exact import matrix
from surrogates.physics.tensor_networks import (
    MPS,
    TransferMatrix,
    apply,
    energy_and_variance,
    load,
    log_amplitudes,
    mpo,
    sample,
    save,
)

TIGHT = {"atol": 1e-11, "rtol": 0}


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_draws_have_borns_probabilities(dtype):
    """Chi-square over all basis states, the stated probability of each draw, and the tensors' gauge does not matter."""
    state = MPS.random(6, 4, seed=5, dtype=dtype).canonical(3) * 2.0
    found = sample(state, 20000, seed=1)
    p = (state.normalized().vector().abs() ** 2).double()
    index = (found.states * 2 ** torch.arange(5, -1, -1)).sum(1)
    torch.testing.assert_close(found.log_probability, p[index].log(), atol=1e-10, rtol=0)
    seen = torch.bincount(index, minlength=64).double()
    often = p * 20000 > 5
    assert scipy.stats.chisquare(seen[often], p[often] * seen[often].sum() / p[often].sum()).pvalue > 1e-3
    assert sum(found.counts().values()) == 20000
    assert torch.equal(sample(state, 20000, seed=1).states, found.states)


def test_amplitudes_of_basis_states():
    state = MPS.random(5, 3, seed=2, dtype=torch.complex128) * 3.0
    every = torch.cartesian_prod(*[torch.arange(2)] * 5)
    torch.testing.assert_close(log_amplitudes(state, every).exp(), state.vector(), **TIGHT)
    product = log_amplitudes(MPS.neel(3), torch.tensor([[0, 1, 0], [1, 1, 0]]))
    assert product[0] == 0
    assert product[1].real == -math.inf


@pytest.mark.parametrize("method", ["exact", "zip_up", "fit"])
@pytest.mark.parametrize("model", [heisenberg(6, periodic=True), tfim(6, h=0.3), hubbard(3)])
def test_operators_act_on_states(method, model):
    state = MPS.random(model.length, 4, seed=3, site=model.site, dtype=torch.complex128) * 1.5
    found = apply(mpo(model), state, method=method)
    torch.testing.assert_close(found.vector(), torch.from_numpy(matrix(model) @ state.vector().numpy()), **TIGHT)


def test_truncated_products_are_near_the_best():
    """At half the bonds that it needs, zip-up and fit lose hardly more than the best cut, and the fit least."""
    state, operator = MPS.random(10, 8, seed=4), mpo(heisenberg(10))
    exact = apply(operator, state, method="exact").vector()
    best = MPS.from_vector(exact, chi_max=10).vector()
    least = torch.linalg.vector_norm(exact - best)
    errors = {
        how: torch.linalg.vector_norm(apply(operator, state, chi_max=10, method=how).vector() - exact) / least
        for how in ("exact", "zip_up", "fit")
    }
    assert errors["fit"] <= min(errors["exact"], errors["zip_up"]) * 1.0001
    assert errors["zip_up"] < 1.3


def aklt(length):
    """Of spin one: S+ with sqrt(2/3), Sz with -sqrt(1/3), S- with -sqrt(2/3) on bonds of two."""
    t = torch.zeros(2, 3, 2, dtype=torch.float64)
    t[0, 0, 1], t[0, 1, 0], t[1, 1, 1], t[1, 2, 0] = (
        math.sqrt(2 / 3),
        -math.sqrt(1 / 3),
        math.sqrt(1 / 3),
        -math.sqrt(2 / 3),
    )
    return MPS((t[:1], *[t] * (length - 2), t[:, :, :1]), None, site=spin(2)), t


def test_correlation_length_of_aklt():
    """1 / log 3 sites; <Sz Sz> is (4/3) (-1/3)^r."""
    state, t = aklt(40)
    transfer = TransferMatrix([t])
    np.testing.assert_allclose(transfer.spectrum(4).real, [1, -1 / 3, -1 / 3, -1 / 3], atol=1e-12)
    assert transfer.correlation_length() == pytest.approx(1 / math.log(3))
    assert TransferMatrix([t, t]).correlation_length() == pytest.approx(1 / math.log(3))
    found = state.correlations("Sz", "Sz")
    np.testing.assert_allclose(found[15, 16:22], 4 / 3 * (-1 / 3) ** np.arange(1, 7), atol=1e-9)
    x = torch.randn(2, 2, dtype=torch.complex128)
    y = torch.randn(2, 2, dtype=torch.complex128)
    left, right = (transfer.from_left(x) * y).sum(), (x * transfer.from_right(y)).sum()
    torch.testing.assert_close(left, right)
    wide = MPS.random(14, 40, seed=0).tensors[7]
    iterated, made = TransferMatrix([wide]), TransferMatrix([wide])
    values = torch.linalg.eigvals(made.matrix()).abs().sort(descending=True).values[:2]
    torch.testing.assert_close(iterated.spectrum(2).abs(), values, atol=1e-8, rtol=0)


def test_variance_is_that_of_the_vector():
    for model in (heisenberg(6), tfim(7, h=0.4), heisenberg(6, periodic=True), hubbard(3)):
        state = MPS.random(model.length, 5, seed=1, site=model.site, dtype=torch.complex128)
        psi, h = state.vector().numpy(), matrix(model)
        energy, variance = energy_and_variance(mpo(model), state)
        exact = np.vdot(psi, h @ psi).real
        assert energy == pytest.approx(exact, abs=1e-12)
        assert variance == pytest.approx(np.linalg.norm(h @ psi) ** 2 - exact**2, abs=1e-11)


def test_files_keep_every_bit(tmp_path):
    state = (MPS.random(7, 5, seed=1, site=hubbard(2).site, dtype=torch.complex128) * 3.0).compress(chi_max=3)
    state.save(tmp_path / "state.h5")
    back = load(tmp_path / "state.h5")
    assert all(torch.equal(a, b) for a, b in zip(state.tensors, back.tensors, strict=True))
    assert (back.center, back.log_norm, back.discarded, back.error_bound) == (
        state.center,
        state.log_norm,
        state.discarded,
        state.error_bound,
    )
    assert back.site.states == state.site.states
    assert back.site.fermionic == state.site.fermionic
    assert all(np.array_equal(back.site.operators[k], v) for k, v in state.site.operators.items())
    operator = mpo(hubbard(4))
    save(operator, tmp_path / "operator.h5")
    assert all(torch.equal(a, b) for a, b in zip(operator.tensors, load(tmp_path / "operator.h5").tensors, strict=True))
    (tmp_path / "state.h5").write_bytes((tmp_path / "state.h5").read_bytes()[:3000])
    with pytest.raises(FileError, match="cannot be read"):
        load(tmp_path / "state.h5")


def test_bad_operations_are_named():
    with pytest.raises(DomainError, match="0 shots"):
        sample(MPS.neel(4), 0)
    with pytest.raises(DomainError, match="the state 5"):
        apply(mpo(heisenberg(4)), MPS.neel(5))
    with pytest.raises(DomainError, match="choose exact, zip_up or fit"):
        apply(mpo(heisenberg(4)), MPS.neel(4), method="zip")
    with pytest.raises(DomainError, match="give 0 to 1"):
        log_amplitudes(MPS.neel(2), torch.tensor([[0, 2]]))
    with pytest.raises(DomainError, match="need equal ones"):
        TransferMatrix([torch.ones(1, 2, 3)]).spectrum()
