"""MG-TFNO: TFNO where there are no patches, few patches at a time, what a patch sees, its file, its claim."""

import copy
import math

import pytest
import torch

from surrogates.blocks.field_losses import relative_l2
from surrogates.blocks.multigrid_patches import CellAverage, MultigridPatches
from surrogates.construct import construct, describe
from surrogates.operators.multigrid_tfno import MGTFNO
from surrogates.operators.tfno import TFNO
from surrogates.physics.errors import DomainError

FORMS = ["joint tucker", "joint cp", "joint tt", "tucker"]


def operator(levels=1, padding=0.125, *, boundary="circular", at_once=None, **changes):
    torch.manual_seed(0)
    patches = MultigridPatches(levels=levels, padding=padding, boundary=boundary, at_once=at_once)
    given = {"dim": 2, "modes": 3, "width": 6, "in_channels": 1, "out_channels": 2, "depth": 2, "rank": 0.5}
    model = MGTFNO(**{**given, "patches": patches, **changes}).double()
    with torch.no_grad():  # away from the small weights of the start
        for weight in model.parameters():
            weight.mul_(1.5)
    return model


def noise(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("factorization", ["tucker", "cp", "tt", "dense"])
def test_level_zero_is_tfno(factorization):
    """To the bit, parameters and coordinates included."""
    torch.manual_seed(3)
    given = {"dim": 2, "modes": (3, 4), "width": 6, "in_channels": 2, "out_channels": 1, "n_parameters": 1}
    plain = TFNO(**given, factorization=factorization, rank=0.3).double()
    torch.manual_seed(3)
    patches = MultigridPatches(levels=0, padding=0.2, boundary="zero")
    grid = MGTFNO(**given, factorization=factorization, rank=0.3, patches=patches).double()
    u, nu = noise(2, 2, 9, 12), noise(2, 1)
    assert torch.equal(grid(u, nu), plain(u, nu))


@pytest.mark.parametrize("factorization", FORMS[:3])
def test_joint_weights_are_the_separate_ones_of_tfno(factorization):
    joint = operator(0, factorization=factorization)
    plain = operator(0, factorization="dense")
    plain.backbone.load_state_dict(joint.backbone.state_dict(), strict=False)
    for layer, weight in zip(plain.backbone.blocks, joint.joint.factorised().full(), strict=True):
        by_frequency = weight.flatten(2).permute(2, 0, 1).contiguous()
        layer.spectral.weights.weight.data = torch.view_as_real(by_frequency)
    u = noise(2, 1, 10, 11)
    torch.testing.assert_close(joint(u), plain(u), rtol=1e-11, atol=1e-11)
    assert plain(u).std() > 0.01


@pytest.mark.parametrize("boundary", ["circular", "reflect", "zero"])
@pytest.mark.parametrize(("dim", "shape", "levels"), [(1, (50,), 3), (2, (17, 24), 2), (3, (11, 8, 9), 1)])
def test_few_patches_at_a_time_are_all_of_them(dim, shape, levels, boundary):
    """Fields and gradients, with parameters and two samples; in one, two and three dimensions."""
    results = []
    for at_once in (None, 3):
        model = operator(levels, 0.2, boundary=boundary, at_once=at_once, dim=dim, modes=2, n_parameters=1, depth=1)
        u, nu = noise(2, 1, *shape).requires_grad_(), noise(2, 1)
        out = model(u, nu)
        assert out.shape == (2, 2, *shape)
        out.square().sum().backward()
        results.append([out.detach(), u.grad, *(p.grad for p in model.parameters())])
    for whole, pieces in zip(*results, strict=True):
        torch.testing.assert_close(pieces, whole, rtol=1e-10, atol=1e-10)
        assert whole.abs().sum() > 0


def test_samples_and_patches_keep_their_places():
    """Each patch is what the backbone makes of its window, each sample what it is alone."""
    model, u, nu = operator(2, n_parameters=1, positions=False), noise(3, 1, 18, 21), noise(3, 1)
    out = model(u, nu)
    for sample in range(3):
        torch.testing.assert_close(out[sample : sample + 1], model(u[sample : sample + 1], nu[sample : sample + 1]))
    rows, columns = model.patches.axes((18, 21))
    windows = model.patches(u).unflatten(0, (4, 4, 3))
    alone = model.backbone(windows[2, 3], nu)
    inside = alone[
        ..., rows.padding : rows.padding + rows.owned[2], columns.padding : columns.padding + columns.owned[3]
    ]
    torch.testing.assert_close(out[..., rows.starts[2] : rows.starts[3], columns.starts[3] :], inside)


def test_commutes_with_shifts_by_a_patch_unless_it_knows_positions():
    u = noise(1, 1, 16, 16)
    for positions, close in ((False, True), (True, False)):
        model = operator(2, positions=positions)
        gap = model(u.roll((4, 8), (2, 3))) - model(u).roll((4, 8), (2, 3))
        assert (gap.abs().max() < 1e-12) == close


def test_a_patch_sees_the_whole_domain_through_coarse_windows():
    """Every pixel of the domain is felt in a corner patch, those beyond its window through coarse pixels only."""
    model, u = operator(2, 0.0, positions=False), noise(1, 1, 32, 32).requires_grad_()
    (felt,) = torch.autograd.grad(model(u)[..., :8, :8].square().sum(), u)
    assert (felt != 0).all()
    assert felt[..., :8, :8].abs().mean() > 2 * felt[..., 16:, 16:].abs().mean() > 0


@pytest.mark.parametrize("factorization", FORMS)
def test_gradients_reach_every_weight(factorization):
    model = operator(factorization=factorization, n_parameters=1, block="postactivation + instance")
    model(noise(2, 1, 16, 16), noise(2, 1)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_loss_on_patches_is_the_loss_on_the_field():
    """Mean squares: where patches divide the field, the mean over patches is the mean over the field."""
    model, u, target = operator(2), noise(2, 1, 16, 24), noise(2, 2, 16, 24)
    seen = torch.cat([u, *(torch.arange(n).div(n).reshape([-1 if a == i else 1 for a in range(4)]).expand(2, 1, 16, 24)
                           for i, n in ((2, 16), (3, 24)))], dim=1)  # fmt: skip
    on_patches = (model.patches.through(model.backbone, seen) - model.patches.split(target)).square().mean()
    torch.testing.assert_close(on_patches, (model(u) - target).square().mean())


@pytest.mark.parametrize("factorization", FORMS)
def test_file_round_trip(factorization, tmp_path):
    from safetensors.torch import load_file, save_file

    model = operator(2, [0.1, 0.2], boundary=["reflect", "zero"], factorization=factorization, at_once=4)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")  # refuses weights that are stored twice
    again = construct(describe(model)).double()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    u = noise(1, 1, 20, 21)
    assert torch.equal(again(u), model(u))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert torch.equal(again(u), model(u))
    assert other(u).abs().max() == 0


def test_parameters_fall_with_the_rank():
    counts = [
        sum(p.numel() for p in operator(width=16, modes=6, depth=4, factorization=form, rank=rank).joint.parameters())
        for form in FORMS[:3]
        for rank in (1.0, 0.1, 0.01)
    ]
    dense = 2 * 4 * 16 * 16 * 12 * 6
    for count, rank in zip(counts, [1.0, 0.1, 0.01] * 3, strict=True):
        assert count / dense == pytest.approx(rank, rel=0.3)


class Nothing(torch.nn.Module):
    """A coarse window in which nothing is seen: plain domain decomposition."""

    def forward(self, values, axis, level, between):
        return values if level == 0 else torch.zeros_like(values)


def test_coarse_windows_carry_what_a_patch_cannot_see():
    """The paper's claim at toy size: -u'' = f on a circle is global, so patches alone cannot solve it."""
    n, losses = 64, {}
    k, x = torch.arange(1, 5, dtype=torch.float32), torch.arange(n, dtype=torch.float32) / n
    angles = 2 * math.pi * k[:, None] * x
    waves = torch.cat([angles.cos(), angles.sin()])
    draws = torch.randn(160, 8, generator=torch.Generator().manual_seed(0))
    f, u = (draws @ waves)[:, None], ((draws / k.repeat(2) ** 2) @ waves)[:, None]
    for restriction in (CellAverage(), Nothing()):
        torch.manual_seed(0)
        patches = MultigridPatches(levels=2, padding=0.0625, restriction=restriction)
        model = MGTFNO(
            dim=1, modes=6, width=16, in_channels=1, out_channels=1, depth=2, rank=0.5, positions=False, patches=patches
        )
        adam = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(40):
            loss = relative_l2(model(f[:128]), u[:128]).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        losses[type(restriction)] = relative_l2(model(f[128:]), u[128:]).mean().item()
    assert losses[CellAverage] < 0.6 * losses[Nothing]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: operator(4, 0.0)(noise(1, 1, 32, 32)),
            "windows of .2, 2. pixels, which carry frequencies up to .1, 1.",
        ),
        (lambda: operator()(noise(1, 2, 32, 32)), "MGTFNO got a field of shape"),
        (lambda: operator(n_parameters=1)(noise(1, 1, 32, 32)), "parameters of shape None"),
        (lambda: operator(factorization="joint svd"), "factorization='joint svd' is unknown"),
        (lambda: operator(padding=[0.1, 0.1, 0.1]), "one for each axis"),
        (lambda: operator(at_once=0), "at_once is 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(DomainError, match=message):
        call()
