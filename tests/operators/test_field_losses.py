"""Field losses: integrals known in closed form, orders of convergence, masks that hide, gradients at no error."""

import math

import pytest
import torch

from surrogates.blocks.field_losses import LOSSES, mean_squared, relative_h1, relative_h1_spectral, relative_l2
from surrogates.physics.errors import DomainError

RANDOM = torch.Generator().manual_seed(0)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=RANDOM)


def waves(n: int, k: int, length: float = 2.0) -> tuple[torch.Tensor, float]:
    x = torch.arange(n, dtype=torch.float64) * length / n
    return torch.sin(2 * math.pi * k * x / length).expand(1, 1, n), length / n


def test_values_by_hand():
    target = torch.tensor([[[3.0, 4.0], [0.0, 0.0]], [[0.0, 5.0], [12.0, 0.0]]], dtype=torch.float64)
    predicted = target + torch.tensor([1.0, 2.0], dtype=torch.float64).reshape(2, 1, 1)
    torch.testing.assert_close(relative_l2(predicted, target), torch.tensor([2 / 5, 4 / 13], dtype=torch.float64))
    torch.testing.assert_close(mean_squared(predicted, target), torch.tensor([1.0, 4.0], dtype=torch.float64))


@pytest.mark.parametrize(("k", "error_k"), [(1, 3), (4, 2)])
def test_h1_of_waves(k, error_k):
    """sin(q x) has H1 norm squared L/2 (1 + q^2): exact spectrally, to second order by differences."""
    q, p = math.pi * k, math.pi * error_k
    exact = 0.1 * math.sqrt((1 + p**2) / (1 + q**2))
    gaps = []
    for n in (64, 128):
        (target, dx), (error, _) = waves(n, k), waves(n, error_k)
        predicted = target + 0.1 * error
        assert relative_h1_spectral(predicted, target, spacing=dx).item() == pytest.approx(exact, rel=1e-12)
        gaps.append(abs(relative_h1(predicted, target, spacing=dx, periodic=True).item() - exact))
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.03)


def test_h1_between_walls():
    """u = x^2 on [0, 1] against 0.9 u: 0.1 whatever the norm; against u + x the integrals are 4/3 over 1/5 + 4/3."""
    for n, tolerance in ((200, 5e-3), (400, 2.5e-3)):
        x = ((torch.arange(n, dtype=torch.float64) + 0.5) / n).reshape(1, 1, n)
        u = x**2
        walled = {"spacing": 1 / n, "periodic": False}
        assert relative_h1(0.9 * u, u, **walled).item() == pytest.approx(0.1)
        exact = math.sqrt((1 / 3 + 1) / (1 / 5 + 4 / 3))
        assert relative_h1(u + x, u, **walled).item() == pytest.approx(exact, rel=tolerance)


def test_h1_sees_what_central_differences_miss():
    target, dx = waves(32, 1)
    checkerboard = 0.01 * torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(16)
    smooth = relative_h1(target + 0.01, target, spacing=dx, periodic=True)
    assert relative_h1(target + checkerboard, target, spacing=dx, periodic=True) > 10 * smooth


def test_axes_have_their_own_spacing_and_ends():
    u, e = noise(2, 3, 6, 8), noise(2, 3, 6, 8)
    swapped = [v.transpose(2, 3) for v in (u + e, u)]
    one = relative_h1(u + e, u, spacing=[0.1, 0.3], periodic=[True, False])
    torch.testing.assert_close(relative_h1(*swapped, spacing=[0.3, 0.1], periodic=[False, True]), one)
    assert not torch.allclose(relative_h1(*swapped, spacing=[0.1, 0.3], periodic=[True, False]), one)
    moved = [v.roll((2, 0), (2, 3)) for v in (u + e, u)]
    torch.testing.assert_close(relative_h1(*moved, spacing=[0.1, 0.3], periodic=[True, False]), one)


@pytest.mark.parametrize("name", LOSSES)
def test_a_mask_equals_cutting_the_domain_out(name):
    u, e = noise(2, 2, 7, 9), noise(2, 2, 7, 9)
    mask = torch.zeros(2, 7, 9, dtype=torch.bool)
    mask[:, 1:6, 2:9] = True
    walled = {"spacing": 0.2, "periodic": False}
    hidden = torch.where(mask[:, None], u, torch.nan)
    predicted = (u + e).requires_grad_()
    masked = LOSSES[name](predicted, hidden, mask, **walled)
    cut = (..., slice(1, 6), slice(2, 9))
    torch.testing.assert_close(masked, LOSSES[name]((u + e)[cut], u[cut], **walled))
    masked.sum().backward()
    assert (predicted.grad[~mask[:, None].expand_as(u)] == 0).all()
    assert predicted.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_at_no_error_and_no_target(name):
    for target in (noise(2, 1, 8), torch.zeros(2, 1, 8, dtype=torch.float64)):
        predicted = target.clone().requires_grad_()
        loss = LOSSES[name](predicted, target, spacing=0.1, periodic=True)
        loss.sum().backward()
        assert (loss == 0).all()
        assert (predicted.grad == 0).all()


def test_bad_geometry():
    u = noise(1, 1, 8, 8)
    with pytest.raises(DomainError, match="3 values for 2 axes"):
        relative_h1(u, u, spacing=[0.1, 0.1, 0.1], periodic=True)
    with pytest.raises(DomainError, match="above zero"):
        relative_h1(u, u, spacing=0.0, periodic=True)
