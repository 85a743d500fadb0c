"""The Euler equations in one dimension: exact Riemann solutions, orders, conservation, positivity, bad input."""

import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import euler, riemann
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.ideal_gas import conserved, hllc, primitive
from surrogates.physics.fields.reconstruction import constant, muscl, weno5

# Toro's five tests (table 4.1) with pressure and velocity of the star region (table 4.3).
TORO = [
    ([1, 0, 1], [0.125, 0, 0.1], 0.30313, 0.92745),
    ([1, -2, 0.4], [1, 2, 0.4], 0.00189, 0.0),
    ([1, 0, 1000], [1, 0, 0.01], 460.894, 19.5975),
    ([1, 0, 0.01], [1, 0, 100], 46.0950, -6.19633),
    ([5.99924, 19.5975, 460.894], [5.99242, -6.19633, 46.0950], 1691.64, 8.68975),
]
SOD, LAX = ([1, 0, 1], [0.125, 0, 0.1]), ([0.445, 0.698, 3.528], [0.5, 0, 0.571])


def state(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("left", "right", "p", "v"), TORO)
def test_star_states_of_toro(left, right, p, v):
    found = riemann.star(state(left), state(right))
    assert abs(found[0].item() - p) < 6e-6 * max(1.0, p)
    assert abs(found[1].item() - v) < 6e-6 * max(1.0, abs(v))


@pytest.mark.parametrize(("left", "right"), [pair[:2] for pair in TORO] + [([1, -9, 0.4], [1, 9, 0.4])])
def test_the_exact_solution_obeys_the_integral_law(left, right):
    """d/dt of the integral of U over [-X, X] is F(left) - F(right), for shocks, fans, contacts and vacuum alike."""
    left, right, reach = state(left), state(right), 60.0
    edges = torch.linspace(-reach, reach, 20_001, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    w = riemann.sample(left, right, middle).T
    rho, v, p = w
    u = torch.stack([rho, rho * v, p / 0.4 + rho * v * v / 2])
    ends = conserved(torch.stack([left, right], dim=-1))
    v2, p2 = torch.stack([left[1], right[1]]), torch.stack([left[2], right[2]])
    flux = ends * v2 + torch.stack([0 * p2, p2, p2 * v2])
    expected = reach * ends.sum(dim=-1) + flux[:, 0] - flux[:, 1]
    torch.testing.assert_close(u.sum(dim=-1) * (edges[1] - edges[0]), expected, rtol=1e-3, atol=0.05)


def test_vacuum_on_one_side_ends_where_the_fan_ends():
    gas, empty = state([1.0, 0.0, 1.0]), state([0.0, 0.0, 0.0])
    edge = 2 * math.sqrt(1.4) / 0.4
    speeds = state([-2.0, edge - 1e-3, edge + 1e-3])
    w = riemann.sample(gas, empty, speeds)
    torch.testing.assert_close(w[0], gas)
    assert 0 < w[1, 0] < 1e-9
    assert w[2, 0] == 0
    mirrored = riemann.sample(empty, gas, -speeds) * state([1, -1, 1])
    torch.testing.assert_close(mirrored, w)


def density_wave(points: int, reconstruction, power: float) -> float:
    """L1 error of a density wave that drifts a quarter of its length, dt = h^power / 4."""
    grid = Grid(points, 1.0, True)
    (x,), h = grid.axes(), 1 / points

    def averages(shift: float) -> torch.Tensor:
        """Of 1 + 0.2 sin(2 pi (x - shift))."""
        ends = [torch.cos(2 * math.pi * (x - shift + side * h / 2)) for side in (1, -1)]
        return 1 - 0.2 * (ends[0] - ends[1]) / (2 * math.pi * h)

    wave = conserved(torch.stack([averages(0.0), torch.ones_like(x), torch.ones_like(x)])[None])
    dt = 0.25 * h**power
    solved = euler.solve(wave, grid=grid, times=[0, 0.25], boundary="periodic", reconstruction=reconstruction, dt=dt)
    assert (euler.totals(solved.values[:, -1], grid) - euler.totals(wave, grid)).abs().max() < 1e-12
    return (solved.values[0, -1, 0] - averages(0.25)).abs().mean().item()


@pytest.mark.parametrize(
    ("reconstruction", "power", "sizes", "order"),
    [(constant, 1, (24, 48), 0.8), (muscl, 1, (32, 64), 1.7), (weno5, 5 / 3, (10, 20), 4.8)],
)
def test_order_on_a_smooth_wave(reconstruction, power, sizes, order):
    coarse, fine = (density_wave(n, reconstruction, power) for n in sizes)
    assert math.log2(coarse / fine) > order


def tube_error(points: int, left, right, time: float, reconstruction) -> float:
    grid = Grid(points, 1.0, False)
    (x,) = grid.axes()
    start = torch.where((x < 0.5)[:, None], state(left), state(right)).T[None]
    solved = euler.solve(conserved(start), grid=grid, times=[0.0, time], reconstruction=reconstruction)
    fine = (torch.arange(points * 20, dtype=torch.float64) + 0.5) / (points * 20)
    exact = riemann.sample(state(left), state(right), (fine - 0.5) / time).reshape(points, 20, 3).mean(dim=1).T
    return (primitive(solved.values[0, -1]) - exact)[0].abs().mean().item()


@pytest.mark.parametrize(("tube", "time", "worst"), [(SOD, 0.2, 0.005), (LAX, 0.14, 0.012)])
def test_shock_tubes_converge_to_the_exact_solution(tube, time, worst):
    """Order 1 in L1, as good as a discontinuity allows; measured at 100 cells: 0.0041 and 0.0100."""
    errors = [tube_error(n, *tube, time, weno5) for n in (25, 100)]
    assert errors[1] < worst
    assert math.log2(errors[0] / errors[1]) / 2 > 0.65


@pytest.mark.slow
@pytest.mark.parametrize("reconstruction", [muscl, weno5])
@pytest.mark.parametrize(("tube", "time"), [(SOD, 0.2), (LAX, 0.14), (TORO[1][:2], 0.15), (TORO[2][:2], 0.012)])
def test_order_on_shock_tubes(tube, time, reconstruction):
    errors = [tube_error(n, *tube, time, reconstruction) for n in (200, 400, 800)]
    assert math.log2(errors[0] / errors[2]) / 2 > 0.7, errors  # a contact smears at order r/(r+1) of an order-r scheme


def test_almost_vacuum_stays_positive():
    left, right = [1, -4.0, 0.4], [1, 4.0, 0.4]
    grid = Grid(40, 1.0, False)
    (x,) = grid.axes()
    start = torch.where((x < 0.5)[:, None], state(left), state(right)).T[None]
    solved = euler.solve(conserved(start), grid=grid, times=[0.0, 0.08])
    final = primitive(solved.values[0, -1])
    assert final[0].min() > 0
    assert final[2].min() > 0
    assert final[0].min() < 0.02


def blast(n: int = 48, samples: int = 3) -> tuple[Grid, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pressures = 1 + 20 * torch.rand(samples, 4, generator=generator, dtype=torch.float64).repeat_interleave(
        n // 4, dim=1
    )
    rho = 0.5 + torch.rand(samples, 4, generator=generator, dtype=torch.float64).repeat_interleave(n // 4, dim=1)
    return Grid(n, 1.0, False), conserved(torch.stack([rho, torch.zeros_like(rho), pressures], dim=1))


@pytest.mark.parametrize("reconstruction", [muscl, weno5])
def test_closed_and_periodic_domains_keep_their_totals(reconstruction):
    grid, start = blast()
    before = euler.totals(start, grid)
    closed = euler.solve(start, grid=grid, times=[0, 0.04], boundary="reflective", reconstruction=reconstruction)
    after = euler.totals(closed.values[:, -1], grid)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]], rtol=1e-13, atol=0)
    assert (after[:, 1] - before[:, 1]).abs().max() > 0.05  # walls push
    around = Grid(48, 1.0, True)
    periodic = euler.solve(start, grid=around, times=[0, 0.04], boundary="periodic", reconstruction=reconstruction)
    torch.testing.assert_close(euler.totals(periodic.values[:, -1], around), before, rtol=1e-13, atol=1e-12)
    assert (periodic.values[:, -1] - start).abs().max() > 1


