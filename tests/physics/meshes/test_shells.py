"""Flat-facet shells: rigid motions, patch tests, plates, cantilevers and the obstacle course of curved shells."""

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes.shells import ShellMesh, clamped, solve_shell


def grid(columns, rows, place, thickness):
    r, s = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1), indexing="ij")
    nodes = np.stack(np.broadcast_arrays(*place(r.ravel(), s.ravel())), axis=1).astype(float)
    i = np.arange((columns + 1) * (rows + 1)).reshape(columns + 1, rows + 1)
    quads = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], axis=-1).reshape(-1, 4)
    return ShellMesh(nodes, quads, np.full(len(quads), thickness))


def held(mesh, *rules):
    """fixed (n, 6) from (where, degrees of freedom)."""
    fixed = np.zeros((len(mesh.nodes), 6), dtype=bool)
    for where, parts in rules:
        fixed[np.ix_(np.flatnonzero(where), parts)] = True
    return fixed


PATCH = ShellMesh(
    np.array(
        [[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [0.4, 0.2, 0], [1.6, 0.35, 0], [1.4, 0.7, 0], [0.3, 0.75, 0.0]]
    ),
    np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7]]),
    np.full(5, 0.1),
)


def test_free_panel_has_six_rigid_motions():
    """A plate with a web: no energy for three shifts and three turns, and for nothing else."""
    plate = grid(2, 2, lambda r, s: (r, s, 0 * r), 0.05)
    web = grid(2, 1, lambda r, s: (r, 0 * r + 0.5, -0.4 * s), 0.05)
    nodes = np.concatenate([plate.nodes, web.nodes])
    unique, back = np.unique(nodes.round(9), axis=0, return_inverse=True)
    quads = back.ravel()[np.concatenate([plate.quads, web.quads + len(plate.nodes)])]
    mesh = ShellMesh(unique, quads, np.full(len(quads), 0.05))
    n = len(unique)
    x, y, z = unique.T
    one, zero = np.ones(n), np.zeros(n)
    shifts = [np.stack([np.eye(6)[i][j] * one for j in range(6)], 1) for i in range(3)]
    turns = [
        np.stack([zero, -z, y, one, zero, zero], 1),
        np.stack([z, zero, -x, zero, one, zero], 1),
        np.stack([-y, x, zero, zero, zero, one], 1),
    ]
    stiffness = matrix(mesh)
    values = np.linalg.eigvalsh(stiffness)
    assert (np.abs(values[:6]) < 1e-10 * values[-1]).all()
    assert values[6] > 1e-8 * values[-1]
    for motion in (*shifts, *turns):
        assert np.abs(stiffness @ motion.ravel()).max() < 1e-12


def matrix(mesh, young=1.0, poisson=0.3):
    """The dense stiffness, through the module's own parts."""
    from surrogates.physics.meshes import shells

    axes, local = mesh.frames()
    facets, _ = shells._stiffness(mesh, shells._strains(local), young, poisson)
    whole = np.zeros((6 * len(mesh.nodes),) * 2)
    for facet, frame, quad in zip(facets, axes, mesh.quads, strict=True):
        turn = np.kron(np.eye(8), frame)
        dofs = (6 * quad[:, None] + np.arange(6)).ravel()
        whole[np.ix_(dofs, dofs)] += turn.T @ facet @ turn
    return whole


@pytest.mark.parametrize("strain", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.3, -0.2, 0.5)])
def test_membrane_patch(strain):
    """Constant strain on a distorted mesh: the nodes inside find their place, the forces are constant."""
    xx, yy, xy = strain
    exact = np.zeros((8, 6))
    x, y, _ = PATCH.nodes.T
    exact[:, 0], exact[:, 1] = xx * x + xy / 2 * y, yy * y + xy / 2 * x
    u, forces = patch(exact)
    np.testing.assert_allclose(u, exact, atol=1e-10)
    plane = np.array([[1, 0.3, 0], [0.3, 1, 0], [0, 0, 0.35]]) / (1 - 0.09)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(tensor(forces)),
        np.linalg.eigvalsh(tensor(0.1 * plane @ strain)) * np.ones((5, 4, 1)),
        atol=1e-10,
    )


