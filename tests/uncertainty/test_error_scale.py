"""The regression of an error's size on its signals."""

import torch

from surrogates.uncertainty.error_scale import fit_error_scale


def made(n: int, seed: int):
    """Errors of mean exp(class) * signal_0^0.8, and a second signal without meaning."""
    generator = torch.Generator().manual_seed(seed)
    signals = torch.randn(n, 2, generator=generator).double().exp()
    kind = torch.randint(0, 3, (n,), generator=generator)
    mean = torch.exp(0.7 * kind) * signals[:, 0] ** 0.8
    error = -mean * torch.rand(n, generator=generator).double().log()
    return signals, kind, error, mean


def test_finds_the_law_that_made_the_errors():
    signals, kind, error, mean = made(20000, 0)
    found = fit_error_scale(signals, kind, error, classes=3)
    torch.testing.assert_close(found.power[0], torch.tensor(0.8).double(), rtol=0.05, atol=0)
    assert float(found.power[1]) < 0.03
    assert float((found(signals, kind) / mean).log().abs().quantile(0.95)) < 0.1


def test_is_the_minimum_of_its_convex_cost():
    """At the minimum the mean of |error| / s is one in every class that is not held by the ridge."""
    signals, kind, error, _ = made(5000, 1)
    found = fit_error_scale(signals, kind, error, classes=3)
    ratio = error / found(signals, kind)
    assert all(abs(float(ratio[kind == k].mean()) - 1) < 0.01 for k in range(3))


def test_a_signal_that_points_the_wrong_way_has_no_part():
    signals, kind, error, _ = made(5000, 2)
    found = fit_error_scale(1 / signals, kind, error, classes=3)
    assert float(found.power[0]) == 0.0


def test_scale_of_errors_and_units_of_signals_do_not_matter():
    signals, kind, error, _ = made(2000, 3)
    one = fit_error_scale(signals, kind, error, classes=3)
    other = fit_error_scale(signals * 1e3, kind, error * 1e-3, classes=3)
    torch.testing.assert_close(other(signals * 1e3, kind), 1e-3 * one(signals, kind), rtol=1e-6, atol=0)


def test_few_constant_and_unknown_inputs_stay_finite():
    signals = torch.ones(4, 2).double()
    found = fit_error_scale(signals, torch.zeros(4, dtype=torch.long), torch.tensor([0.0, 1, 2, 3]), classes=2)
    assert torch.isfinite(found(torch.tensor([[0.0, 1e9]]).double(), torch.tensor([7]))).all()
