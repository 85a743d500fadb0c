"""The Fourier neural operator: one function on every grid, its symmetry, its inputs, its file."""

import math

import pytest
import torch

from surrogates.construct import construct, describe
from surrogates.operators.fno import FNO
from surrogates.physics.errors import DomainError


def operator(**changes):
    torch.manual_seed(0)
    given = {"dim": 2, "modes": (3, 4), "width": 6, "in_channels": 1, "out_channels": 2, "depth": 2, "projection": 8}
    model = FNO(**{**given, **changes}).double()
    with torch.no_grad():  # far from the small weights of the start, where every operator is nearly linear
        for weight in model.parameters():
            weight.mul_(2)
    return model


def field(*points, batch=2):
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) / n for n in points), indexing="ij")
    phase = sum((k + 1) * x for k, x in enumerate(axes))
    return torch.stack([torch.sin(2 * math.pi * (phase + 0.1 * s)) + 0.3 for s in range(batch)])[:, None]


def test_commutes_with_translations_unless_it_knows_positions():
    u = torch.randn(1, 1, 12, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for positions, close in ((False, True), (True, False)):
        model = operator(positions=positions)
        moved, after = model(u.roll((2, 5), (2, 3))), model(u).roll((2, 5), (2, 3))
        assert after.std() > 0.05
        assert ((moved - after).abs().max() < 1e-11) == close


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_finer_grid_gives_the_same_function(dim):
    """What gelu makes beyond Nyquist folds back on a coarse grid, so the agreement is spectral, not exact."""
    model = operator(dim=dim, modes=2, positions=False)
    coarse, fine = model(field(*(16,) * dim)), model(field(*(48,) * dim))
    at_same_places = fine[(..., *(slice(None, None, 3) for _ in range(dim)))]
    assert coarse.std() > 0.02
    assert (at_same_places - coarse).norm() / coarse.norm() < 2e-3


def test_parameters_are_inputs():
    model = operator(n_parameters=2)
    u = field(8, 9)
    nu = torch.tensor([[0.1, 1.0], [0.4, -1.0]], dtype=torch.float64)
    assert (model(u, nu) - model(u, nu.flip(0))).abs().max() > 1e-2
    torch.testing.assert_close(model(u, nu)[1:], model(u[1:], nu[1:]))


def test_padding_keeps_the_sides_apart():
    """A layer that moves everything by an eighth carries the end of a domain to its beginning, unless zeros follow."""
    for padding, wraps in ((0.0, True), (0.5, False)):
        model = operator(dim=1, modes=12, width=1, out_channels=1, depth=1, padding=padding, positions=False)
        layer = model.layers[0]
        angle = -2 * math.pi / (8 * (1 + padding)) * torch.arange(12, dtype=torch.float64)
        layer.spectral.weights.weight.data = torch.stack([angle.cos(), angle.sin()], -1)[:, None, None]
        layer.pointwise.weight.data.zero_()
        model.lift.weight.data.fill_(1.0)
        model.lift.bias.data.zero_()
        x = torch.arange(64, dtype=torch.float64) / 64
        bump = torch.exp(-(((x - 0.95) / 0.04) ** 2))[None, None]
        arrived = (model(bump) - model(0 * bump))[0, 0, :16].abs().max()
        assert arrived > 0.3 if wraps else arrived < 0.05


def test_construct_makes_the_same_operator():
    model = operator(modes=3, padding=0.2, n_parameters=1)
    again = construct(describe(model)).double()
    again.load_state_dict(model.state_dict())
    u, nu = field(10, 11), torch.ones(2, 1, dtype=torch.float64)
    assert torch.equal(again(u, nu), model(u, nu))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: operator()(torch.zeros(1, 2, 8, 8).double()), "FNO got a field of shape"),
        (lambda: operator()(torch.zeros(1, 1, 8).double()), "2 axes of space"),
        (lambda: operator(n_parameters=1)(field(8, 8)), "parameters of shape None"),
        (lambda: operator()(field(8, 8), torch.ones(2, 1).double()), "it reads 0 a field"),
        (lambda: operator()(field(5, 8)), "frequencies up to 3"),
        (lambda: operator(depth=0), "depth=0; give a whole number from 1 up"),
        (lambda: operator(n_parameters=-1), "n_parameters=-1"),
        (lambda: operator(dim=4), "1, 2 or 3 dimensions"),
        (lambda: operator(modes=(3, 4, 5)), "one number for all axes"),
        (lambda: operator(padding=-0.1), "fraction of the domain"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
