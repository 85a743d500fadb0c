"""G-FNO: turning the input turns the output, exactly, on every grid; its weights are transforms of real filters."""

import copy
import itertools

import pytest
import torch

from surrogates.blocks.fourier_conv import FourierConv
from surrogates.blocks.group_conv import GroupLinear, GroupTied, planar_group, representation, turned
from surrogates.construct import construct, describe
from surrogates.operators.fno import FNO
from surrogates.operators.group_fno import GroupFNO
from surrogates.physics.errors import DomainError
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.navier_stokes import navier_stokes, velocity
from surrogates.physics.fields.random_field import gaussian_random_field
from surrogates.physics.fields.solve import solve

RANKS = ("scalar", "pseudoscalar", "vector", "tensor")  # 1 + 1 + 2 + 4 channels


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def strong(model, scale=5.0):
    """The model with weights so large that its nonlinearity matters: small ones let any model pass."""
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(scale)
    return model.eval()


def gap(model, x, group, g, in_ranks, out_ranks, **inputs):
    """|f(g x) - g f(x)| / |f(x)|, largest entries."""
    with torch.no_grad():
        straight = turned(model(x, **inputs), group, g, out_ranks)
        return ((model(turned(x, group, g, in_ranks), **inputs) - straight).abs().max() / straight.abs().max()).item()


def many_ranks(name, **kwargs):
    channels = {"in_channels": 8, "out_channels": 8, "in_ranks": RANKS, "out_ranks": RANKS}
    return strong(GroupFNO(dim=2, modes=8, width=3, depth=3, group=name, **channels, **kwargs))


@pytest.mark.parametrize("n", [32, 48, 64, 65])
@pytest.mark.parametrize("name", ["p4", "p4m"])
def test_output_turns_with_the_input(name, n):
    model, group = many_ranks(name, n_parameters=1), planar_group(name)
    x, nu = torch.randn(1, 8, n, n), {"parameters": torch.rand(1, 1)}
    for g in (1, group.order - 1):  # these generate the group
        assert gap(model, x, group, g, RANKS, RANKS, **nu) < 1e-12


@pytest.mark.parametrize("name", ["p4", "p4m", "p2", "pmm", "pm"])
def test_every_element_on_unequal_sides_with_walls_and_position(name):
    group = planar_group(name)
    model = many_ranks(name, padding=0.25, position="distance")
    x = torch.randn(1, 8, 18, 23)
    for g in range(1, group.order):
        assert gap(model, x, group, g, RANKS, RANKS) < 1e-12


def test_mirror_images_and_half_turns_leave_axes_their_own_modes():
    group = planar_group("pmm")
    kwargs = {"in_channels": 2, "out_channels": 2, "in_ranks": "vector", "out_ranks": "vector"}
    model = strong(GroupFNO(dim=2, modes=(7, 3), width=3, group="pmm", **kwargs))
    x = torch.randn(1, 2, 20, 9)
    for g in range(1, group.order):
        assert gap(model, x, group, g, ["vector"], ["vector"]) < 1e-12


def test_translations_commute_and_so_do_turns_about_a_grid_point():
    model, group = many_ranks("p4m"), planar_group("p4m")
    x = torch.randn(1, 8, 32, 32)
    with torch.no_grad():
        y = model(x)
        moved = model(x.roll((5, -11), (2, 3))).roll((-5, 11), (2, 3))
        # i -> -i mod n leaves point 0 in place: the turn about the centre, and back by one point
        about_origin = [turned(u, group, 1, RANKS).roll(1, 2) for u in (x, y)]
        difference = model(about_origin[0]) - about_origin[1]
    assert (moved - y).abs().max() < 1e-12 * y.abs().max()
    assert difference.abs().max() < 1e-12 * y.abs().max()


