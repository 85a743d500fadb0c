"""TDN: the error falls with the rank to nothing, and equivariance is as bad as it says, and no worse than its bound."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from surrogates.equivariance.irreps import natural_irreps
from surrogates.equivariance.products import ClebschGordan, CPDecomposed
from surrogates.equivariance.products.cp_fit import assembled, coupling_tensor, cp_factors, equivariant_part, full_rank
from surrogates.equivariance.wigner import wigner_d

SPACES = (natural_irreps(2), 2, natural_irreps(2))


def relative_error(rank: int) -> float:
    target = coupling_tensor(*SPACES)
    return float((assembled(cp_factors(*SPACES, rank)) - target).norm() / target.norm())


def test_error_falls_with_the_rank_to_machine_precision_at_full_rank():
    errors = [relative_error(rank) for rank in (7, 14, 28, full_rank((9, 9, 9)))]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1  # a rank can be too low
    assert errors[2] < 0.01  # the paper's 7 L^2
    assert errors[3] < 1e-15


def test_full_rank_is_the_sum_of_all_paths_with_equal_weights(kit):
    product, full = CPDecomposed(*kit.natural(2), rank="full").double(), ClebschGordan(*kit.natural(2))
    x, y, w = kit.arguments(product)
    paths = torch.cat([w / n**0.5 for _, n in full.outputs for _ in range(n)], dim=1)
    expected = torch.cat(list(kit.merged(full, full(x, y, paths)).values()), dim=1)
    torch.testing.assert_close(product(x, y, w), expected, rtol=0, atol=1e-6)  # parameters were born in float32


def test_ranks_of_the_paper():
    named = {"quadratic": 28, "linear": 14, "log": 16, "full": 81, 40: 40}
    for rank, expected in named.items():
        assert CPDecomposed("1x0e + 1x1o + 1x2e", 2, "0e + 1o + 2e", rank).rank == expected
    assert CPDecomposed("1x0e", 2, "0e + 1o + 2e", 50).rank == 9  # more would be nothing but zeros


@pytest.mark.parametrize("rank", ["linear", "quadratic"])
def test_equivariance_error_is_as_stated_and_below_its_bound(rank, kit):
    product = CPDecomposed(*kit.natural(2, channels=1), rank=rank).double()
    x, y, _ = kit.arguments(product, edges=400)
    w = torch.ones(400, 1, dtype=torch.float64)
    product.requires_grad_(False)
    plain, errors = product(x, y, w), []
    for seed in range(8):
        turn = torch.as_tensor(Rotation.random(random_state=seed).as_matrix()) * (-1) ** seed
        d = wigner_d(natural_irreps(2), turn)
        error = torch.einsum("ij,ejc->eic", d, plain) - product(torch.einsum("ij,ejc->eic", d, x), y @ d.T, w)
        errors.append(error.flatten(1).norm(dim=1))
    found = torch.stack(errors)
    measured = float((found.square().mean() / plain.flatten(1).norm(dim=1).square().mean()).sqrt())
    assert measured == pytest.approx(product.equivariance_error, rel=0.15)
    assert product.equivariance_error > 1e-4  # it is approximate, and says so
    worst = float((found / (x.flatten(1).norm(dim=1) * y.norm(dim=1))).max())
    assert 0.05 * product.equivariance_bound < worst < product.equivariance_bound


def test_the_error_is_printed_and_follows_training(kit):
    product = CPDecomposed(*kit.natural(2))
    before = product.equivariance_error
    assert f"equivariance_error={before:.1e}" in repr(product)
    with torch.no_grad():
        product.c += 0.1 * torch.randn(product.c.shape, generator=torch.Generator().manual_seed(0))
    assert product.equivariance_error > 3 * before
    assert product.a.requires_grad
    assert not any(p.requires_grad for p in CPDecomposed(*kit.natural(2), frozen=True).parameters())


def test_the_equivariant_part_is_a_projection_on_equivariant_tensors():
    tensor = torch.randn(9, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    part = equivariant_part(tensor, *SPACES)
    torch.testing.assert_close(equivariant_part(part, *SPACES), part, rtol=0, atol=1e-12)
    d = wigner_d(SPACES[0], -torch.as_tensor(Rotation.random(random_state=3).as_matrix()))
    turned = torch.einsum("ai,bj,ck,ijk->abc", d, d, d, part)
    torch.testing.assert_close(turned, part, rtol=0, atol=1e-12)
    assert part.norm() > 0.5
