"""Multi-grid patches: exact reassembly, seams, what coarse windows see, walls, bad input."""

import math

import pytest
import torch
from torch.nn.functional import conv1d, conv2d, conv3d, pad

from surrogates.blocks.multigrid_patches import CellAverage, EveryNth, MultigridPatches
from surrogates.physics.errors import DomainError

BOUNDARIES = ["circular", "reflect", "zero"]
CONVOLUTIONS = {1: conv1d, 2: conv2d, 3: conv3d}


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [64, 96, 100, 127])
@pytest.mark.parametrize("padding", [0.0, 0.1])
def test_patch_then_stitch_is_the_identity(n, level, padding):
    field = noise(2, 2, n, n)
    patches = MultigridPatches(levels=level, padding=padding)
    windows = patches(field)
    side = -(-n // 2**level) + 2 * round(padding * n)
    assert windows.shape == (2 * 4**level, 2 * (level + 1), side, side)
    assert torch.equal(patches.stitch(patches.crop(windows, (n, n))[:, :2], (n, n)), field)
    assert torch.equal(patches.crop(windows[:, :2], (n, n)), patches.split(field))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "level"), [((37,), 4), ((23, 40), 3), ((9, 12, 17), 3), ((8, 8, 8), 2)])
def test_identity_in_every_dimension_and_with_walls(shape, level, boundary):
    field = noise(3, 1, *shape)
    patches = MultigridPatches(levels=level, padding=[0.2, 0.0, 0.5][: len(shape)], boundary=boundary)
    windows = patches(field)
    assert windows.shape[1] == patches.channels(1)
    assert torch.equal(patches.stitch(patches.crop(windows[:, :1], shape), shape), field)


def test_level_zero_is_no_patching():
    field, patches = noise(2, 3, 10, 11), MultigridPatches(levels=0, padding=0.3, boundary="zero")
    assert patches(field) is field
    assert patches.channels(3) == 3
    assert torch.equal(patches.stitch(patches.crop(field, (10, 11)), (10, 11)), field)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "level"), [((50,), 3), ((30, 41), 2), ((15, 16, 17), 1)])
def test_no_seams(shape, level, boundary):
    """A local operator within the padding gives the same field by patches as on the whole; one pixel more does not."""
    dim, reach, field = len(shape), 2, noise(2, 1, *shape)
    kernel, convolve = noise(1, 1, *[2 * reach + 1] * dim), CONVOLUTIONS[dim]
    whole = field
    for axis in range(2, dim + 2):
        order = [*range(whole.shape[axis])]
        if boundary == "reflect":  # the pixel at the wall twice
            order = [*order[:reach][::-1], *order, *order[-reach:][::-1]]
        elif boundary == "circular":
            order = [*order[-reach:], *order, *order[:reach]]
        whole = whole.index_select(axis, torch.tensor(order))
    whole = convolve(pad(whole, [reach] * 2 * dim) if boundary == "zero" else whole, kernel)

    def by_patches(pixels: int) -> torch.Tensor:
        patches = MultigridPatches(levels=level, padding=[pixels / n for n in shape], boundary=boundary)
        out = convolve(pad(patches(field)[:, :1], [reach] * 2 * dim), kernel)
        return patches.stitch(patches.crop(out, shape), shape)

    torch.testing.assert_close(by_patches(reach), whole, rtol=0, atol=1e-13)
    assert not torch.allclose(by_patches(reach - 1), whole)


@pytest.mark.parametrize("n", [64, 100, 127])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_coarse_cells_lie_about_the_patch(n, level):
    """Of a linear field, the mean over a cell is its value at the cell's centre: 2^l pixels apart, about the patch."""
    patches = MultigridPatches(levels=level, padding=0.05)
    (axis,) = patches.axes((n,))
    windows = patches(torch.arange(n, dtype=torch.float64).reshape(1, 1, n))
    for j in range(2**level):
        centre = axis.starts[j] + (axis.patch - 1) / 2
        for coarse in range(level + 1):
            expected = centre + (torch.arange(axis.window, dtype=torch.float64) - (axis.window - 1) / 2) * 2**coarse
            seen = (expected > 2**coarse) & (expected < n - 1 - 2**coarse)
            torch.testing.assert_close(windows[j, coarse][seen], expected[seen], rtol=0, atol=1e-12)
            assert seen.sum() >= 2