def test_space_time_block_turns_in_its_plane_only():
    group, ranks = planar_group("p4m"), ("vector", "pseudoscalar")
    kwargs = {"in_channels": 3, "out_channels": 3, "in_ranks": ranks, "out_ranks": ranks, "position": "distance"}
    model = strong(GroupFNO(dim=3, modes=(4, 4, 3), width=3, depth=2, group="p4m", **kwargs), 2.0)
    x = torch.randn(1, 3, 12, 9, 7)
    for g in range(1, group.order):
        assert gap(model, x, group, g, ranks, ranks) < 1e-12
    with torch.no_grad():
        y = model(x)
        assert (model(x.flip(4)).flip(4) - y).abs().max() > 1e-3 * y.abs().max()


@pytest.mark.parametrize("position", ["none", "distance"])
def test_models_without_tied_weights_fail_by_orders_of_magnitude(position):
    kwargs = {"dim": 2, "modes": 8, "in_channels": 1, "out_channels": 1}
    group, scalar = planar_group("p4"), ("scalar",)
    x = torch.randn(1, 1, 32, 32)
    plain = strong(FNO(width=6, positions=position != "none", **kwargs))
    free = strong(GroupFNO(width=6, group="p1", position=position, **kwargs))
    tied = strong(GroupFNO(width=3, group="p4", position=position, **kwargs))
    gaps = [gap(model, x, group, 1, scalar, scalar) for model in (plain, free, tied)]
    assert min(gaps[:2]) > 1e-2
    assert gaps[2] < 1e-12


def test_signs_of_pseudoscalars_and_components_of_vectors_matter():
    model, group = many_ranks("p4m"), planar_group("p4m")
    scalars = ("scalar",) * 8
    assert gap(model, torch.randn(1, 8, 16, 16), group, group.order - 1, scalars, scalars) > 1e-2


def test_p4m_tells_turns_from_mirror_images_where_p4_may():
    """A p4 network is no p4m network: mirror images are its freedom (the advection of a vorticity needs the sign)."""
    p4, p4m = (many_ranks(name) for name in ("p4", "p4m"))
    x, group = torch.randn(1, 8, 16, 16), planar_group("p4m")
    assert gap(p4, x, group, 4, RANKS, RANKS) > 1e-2
    assert gap(p4m, x, group, 4, RANKS, RANKS) < 1e-12


@pytest.mark.parametrize("name", ["p4", "p4m", "pmm"])
def test_group_law_of_matrices_representations_and_arrays(name):
    group = planar_group(name)
    rho = representation(group, (*RANKS, "pseudovector"))
    x = torch.randn(1, 1, 4, 5)
    for g, h in itertools.product(range(group.order), repeat=2):
        gh = int(group.product[g, h])
        assert torch.equal(group.matrices[g] @ group.matrices[h], group.matrices[gh])
        assert torch.equal(rho[g] @ rho[h], rho[gh])
        assert torch.equal(group.turn_grid(g, group.turn_grid(h, x)), group.turn_grid(gh, x))
        assert group.relative[g, gh] == h
    assert torch.equal(rho[group.inverse], rho.mT)
    assert group.turn_grid(group.order - 1, x).equal(x) == (group.order == 1)


