"""Darcy flow by finite volumes: orders, exact solutions, conservation, masks and bad input."""

import itertools
import math

import pytest
import torch

from surrogates.physics.errors import DomainError
from surrogates.physics.fields import darcy
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.walls import Dirichlet, Neumann, Robin, Walls


def slope(errors):
    return [math.log2(a / b) for a, b in itertools.pairwise(errors)]


def manufactured(grid: Grid):
    """u, a, f = -div(a grad u) at the cell centres, for smooth u and a without any symmetry."""
    points = [x.requires_grad_() for x in grid.points()]
    u = torch.cos(points[0] + 0.3).clone()
    a = 1 + 0.5 * torch.sin(2 * points[0])
    for i, x in enumerate(points[1:], start=1):
        u = u * torch.sin(1.3 * x + i) + 0.2 * x**3
        a = a + 0.3 * torch.cos(x * points[0])
    gradient = torch.autograd.grad(u.sum(), points, create_graph=True)
    f = sum(-torch.autograd.grad((a * g).sum(), x, retain_graph=True)[0] for g, x in zip(gradient, points, strict=True))
    return u.detach(), a.detach(), f.detach()


def boundary_values(grid: Grid) -> Walls:
    """The manufactured u on every wall of a 1-3 dimensional grid."""
    axes = []
    for axis in range(grid.dim):
        pair = []
        for end in (0.0, grid.lengths[axis]):
            coordinates = list(grid.axes())
            coordinates[axis] = torch.tensor([end], dtype=torch.float64)
            points = torch.meshgrid(*coordinates, indexing="ij")
            u = torch.cos(points[0] + 0.3)
            for i, x in enumerate(points[1:], start=1):
                u = u * torch.sin(1.3 * x + i) + 0.2 * x**3
            pair.append(Dirichlet(u.squeeze(axis)[None]))
        axes.append(tuple(pair))
    return Walls(tuple(axes))


@pytest.mark.parametrize(("dim", "sizes"), [(1, (16, 32, 64)), (2, (8, 16, 32)), (3, (8, 16))])
def test_second_order_on_a_manufactured_solution(dim, sizes):
    errors = []
    for n in sizes:
        grid = Grid((n, n + 1, n + 2)[:dim], (1.0, 1.5, 0.8)[:dim], False)
        u, a, f = manufactured(grid)
        solved = darcy.solve(a[None], f, grid, walls=boundary_values(grid))
        errors.append((solved - u).square().mean().sqrt().item())
    assert slope(errors)[-1] > (1.95, 1.9, 1.7)[dim - 1], errors  # the coarse grids are not yet in the limit


def test_second_order_with_neumann_and_robin_walls():
    """u = cos(x) cosh(y) is harmonic; its slopes and mixed data stand on the walls."""
    errors = []
    for n in (8, 16, 32):
        grid = Grid((n, n), 1.0, False)
        (x, y), (left, top) = grid.points(), grid.axes()
        lower = Robin(2.0, (torch.cos(left) * (1.0 - 0.0 / 2.0))[None])
        upper = Neumann((torch.cos(left) * math.sinh(1.0))[None])
        walls = Walls(((Neumann(0.0), Dirichlet((math.cos(1.0) * torch.cosh(top))[None])), (lower, upper)))
        u = darcy.solve(torch.ones(1, n, n).double(), 0.0, grid, walls=walls)
        errors.append((u - torch.cos(x) * torch.cosh(y)).abs().max().item())
    assert min(slope(errors)) > 1.8, errors