@pytest.mark.parametrize(("n", "level"), [(64, 3), (72, 3)])  # windows with an even and with an odd number of pixels
def test_waves_that_a_coarse_window_cannot_hold(n, level):
    """The mean of r pixels of a wave of f periods a pixel shrinks it by sin(pi f r) / (r sin(pi f)) (cos(pi f) more for
    cells that end inside pixels); every r-th pixel keeps it whole, as a wave that is not there."""
    f, r = (n // 2 - 1) / n, 2**level
    angle = 2 * math.pi * f * torch.arange(n, dtype=torch.float64)
    wave = torch.stack([angle.cos(), angle.sin()]).unsqueeze(0)
    amplitude = {}
    for part in (CellAverage(), EveryNth()):
        window = MultigridPatches(levels=level, padding=0.25, restriction=part)(wave)[0, -2:]
        amplitude[type(part)] = window.square().sum(0).sqrt()
    odd = (n // r + 2 * round(0.25 * n)) % 2
    factor = abs(math.sin(math.pi * f * r) / (r * math.sin(math.pi * f))) * (math.cos(math.pi * f) if odd else 1)
    torch.testing.assert_close(amplitude[CellAverage], torch.full_like(amplitude[CellAverage], factor))
    torch.testing.assert_close(amplitude[EveryNth], torch.ones_like(amplitude[EveryNth]))
    assert factor < 0.05


def test_the_coarsest_window_sees_the_whole_domain():
    """Each pixel of a periodic field weighs the same in the sum over the coarsest windows without padding."""
    field = noise(1, 1, 32, 48)
    windows = MultigridPatches(levels=2)(field)
    torch.testing.assert_close(windows[:, 2].mean(dim=(1, 2)), field.mean().expand(16))


def test_translation_by_a_patch_permutes_the_windows():
    field, patches = noise(1, 1, 32, 32), MultigridPatches(levels=2, padding=0.1)
    before = patches(field).unflatten(0, (4, 4))
    torch.testing.assert_close(patches(field.roll((8, 16), (2, 3))).unflatten(0, (4, 4)), before.roll((1, 2), (0, 1)))


def test_walls():
    """Beyond walls: the mirrored field, or nothing and a channel that tells how much of a coarse pixel is inside."""
    field = torch.arange(8, dtype=torch.float64).reshape(1, 1, 8)
    mirrored = MultigridPatches(levels=1, padding=0.25, boundary="reflect")(field)
    assert mirrored[0, 0].tolist() == [1, 0, 0, 1, 2, 3, 4, 5]
    assert mirrored[1, 0].tolist() == [2, 3, 4, 5, 6, 7, 7, 6]
    assert mirrored[0, 1].tolist() == [4.5, 2.5, 0.5, 0.5, 2.5, 4.5, 6.5, 6.5]
    zero = MultigridPatches(levels=1, padding=0.25, boundary="zero")(field)
    assert zero[0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert zero[0, 1].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert zero[0, 2].tolist() == [0, 0, 0, 0.5, 2.5, 4.5, 6.5, 0]
    assert zero[0, 3].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]


def test_gradients_reach_the_field():
    field = noise(1, 1, 9, 10).requires_grad_()
    patches = MultigridPatches(levels=1, padding=0.1, boundary=["reflect", "circular"])
    assert torch.autograd.gradcheck(patches, (field,))


def test_few_patches_at_a_time():
    field, patches = noise(2, 1, 10, 13), MultigridPatches(levels=2, padding=0.1)
    views = patches.views(field)
    pieces = [views.take(range(first, min(first + 5, 16))) for first in range(0, 16, 5)]
    assert torch.equal(torch.cat(pieces), patches(field))


def test_bad_input():
    with pytest.raises(DomainError, match="levels is -1"):
        MultigridPatches(levels=-1)
    with pytest.raises(DomainError, match="padding is 12"):
        MultigridPatches(levels=1, padding=12)
    with pytest.raises(DomainError, match="circular, reflect or zero"):
        MultigridPatches(levels=1, boundary=["circular", "mirror"])
    with pytest.raises(DomainError, match="at most level 3"):
        MultigridPatches(levels=4)(noise(1, 1, 16, 9))
    with pytest.raises(DomainError, match="one for each axis"):
        MultigridPatches(levels=1, padding=[0.1, 0.1])(noise(1, 1, 16))