def test_a_wall_is_a_mirror():
    """Half a symmetric problem with a wall is the half of the whole problem."""
    grid, start = blast(samples=1)
    flip = state([1, -1, 1])[:, None]
    whole = torch.cat([start.flip(-1) * flip, start], dim=-1)
    half = euler.solve(start, grid=grid, times=[0, 0.02, 0.04], boundary=("reflective", "transmissive"))
    both = euler.solve(whole, grid=Grid(96, 2.0, False), times=[0, 0.02, 0.04])
    torch.testing.assert_close(both.values[..., 48:], half.values, rtol=1e-9, atol=1e-9)


def test_samples_take_their_own_steps():
    grid, start = blast()
    start[1] *= state([1, 3, 9])[:, None]  # three times faster
    together = euler.solve(start, grid=grid, times=[0, 0.01, 0.02], boundary="reflective")
    assert together.steps[1] > 2 * together.steps[0]
    for k in range(3):
        alone = euler.solve(start[k : k + 1], grid=grid, times=[0, 0.01, 0.02], boundary="reflective")
        torch.testing.assert_close(alone.values[0], together.values[k], rtol=1e-12, atol=1e-12)
        assert alone.steps[0] == together.steps[k]


def test_hllc_keeps_a_contact_at_rest():
    left, right = conserved(state([[1.0], [0.0], [1.0]])[None]), conserved(state([[0.1], [0.0], [1.0]])[None])
    torch.testing.assert_close(hllc(left, right, 1.4)[0, :, 0], state([0, 1, 0]), atol=1e-15, rtol=0)


def test_an_unstable_step_names_its_limit_and_a_safe_one():
    grid, start = blast()
    with pytest.raises(DomainError, match=r"sample \d at time 0: dt = 0.1 is above the limit .* a safe dt is"):
        euler.solve(start, grid=grid, times=[0, 0.1], dt=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boundary": "open"}, "choose transmissive"),
        ({"boundary": "periodic"}, "go together"),
        ({"grid": Grid(48, 1.0, True)}, "go together"),
        ({"grid": Grid((6, 8), 1.0, False)}, "a grid of one axis"),
        ({"times": [0.0, 0.0]}, "increasing times"),
        ({"gamma": 1.0}, "above 1"),
        ({"dt": -1.0}, "positive"),
    ],
)
def test_bad_arguments(change, message):
    grid, start = blast()
    with pytest.raises(DomainError, match=message):
        euler.solve(start, **({"grid": grid, "times": [0.0, 0.1]} | change))


@pytest.mark.parametrize(
    ("row", "value", "message"), [(0, -1.0, "density"), (2, 0.0, "pressure"), (1, math.nan, "pres")]
)
def test_states_that_are_no_gas(row, value, message):
    grid, start = blast()
    start[2, row, 5] = value
    with pytest.raises(DomainError, match=f"sample 2: the {message}.*cell 5"):
        euler.solve(start, grid=grid, times=[0.0, 0.1])