def test_a_jump_of_the_permeability_costs_nothing_in_one_dimension():
    """Slabs in series with u given at the ends: u is piecewise linear and the flux is one over the sum of L/a."""
    grid = Grid(20, 2.0, False)
    generator = torch.Generator().manual_seed(0)
    a = 10 ** (3 * torch.rand(4, 20, generator=generator, dtype=torch.float64))
    walls = Walls(((Dirichlet(3.0), Dirichlet(-1.0)),))
    u = darcy.solve(a, 0.0, grid, walls=walls)
    (flow,) = darcy.fluxes(u, a, grid, walls=walls)
    exact = 4.0 / (0.1 / a).sum(dim=1, keepdim=True)
    torch.testing.assert_close(flow, exact.expand_as(flow), rtol=1e-10, atol=0)
    centre = 3.0 - exact * ((0.1 / a).cumsum(dim=1) - 0.05 / a)
    torch.testing.assert_close(u, centre, rtol=1e-10, atol=1e-10)


def test_the_square_of_unit_permeability_has_its_known_maximum():
    """-Laplace u = 1 on the unit square: 0.0736713532815 in the middle (Fourier series), approached as h^2."""
    series = sum(
        16 / math.pi**4 * (-1) ** ((i + j) // 2 - 1) / (i * j * (i * i + j * j))
        for i in range(1, 400, 2)
        for j in range(1, 400, 2)
    )
    middle = []
    for n in (15, 45):
        u = darcy.solve(torch.ones(1, n, n).double(), 1.0, Grid((n, n), 1.0, False))
        middle.append(u[0, n // 2, n // 2].item())
    assert abs(middle[1] + (middle[1] - middle[0]) / 8 - series) < 2e-6
    assert abs(series - 0.0736713532815) < 1e-7


def l_shape(n: int) -> torch.Tensor:
    mask = torch.ones(n, n, dtype=torch.bool)
    mask[n // 2 :, n // 2 :] = False
    mask[n // 4, n // 4 - 1 : n // 4 + 1] = False  # and a hole
    return mask


@pytest.mark.parametrize("edge", [Dirichlet(0.4), Neumann(0.3), Robin(2.0, 1.0)])
def test_every_cell_of_a_mask_keeps_its_balance(edge):
    """Outflow through a cell's faces is f times its volume; all of f leaves through the walls."""
    grid, mask = Grid((12, 12), (1.0, 1.2), False), l_shape(12)
    a = 0.5 + torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    f = torch.randn(2, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a[:, ~mask] = math.nan  # what lies outside is not looked at
    walls = Walls((Dirichlet(0.0), (Neumann(0.1), Robin(1.0, 2.0))), mask=edge)
    u = darcy.solve(a, f, grid, walls=walls, mask=mask)
    assert (u[:, ~mask] == 0).all()
    flow = darcy.fluxes(u, a, grid, walls=walls, mask=mask)
    out = sum(part.diff(dim=axis) / h for axis, (part, h) in enumerate(zip(flow, grid.spacing, strict=True), start=1))
    torch.testing.assert_close(out[:, mask], f[:, mask], rtol=1e-10, atol=1e-10)
    assert darcy.residual(u, a, f, grid, walls=walls, mask=mask).abs().max() < 1e-10
    assert darcy.residual(u + 1.0, a, f, grid, walls=walls, mask=mask).abs().max() > 0.1


def test_a_mask_of_whole_cells_is_the_smaller_box():
    grid, small = Grid((10, 8), (1.0, 0.8), False), Grid((6, 8), (0.6, 0.8), False)
    mask = torch.zeros(10, 8, dtype=torch.bool)
    mask[2:8] = True
    a = 1 + torch.rand(1, 10, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    whole = darcy.solve(a, 1.0, grid, walls=Dirichlet(0.2), mask=mask)
    torch.testing.assert_close(whole[:, 2:8], darcy.solve(a[:, 2:8].clone(), 1.0, small, walls=Dirichlet(0.2)))


def test_periodic_and_closed_domains_return_the_solution_of_zero_mean():
    errors = []
    for n in (16, 32):
        grid = Grid((n, n), 1.0, (True, False))
        x, y = grid.points()
        u = torch.sin(2 * math.pi * x) * torch.cos(math.pi * y)
        walls = Walls((None, Neumann(0.0)))
        solved = darcy.solve(torch.ones(1, n, n).double(), 5 * math.pi**2 * u, grid, walls=walls)
        assert abs(solved.mean().item()) < 1e-13
        errors.append((solved - u).abs().max().item())
    assert slope(errors)[0] > 1.9


def test_samples_are_solved_as_one_by_one_and_equal_permeabilities_once(monkeypatch):
    grid = Grid((9, 7), 1.0, False)
    a = 1 + torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    a[2] = a[0]
    f = torch.randn(3, 9, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    calls = []
    factorise = darcy.factorise
    monkeypatch.setattr(darcy, "factorise", lambda *given, **named: calls.append(1) or factorise(*given, **named))
    together = darcy.solve(a, f, grid)
    assert len(calls) == 2
    for k in range(3):
        torch.testing.assert_close(together[k : k + 1], darcy.solve(a[k : k + 1], f[k], grid), rtol=0, atol=1e-14)
    calls.clear()
    darcy.solve(a[:1], f, grid)
    assert len(calls) == 1


def test_permeability_of_the_paper():
    grid = Grid((32, 32), 1.0, False)
    a = darcy.fno_permeability(grid, 40, generator=torch.Generator().manual_seed(0))
    assert set(a.unique().tolist()) == {3.0, 12.0}
    assert 0.3 < (a == 12).double().mean() < 0.7
    changes = (a.diff(dim=1) != 0).double().mean()
    assert 0.01 < changes < 0.15  # patches, no noise
    u = darcy.solve(a, 1.0, grid)
    assert u.amax(dim=(1, 2)).min() > 0.0736 / 12  # between the two pure phases
    assert u.max() < 0.0737 / 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": torch.full((1, 6, 6), -1.0).double()}, r"sample 0: the permeability at cell \(0, 0\) is -1"),
        ({"a": torch.full((1, 6, 6), math.nan).double()}, "permeability at cell"),
        ({"a": torch.ones(1, 6, 5).double()}, "give \\(samples, \\*grid.shape\\)"),
        ({"forcing": math.nan}, "forcing at cell"),
        ({"forcing": torch.ones(6, 5).double()}, "forcing of shape"),
        ({"walls": Neumann(0.0)}, "must add to zero"),
        ({"walls": Walls((Dirichlet(0.0),))}, "one entry per axis"),
        ({"walls": Walls((None, Dirichlet(0.0)))}, "axis 0 has walls but no condition"),
        ({"walls": Dirichlet(math.inf)}, "not finite"),
        ({"walls": Robin(-1.0)}, "negative"),
        ({"walls": Walls((Dirichlet(torch.ones(1, 5).double()), Dirichlet(0.0)))}, "do not broadcast"),
        ({"mask": torch.zeros(6, 6, dtype=torch.bool)}, "no cell inside"),
        ({"mask": torch.ones(6, 6).double()}, "give booleans"),
    ],
)
def test_bad_input(change, message):
    given = {"a": torch.ones(1, 6, 6).double(), "forcing": 1.0, "walls": Dirichlet(0.0), "mask": None} | change
    with pytest.raises(DomainError, match=message):
        darcy.solve(given["a"], given["forcing"], Grid((6, 6), 1.0, False), walls=given["walls"], mask=given["mask"])


def test_a_mask_that_cuts_a_closed_domain_apart():
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[3] = False
    one = torch.ones(1, 6, 6).double()
    with pytest.raises(DomainError, match="2 separate parts"):
        darcy.solve(one, 0.0, Grid((6, 6), 1.0, False), walls=Neumann(0.0), mask=mask)
    closed = Walls(((Dirichlet(0.0), Neumann(0.0)), Neumann(0.0)))
    with pytest.raises(DomainError, match=r"around cell \(4, 0\) \(12 cells\)"):
        darcy.solve(one, 0.0, Grid((6, 6), 1.0, False), walls=closed, mask=mask)
    u = darcy.solve(one, 1.0, Grid((6, 6), 1.0, False), walls=Walls((Dirichlet(0.0), Neumann(0.0))), mask=mask)
    assert u[:, :3].max() > 0
