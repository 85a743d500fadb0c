"""Truncation: optimal, its loss counted, no cut inside a multiplet, exact gradients where torch's own fail."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.tensor_networks.truncate import kept, low_rank, split


def states():
    """Matrices of two halves of known states, (4, 4) complex."""
    torch.manual_seed(0)
    zero = torch.zeros(4, 4, dtype=torch.complex128)
    product, bell, ghz = zero.clone(), zero.clone(), zero.clone()
    product[0, 0] = 1
    bell[0, 0] = bell[1, 1] = 1 / math.sqrt(2)
    ghz[0, 0] = ghz[3, 3] = 1 / math.sqrt(2)
    singlets = torch.kron(torch.tensor([[0, 1.0], [-1, 0]]), torch.tensor([[0, 1.0], [-1, 0]])).to(zero) / 2
    aklt = torch.zeros_like(zero)
    sigma = [torch.tensor(m, dtype=torch.complex128) for m in ([[0, 1], [0, 0]], [[1, 0], [0, -1]], [[0, 0], [1, 0]])]
    for m, w in zip(sigma, (2 / 3, -1 / 3, -2 / 3), strict=True):
        aklt = aklt + abs(w) * torch.kron(m, m.conj())
    random = torch.randn(4, 4, dtype=torch.complex128)
    tall = torch.randn(6, 3, dtype=torch.complex128)
    return {
        "product": product,
        "bell": bell,
        "ghz": ghz,
        "singlets": singlets,
        "aklt": aklt,
        "random": random,
        "tall": tall,
    }


def separated(a, k):
    """The same singular vectors, with a gap at the cut and a multiplet above and below it."""
    u, s, v = torch.linalg.svd(a, full_matrices=False)
    values = torch.where(torch.arange(len(s)) < k, 1.0, 0.3).to(s)
    return (u * values) @ v


@pytest.mark.parametrize("name", states())
@pytest.mark.parametrize("k", [1, 2])
def test_gradients_through_truncation(name, k):
    """Of the truncated matrix and of functions of the two factors' product, at multiplets above and below the cut."""
    a = separated(states()[name], k).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: low_rank(a, chi_max=k), a)

    def product(a):
        found = split(a, chi_max=k)
        return found.left @ found.right

    assert torch.autograd.gradcheck(product, a)
    weight = torch.randn(a.shape, dtype=a.dtype)

    def norm(a):
        found = split(a, chi_max=k, absorb="left")
        return ((found.left @ found.right) * weight).sum().abs() ** 2

    assert torch.autograd.gradcheck(norm, a)


@pytest.mark.parametrize("name", ["product", "bell", "ghz", "singlets", "aklt"])
def test_states_themselves_have_finite_right_gradients(name):
    """No cut is asked that would part a multiplet; gradients of the whole kept part are those of the identity or of the
    projector on it."""
    a = states()[name].clone().requires_grad_()
    rank = int((torch.linalg.svdvals(a.detach()) > 1e-12).sum())
    assert torch.autograd.gradcheck(lambda a: low_rank(a, chi_max=rank), a)
    u, s, v = torch.linalg.svd(a, full_matrices=False)
    ((u[:, :rank] * s[:rank]) @ v[:rank]).real.sum().backward()
    theirs = a.grad.clone()
    a.grad = None
    low_rank(a, chi_max=rank).real.sum().backward()
    assert torch.isfinite(a.grad).all()
    assert not torch.isfinite(theirs).all() or not torch.allclose(theirs, a.grad, atol=1e-6)  # torch's own rule fails


def test_truncation_is_the_best_and_its_loss_is_counted():
    torch.manual_seed(1)
    a = torch.randn(7, 5, dtype=torch.float64)
    s = torch.linalg.svdvals(a)
    for k in range(1, 6):
        found = split(a, chi_max=k)
        error = torch.linalg.norm(a - found.left @ found.right) ** 2
        assert error.item() == pytest.approx((s[k:] ** 2).sum().item(), abs=1e-12)
        assert found.discarded == pytest.approx((s[k:] ** 2).sum().item() / (s**2).sum().item(), abs=1e-14)
        torch.testing.assert_close(found.left.mT @ found.left, torch.eye(k, dtype=a.dtype), atol=1e-12, rtol=0)
    bare = split(a, chi_max=3, absorb="none")
    torch.testing.assert_close(
        bare.left * bare.values @ bare.right, split(a, chi_max=3, absorb="left").left @ bare.right
    )


def test_cutoff_is_the_discarded_weight():
    values = torch.tensor([1.0, 1e-2, 1e-4, 1e-6]).double()
    assert kept(values, None, 0) == 4
    assert kept(values, None, 1.5e-8) == 2
    assert kept(values, None, 0.9e-8) == 3
    assert kept(values, 2, 1e-20) == 2
    assert split(torch.diag(values), cutoff=1.5e-8).discarded == pytest.approx(1e-8, rel=1e-3)


def test_multiplets_stay_whole():
    values = torch.tensor([1.0, 0.5, 0.5, 0.5, 0.1]).double()
    assert [kept(values, chi, 0) for chi in range(1, 6)] == [1, 1, 1, 4, 5]
    same = torch.ones(4, dtype=torch.float64)
    assert kept(same, 2, 0) == 4  # moving down would leave nothing
    assert kept(torch.zeros(3), 2, 0) == 1


def test_bad_input_is_named():
    with pytest.raises(DomainError, match="not finite"):
        split(torch.full((2, 2), math.nan))
    with pytest.raises(DomainError, match="at least one"):
        split(torch.eye(2), chi_max=0)
    with pytest.raises(DomainError, match="left, right or none"):
        split(torch.eye(2), absorb="both")
    with pytest.raises(DomainError, match="give a matrix"):
        split(torch.zeros(2, 2, 2))