def test_vectors_turn_as_gradients_do():
    """The gradient of a turned scalar is the turned gradient: components and array agree on what a turn is."""
    n = 24
    angle = 2 * torch.pi * torch.arange(n) / n
    modes = torch.randn(2, 3, 3)

    def gradient(s):
        k = torch.fft.fftfreq(n, 1 / n)
        spectrum = torch.fft.fft2(s)
        return torch.cat([torch.fft.ifft2(1j * k_i * spectrum).real for k_i in (k[:, None], k[None, :])], dim=1)

    waves = torch.stack([torch.cos(f * angle + 0.3 * f) for f in range(3)])
    scalar = torch.einsum("nab,ax,by->nxy", modes, waves, waves)[:, None]
    for name, g in (("p4", 1), ("p4m", 4), ("p4m", 7)):
        group = planar_group(name)
        after = gradient(turned(scalar, group, g, ["scalar"]))
        torch.testing.assert_close(after, turned(gradient(scalar), group, g, ["vector"]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ["p4", "p4m"])
def test_tied_weight_is_the_transform_of_a_real_filter_in_all_poses(name):
    group, k, n = planar_group(name), 3, 8
    weights = GroupTied(2, 1, (k, k), name)
    dense = weights.dense().detach()  # in out kx ky
    rows = [f % n for f in range(1 - k, k)]
    whole = torch.zeros(*dense.shape[:2], n, n // 2 + 1, dtype=dense.dtype)
    whole[:, :, rows, :k] = dense
    filters = torch.fft.irfft2(whole, s=(n, n))
    torch.testing.assert_close(torch.fft.rfft2(filters), whole, rtol=0, atol=1e-13)  # nothing was lost: it is real
    filters = filters.view(2, group.order, group.order, n, n)  # channel in, pose in h, pose out g (one channel out)
    for g, h in itertools.product(range(group.order), repeat=2):
        about_origin = filters[:, int(group.relative[g, h]), 0]
        at = torch.cartesian_prod(torch.arange(n), torch.arange(n)) @ group.matrices[int(group.inverse[g])].T % n
        torch.testing.assert_close(filters[:, h, g], about_origin[:, at[:, 0], at[:, 1]].view(2, n, n))


def test_layer_is_the_group_convolution_in_space():
    """sum over h and y of k(g^-1 (x - y), g^-1 h) f(y, h), eq. 4 of the paper, by brute force on an odd grid."""
    group, n = planar_group("p4m"), 5
    weights = GroupTied(1, 1, (2, 2), "p4m")
    f = torch.randn(1, group.order, n, n)
    dense = weights.dense().detach()
    whole = torch.zeros(group.order, group.order, n, n // 2 + 1, dtype=dense.dtype)
    whole[:, :, [-1, 0, 1], :2] = dense
    k = torch.fft.irfft2(whole, s=(n, n))[:, 0]  # pose in, x: the filter of pose 0
    points = list(itertools.product(range(n), repeat=2))
    want = torch.zeros(group.order, n, n)
    for g in range(group.order):
        back = group.matrices[int(group.inverse[g])]
        for x, y in itertools.product(points, points):
            at = back @ (torch.tensor(x) - torch.tensor(y)) % n
            want[g][x] += k[group.relative[g], at[0], at[1]] @ f[0, :, y[0], y[1]]
    got = FourierConv(group.order, group.order, (2, 2), weights)(f)[0]
    torch.testing.assert_close(got, want.to(got))


def test_vorticity_is_a_pseudoscalar_of_the_flow():
    """What the ranks say holds of the solver itself: turned starts give turned flows, mirrored ones change sign."""
    n = 16
    grid = Grid((n, n), (1.0, 1.0), (True, True))
    start = gaussian_random_field(grid, 1, alpha=2.5, tau=7, generator=torch.Generator().manual_seed(0))[:, None]
    forcing = gaussian_random_field(grid, 1, alpha=4, tau=7, generator=torch.Generator().manual_seed(1))[:, None]

    def flow(w, f):
        done = solve(navier_stokes(), 5 * w, grid=grid, times=[0, 1], parameters={"nu": 1e-3}, forcing=f, dt=0.05)
        return done.values[:, -1]

    group, ranks = planar_group("p4m"), ["pseudoscalar"]
    end = flow(start, forcing)
    for g in (1, 4):
        moved = flow(turned(start, group, g, ranks), turned(forcing, group, g, ranks))
        torch.testing.assert_close(moved, turned(end, group, g, ranks), rtol=0, atol=1e-11)
    as_scalar = flow(turned(start, group, 4, ["scalar"]), turned(forcing, group, 4, ["scalar"]))
    assert (as_scalar - turned(end, group, 4, ["scalar"])).norm() > 0.1 * end.norm()
    vectors = turned(velocity(end, grid), group, 5, ["vector"])
    torch.testing.assert_close(velocity(turned(end, group, 5, ranks), grid), vectors, rtol=0, atol=1e-11)


def test_learns_from_one_orientation_what_holds_in_all():
    """The paper's claim at toy size: trained on waves along one axis, as good on waves along the other."""
    torch.set_default_dtype(torch.float32)
    n = 16
    x = 2 * torch.pi * torch.arange(n) / n
    phase, size = 2 * torch.pi * torch.rand(32, 3), torch.randn(32, 3)
    waves = (size[..., None] * torch.sin(x * torch.arange(1, 4)[:, None] + phase[..., None])).sum(1)
    u = waves[:, None, :, None].expand(-1, 1, n, n).contiguous()
    y = torch.tanh((u.roll(1, 2) + u.roll(-1, 2) + u.roll(1, 3) + u.roll(-1, 3)) / 2)  # the same in all directions
    errors = {}
    for name, width in (("p1", 8), ("p4", 4)):
        model = GroupFNO(dim=2, modes=4, width=width, in_channels=1, out_channels=1, depth=2, group=name)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(40):
            optimiser.zero_grad()
            (model(u[:20]) - y[:20]).square().mean().backward()
            optimiser.step()
        with torch.no_grad():
            pairs = ((u[20:], y[20:]), (u[20:].mT, y[20:].mT))
            errors[name] = [((model(a) - b).norm() / b.norm()).item() for a, b in pairs]
    assert errors["p1"][0] < 0.2
    assert errors["p4"][0] < 0.2
    assert errors["p1"][1] > 2 * errors["p1"][0]
    assert abs(errors["p4"][1] - errors["p4"][0]) < 1e-4


def real_numbers(model):
    return sum(p.numel() for p in model.parameters())


def test_as_many_numbers_as_the_paper_states():
    kwargs = {"dim": 2, "modes": 12, "in_channels": 10, "out_channels": 1, "position": "distance"}
    assert real_numbers(GroupFNO(group="p4", width=10, **kwargs)) == 853_121
    assert real_numbers(GroupFNO(group="p4m", width=7, **kwargs)) == 835_969


def test_full_weight_is_built_once_for_each_set_of_numbers():
    weights = GroupTied(2, 2, (3, 3))
    x = torch.randn(1, 8, *weights.frequencies.shape, dtype=torch.complex128)
    optimiser = torch.optim.Adam(weights.parameters(), lr=0.1)

    def loss(n=1):
        return sum(weights.contract(x * k).abs().sum() for k in range(1, n + 1))

    def builds(change=None):
        before = weights._full.builds
        if change:
            change()
        value = loss(2)
        fresh = mixed(weights, x)
        torch.testing.assert_close(weights.contract(x), fresh)
        return weights._full.builds - before, value

    count, value = builds()
    assert count == 1
    value.backward()
    assert builds()[0] == 0
    assert builds(optimiser.step)[0] == 1
    assert builds(lambda: weights.load_state_dict({k: v + 1 for k, v in weights.state_dict().items()}))[0] == 1
    assert builds(weights.eval)[0] == 1
    with torch.inference_mode():
        assert builds()[0] == 1
        assert builds()[0] == 0
    with torch.no_grad():
        assert builds()[0] == 0
    assert builds()[0] == 1
    assert copy.deepcopy(weights)._full.builds == 0
    weights.float()
    x = x.to(torch.complex64)
    assert builds()[0] == 1
    weights.double()
    x = x.to(torch.complex128)
    assert builds()[0] == 1


def mixed(weights, x):
    return torch.einsum("ioxy,bixy->boxy", weights.dense(), x)


def test_gradients_of_kept_weights_are_those_of_new_ones_and_add_up():
    model = GroupFNO(dim=2, modes=3, width=2, in_channels=1, out_channels=1, depth=2)
    x = torch.randn(2, 1, 8, 8)
    model(x).square().sum().backward()  # twice through the same kept weights
    model(2 * x).square().sum().backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    other = copy.deepcopy(model)
    (model(x).square().sum() + other(2 * x).square().sum()).backward()
    for p, a, b in zip(got, model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, a.grad + b.grad)


def test_gradients_by_differences_in_both_modes():
    layer, tied = GroupLinear(1, 2), GroupTied(1, 1, (2, 2), "pm")
    f = torch.randn(1, 4, 3)
    weight = layer.weight.detach().requires_grad_()

    def linear(w):
        return torch.func.functional_call(layer, {"weight": w}, (f,))

    def dense(w, c):
        return torch.view_as_real(torch.func.functional_call(Dense(tied), {"of.weight": w, "of.constant": c}, ()))

    assert torch.autograd.gradcheck(linear, weight, check_forward_ad=True, check_batched_grad=True)
    numbers = (tied.weight.detach().requires_grad_(), tied.constant.detach().requires_grad_())
    assert torch.autograd.gradcheck(dense, numbers, check_forward_ad=True)
    stacked = torch.stack([weight.detach(), 2 * weight.detach()])
    torch.testing.assert_close(torch.func.vmap(linear)(stacked)[1], linear(stacked[1]))


class Dense(torch.nn.Module):
    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self):
        return self.of.dense()


def test_transforms_of_functions_leave_nothing_behind():
    model = GroupFNO(dim=2, modes=2, width=2, in_channels=1, out_channels=1, depth=1)
    x = torch.randn(1, 1, 5, 5)
    jacobian = torch.func.jacrev(model)(x).reshape(25, 25)
    forward = torch.func.jacfwd(model)(x).reshape(25, 25)
    torch.testing.assert_close(jacobian, forward)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_recomputed_activations_give_the_same_gradients():
    model = GroupFNO(dim=2, modes=3, width=2, in_channels=1, out_channels=1, depth=2)
    x = torch.randn(2, 1, 8, 8)
    gradients = []
    for step in (model, lambda u: torch.utils.checkpoint.checkpoint(model, u, use_reentrant=False)):
        model.zero_grad()
        step(step(x)).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
        with torch.no_grad():
            model.lift.bias.add_(0)
            for layer in model.layers:
                layer.spectral.weights.weight.add_(0)  # a new version: weights are built inside the checkpoint
    torch.testing.assert_close(gradients[0], gradients[1])


def test_empty_batches_and_lower_precision_pass():
    model = GroupFNO(dim=2, modes=3, width=2, in_channels=2, out_channels=2, out_ranks="vector").float()
    assert model(torch.zeros(0, 2, 8, 8, dtype=torch.float32)).shape == (0, 2, 8, 8)
    x = torch.randn(1, 2, 8, 8, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(x)
    assert low.dtype == torch.bfloat16
    assert (low - model(x)).abs().max() < 0.05


def test_comes_back_from_its_description():
    model = GroupFNO(
        dim=3, modes=(3, 3, 2), width=2, in_channels=3, out_channels=2, in_ranks=(1, 0), out_ranks="vector"
    )
    again = construct(describe(model))
    again.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 6, 6, 5)
    assert torch.equal(model(x), again(x))
    assert not any("places" in name or "rho" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 1}, "no plane"),
        ({"group": "p6"}, "quarter turns"),
        ({"in_ranks": ("vector",)}, "in_ranks"),
        ({"in_ranks": "vector"}, "take 2 channels"),
        ({"in_ranks": True}, "True is unknown"),
        ({"out_ranks": ("spinor",)}, "spinor"),
        ({"modes": (4, 5)}, "equally many modes"),
        ({"position": "cartesian"}, "squared|distance"),
        ({"width": 0}, "width"),
    ],
)
def test_bad_arguments(change, message):
    kwargs = {"dim": 2, "modes": 4, "width": 2, "in_channels": 3, "out_channels": 1} | change
    with pytest.raises(DomainError, match=message):
        GroupFNO(**kwargs)


def test_bad_fields():
    model = GroupFNO(dim=2, modes=9, width=2, in_channels=3, out_channels=1)
    with pytest.raises(DomainError, match="16 points"):
        model(torch.randn(1, 3, 16, 16))
    with pytest.raises(DomainError, match="3 channels"):
        model(torch.randn(1, 2, 32, 32))
    model(torch.randn(1, 3, 17, 17))
