"""The last layer's posterior is exact Bayesian linear regression."""

import pytest
import torch
from linear_density import label, molecules

from surrogates.physics.errors import DomainError
from surrogates.uncertainty.last_layer import LastLayer, fit_last_layer, force_design, mixed, posterior_root


def test_posterior_equals_bayesian_linear_regression():
    """(X^T X / s^2 + 1 / t^2)^-1, and for one weight the textbook's s^2 t^2 / (s^2 + t^2 sum x^2)."""
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
    noise, prior = 0.3, 2.0
    root = posterior_root(x.T @ x / noise**2, 1 / prior**2)
    exact = torch.linalg.inv(x.T @ x / noise**2 + torch.eye(6, dtype=torch.float64) / prior**2)
    torch.testing.assert_close(root @ root.T, exact, rtol=1e-10, atol=1e-12)
    one = x[:, :1]
    expected = noise**2 * prior**2 / (noise**2 + prior**2 * one.square().sum())
    assert posterior_root(one.T @ one / noise**2, 1 / prior**2).square().item() == pytest.approx(expected.item())


def test_posterior_spread_of_weights_is_what_refits_on_new_noise_show():
    """Monte Carlo: least-squares fits to fresh labels scatter with the posterior covariance of a flat prior."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, 4, generator=generator).double()
    labels = 0.5 * torch.randn(60, 4000, generator=generator).double()
    fits = torch.linalg.lstsq(x, labels).solution
    root = posterior_root(x.T @ x / 0.25, 1e-12)
    torch.testing.assert_close(torch.cov(fits), root @ root.T, rtol=0.1, atol=3e-4)


def test_turning_the_columns_leaves_the_covariance(truth):
    root = torch.randn(8, 8, generator=torch.Generator().manual_seed(2)).double()
    turned = mixed(root, seed=3)
    torch.testing.assert_close(turned @ turned.T, root @ root.T)
    torch.testing.assert_close(mixed(root, seed=3), turned)


def test_forces_of_the_design_are_the_forces_of_the_task(truth):
    """J w with the trained weights gives back the predicted forces, scale of the task included."""
    truth.normalise.scale.fill_(1.7)
    atoms = truth.collate(molecules(3)).atoms
    forces = force_design(truth, atoms, truth.model.last_layer.weight.T)[..., 0]
    torch.testing.assert_close(forces, truth.predict(atoms).forces, rtol=1e-10, atol=1e-12)
    assert forces.abs().max() > 0.1


def test_variances_are_quadratic_forms_of_the_posterior(truth):
    """var E = Phi S Phi^T and trace cov F = trace J S J^T, from explicit Jacobians; samples of directions agree."""
    n = truth.model.last_layer.weight.shape[1]
    last = LastLayer(mixed(torch.randn(n, n, generator=torch.Generator().manual_seed(4)).double(), seed=0))
    atoms = truth.collate(molecules(4)).atoms
    jacobian = force_design(truth, atoms, torch.eye(n, dtype=torch.float64))
    covariance = last.root @ last.root.T
    exact = torch.einsum("aim,mn,ain->a", jacobian, covariance, jacobian).sqrt()
    torch.testing.assert_close(last.forces_std(truth, atoms, directions=n), exact)
    phi = truth.model.features(atoms)[atoms.structure == 1].sum(dim=0)
    torch.testing.assert_close(last.energy_std(truth, atoms)[1], (phi @ covariance @ phi).sqrt())
    few = last.forces_std(truth, atoms, directions=12)
    assert torch.corrcoef(torch.stack([few, exact]))[0, 1] > 0.7
    assert few.mean() == pytest.approx(exact.mean().item(), rel=0.3)


def test_more_data_make_the_posterior_tighter_and_far_structures_stay_unsure(truth):
    task = truth
    data = label(molecules(40), truth, seed=0, noise=0.05)
    few = fit_last_layer(task, [task.collate(data[:5])])
    many = fit_last_layer(task, [task.collate(data[:20]), task.collate(data[20:])])
    atoms = task.collate(molecules(10, seed=9)).atoms
    assert (many.energy_std(task, atoms) < few.energy_std(task, atoms)).all()
    assert (many.forces_std(task, atoms) < few.forces_std(task, atoms)).all()
    torn = task.collate(molecules(10, seed=9, spread=0.6)).atoms
    assert many.forces_std(task, torn).mean() > 2 * many.forces_std(task, atoms).mean()


def test_nothing_to_learn_from_is_an_error(truth):
    with pytest.raises(DomainError, match="no structures"):
        fit_last_layer(truth, [])
