"""The U-Net: any side, its symmetry on periodic grids, its reach, its inputs, its file."""

import pytest
import torch

from surrogates.construct import construct, describe
from surrogates.operators.unet import UNet
from surrogates.physics.errors import DomainError


def operator(**changes):
    torch.manual_seed(0)
    return UNet(**{"dim": 2, "width": 4, "in_channels": 1, "out_channels": 2, "depth": 2, **changes}).double()


def field(*points):
    return torch.randn(2, 1, *points, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("points", [(16,), (13,), (8, 11), (9, 7), (5, 6, 4)])
@pytest.mark.parametrize("padding", ["circular", "zero"])
def test_any_side(points, padding):
    out = operator(dim=len(points), padding=padding)(field(*points))
    assert out.shape == (2, 2, *points)
    assert out.std() > 1e-2


def test_circular_padding_commutes_with_shifts_by_its_coarsest_cell():
    u = field(16, 8)
    for padding, close in (("circular", True), ("zero", False)):
        model = operator(padding=padding)
        error = (model(u.roll((4, 4), (2, 3))) - model(u).roll((4, 4), (2, 3))).abs().max()
        assert error < 1e-12 if close else error > 0.02


def test_the_coarsest_level_is_reached():
    """A change at one end moves the other half of 64 points through the coarse levels, and through nothing else."""
    u = field(64)
    changed = u.clone()
    changed[..., 0] += 1
    for depth, reaches in ((4, True), (1, False)):
        model = operator(dim=1, depth=depth, padding="zero")
        for layer in model.modules():
            if isinstance(layer, torch.nn.GroupNorm):  # a norm over space would carry it, too
                layer.forward = lambda x: x
        assert ((model(changed) - model(u))[..., 40:].abs().max() > 0) == reaches


def test_parameters_are_inputs_and_samples_are_alone():
    model = operator(n_parameters=1)
    u, nu = field(8, 8), torch.tensor([[0.1], [3.0]], dtype=torch.float64)
    assert (model(u, nu) - model(u, nu.flip(0))).abs().max() > 1e-2
    torch.testing.assert_close(model(u, nu)[1:], model(u[1:], nu[1:]))


def test_construct_makes_the_same_operator():
    model = operator(padding="zero", n_parameters=1)
    again = construct(describe(model)).double()
    again.load_state_dict(model.state_dict())
    nu = torch.ones(2, 1, dtype=torch.float64)
    assert torch.equal(again(field(9, 8), nu), model(field(9, 8), nu))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: operator(dim=4), "give 1, 2 or 3"),
        (lambda: operator(padding="reflect"), "'circular' or 'zero'"),
        (lambda: operator(depth=0), "depth=0"),
        (lambda: operator()(field(3, 8)), "sides of at least 4"),
        (lambda: operator()(torch.zeros(1, 3, 8, 8).double()), "1 channels"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DomainError, match=message):
        call()