def tensor(v):
    v = np.asarray(v)
    return np.stack([np.stack([v[..., 0], v[..., 2]], -1), np.stack([v[..., 2], v[..., 1]], -1)], -2)


@pytest.mark.parametrize("curvature", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_bending_patch(curvature):
    """w = (kx x^2 + ky y^2 + kxy x y) / 2 with rotations (w_y, -w_x): constant moments, no shear."""
    kx, ky, kxy = curvature
    x, y, _ = PATCH.nodes.T
    exact = np.zeros((8, 6))
    exact[:, 2] = (kx * x**2 + ky * y**2 + kxy * x * y) / 2
    exact[:, 3], exact[:, 4] = ky * y + kxy * x / 2, -(kx * x + kxy * y / 2)
    u, _ = patch(exact)
    np.testing.assert_allclose(u, exact, atol=1e-10)


def patch(exact):
    """Outer nodes are given, inner ones found: K_ii u_i = - K_io u_o."""
    stiffness, inner = matrix(PATCH), np.arange(24, 48)
    outer = np.arange(24)
    u = exact.ravel().copy()
    u[inner] = np.linalg.solve(stiffness[np.ix_(inner, inner)], -stiffness[np.ix_(inner, outer)] @ u[outer])
    from surrogates.physics.meshes import shells

    axes, local = PATCH.frames()
    _, maps = shells._stiffness(PATCH, shells._strains(local), 1.0, 0.3)
    inside = np.einsum(
        "mab,mb->ma", np.stack([np.kron(np.eye(8), f) for f in axes]), u.reshape(8, 6)[PATCH.quads].reshape(5, 24)
    )
    return u.reshape(8, 6), np.einsum("mpij,mj->mpi", maps[0], inside)


@pytest.mark.parametrize("thickness", [1e-2, 1e-3])
def test_clamped_plate(thickness):
    """0.00126532 q a^4 / D for a thin one; no shear locking at a / 1000."""
    mesh = grid(16, 16, lambda r, s: (r / 2, s / 2, 0 * r), thickness)
    x, y, _ = mesh.nodes.T
    edge = np.isclose(x, 0) | np.isclose(y, 0)
    rules = [(edge, range(6)), (np.isclose(x, 0.5), [0, 4, 5]), (np.isclose(y, 0.5), [1, 3, 5]), (x >= 0, [0, 1, 5])]
    found = solve_shell(mesh, young=1e7, poisson=0.3, fixed=held(mesh, *rules), pressure=1.0)
    stiffness = 1e7 * thickness**3 / 12 / (1 - 0.3**2)
    assert found.displacement[-1, 2] * stiffness == pytest.approx(0.00126532, rel=3e-3)
    assert abs(found.moments[-1, :, 0].mean()) == pytest.approx(0.02291, rel=0.02)  # beside the centre
    first, second = (np.abs(found.moments[q, :, 0].mean()) for q in (15, 31))  # at a / 64 and 3 a / 64 from the edge
    assert first + (first - second) / 2 == pytest.approx(0.05133, rel=0.03)


def test_slender_cantilever():
    """MacNeal and Harder: 6 x 0.2 x 0.1, tip 0.1081 in its plane and 0.4321 out of it; webs must not lock in plane."""
    mesh = grid(6, 1, lambda r, s: (6 * r, 0.2 * s, 0 * r), 0.1)
    tip, fixed = np.isclose(mesh.nodes[:, 0], 6), clamped(mesh, lambda x: np.isclose(x[:, 0], 0))
    for part, exact in ((1, 0.1081), (2, 0.4321)):
        load = np.zeros((len(mesh.nodes), 6))
        load[tip, part] = 0.5
        found = solve_shell(mesh, young=1e7, poisson=0.3, fixed=fixed, load=load)
        assert found.displacement[tip, part].mean() == pytest.approx(exact, rel=0.025)


def roof(n):
    """Scordelis-Lo: 0.3024 at the middle of the free edge."""
    a = np.radians(40)
    mesh = grid(n, n, lambda r, s: (25 * np.sin(r * a), 25 * s, 25 * np.cos(r * a)), 0.25)
    x, y, _ = mesh.nodes.T
    fixed = held(mesh, (np.isclose(y, 0), [0, 2]), (np.isclose(y, 25), [1, 3, 5]), (np.isclose(x, 0), [0, 4, 5]))
    found = solve_shell(mesh, young=4.32e8, poisson=0.0, fixed=fixed, per_area=(0.0, 0.0, -90.0))
    return -found.displacement[-1, 2] / 0.3024


def cylinder(n):
    """Pinched, with rigid diaphragms: 1.8248e-5 under the load."""
    mesh = grid(n, n, lambda r, s: (300 * np.sin(r * np.pi / 2), 300 * s, 300 * np.cos(r * np.pi / 2)), 3.0)
    x, y, z = mesh.nodes.T
    rules = [(np.isclose(y, 0), [0, 2]), (np.isclose(y, 300), [1, 3, 5]), (np.isclose(x, 0), [0, 4, 5])]
    load = np.zeros((len(mesh.nodes), 6))
    top = np.flatnonzero(np.isclose(x, 0) & np.isclose(y, 300))[0]
    load[top, 2] = -0.25
    fixed = held(mesh, *rules, (np.isclose(z, 0), [2, 3, 4]))
    return -solve_shell(mesh, young=3e6, poisson=0.3, fixed=fixed, load=load).displacement[top, 2] / 1.8248e-5


def hemisphere(n):
    """With an 18 degree hole, pulled and pushed at its rim: 0.094."""
    a = np.radians(72)
    mesh = grid(
        n,
        n,
        lambda r, s: (
            10 * np.cos(r * a) * np.cos(s * np.pi / 2),
            10 * np.cos(r * a) * np.sin(s * np.pi / 2),
            10 * np.sin(r * a),
        ),
        0.04,
    )
    x, y, z = mesh.nodes.T
    pulled, pushed = (np.flatnonzero(np.isclose(c, 0) & np.isclose(z, 0)) for c in (y, x))
    load = np.zeros((len(mesh.nodes), 6))
    load[pulled, 0], load[pushed, 1] = 1.0, -1.0
    fixed = held(mesh, (np.isclose(y, 0), [1, 3, 5]), (np.isclose(x, 0), [0, 4, 5]))
    fixed[pulled, 2] = True
    return solve_shell(mesh, young=6.825e7, poisson=0.3, fixed=fixed, load=load).displacement[pulled[0], 0] / 0.094


def test_curved_shells_converge_as_this_element_is_known_to():
    assert roof(16) == pytest.approx(1.0, abs=0.012)  # published MITC4: 0.9886 on this mesh
    assert cylinder(16) == pytest.approx(0.9286, abs=0.01)  # published MITC4, membrane without incompatible modes
    assert hemisphere(16) == pytest.approx(0.99, abs=0.01)


@pytest.mark.slow
def test_curved_shells_on_finer_meshes():
    assert roof(32) == pytest.approx(1.0, abs=2e-3)
    assert cylinder(32) == pytest.approx(1.0, abs=0.015)
    assert cylinder(64) == pytest.approx(1.0, abs=0.01)
    assert hemisphere(32) == pytest.approx(1.0, abs=0.01)


def test_bad_shells_are_named():
    with pytest.raises(DomainError, match="folded or not convex"):
        ShellMesh(PATCH.nodes, np.array([[0, 1, 4, 5]]), np.ones(1))
    mesh = grid(2, 2, lambda r, s: (r, s, 0 * r), 0.1)
    with pytest.raises(DomainError, match="can move without resistance"):
        solve_shell(mesh, young=1, poisson=0.3, fixed=np.zeros((9, 6), dtype=bool), pressure=1.0)
