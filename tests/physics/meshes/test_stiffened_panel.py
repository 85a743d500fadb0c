"""Stiffened panels: equilibrium, mirror symmetry, plates without stiffeners, beams, convergence of stress."""

from dataclasses import replace

import numpy as np
import pytest

from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Panel, Patch, Resolution, Stiffener, solve_panel

HELD = dict.fromkeys(("x0", "x1", "y0", "y1"), "simply_supported")
PANEL = Panel(
    2.4,
    1.7,
    0.012,
    (Stiffener(0.5, 0.18, 0.008, 0.1, 0.012), Stiffener(1.15, 0.15, 0.010, 0.08, 0.014)),
    {"x0": "simply_supported", "x1": "simply_supported", "y0": "clamped", "y1": "simply_supported"},
)
PATCH = Patch(2e5, (0.31, 1.17), (0.2, 0.93))


def loads(found):
    """Force and moment about the origin of pressure and of reactions."""
    mesh = found.mesh
    middle = mesh.shell.nodes[mesh.shell.quads].mean(axis=1)
    force = np.zeros((len(middle), 3))
    force[:, 2] = found.pressure * mesh.area
    held = found.reaction[:, :3]
    pushed = force.sum(axis=0), np.cross(middle, force).sum(axis=0)
    return *pushed, held.sum(axis=0), (np.cross(mesh.shell.nodes, held) + found.reaction[:, 3:]).sum(axis=0)


def test_reactions_balance_pressure():
    found = solve_panel(PANEL, pressure=4e4, patches=[PATCH])
    force, moment, held, turned = loads(found)
    assert force[2] == pytest.approx(4e4 * 2.4 * 1.7 + 2e5 * 0.86 * 0.73, rel=1e-12)  # whole and partial facets
    np.testing.assert_allclose(held, -force, atol=1e-6 * force[2])
    np.testing.assert_allclose(turned, -moment, atol=1e-6 * force[2])


def mirrored(panel, patches=(), axis=1):
    """The panel and its patches, seen in a mirror across x (0) or y (1)."""
    names = {"x": ("x0", "x1"), "y": ("y0", "y1")}["xy"[axis]]
    swap = dict(zip(names, names[::-1], strict=True))
    supports = {swap.get(e, e): word for e, word in panel.supports.items()}
    bars = panel.stiffeners
    if axis == 1:
        bars = tuple(replace(s, position=panel.width - s.position) for s in reversed(bars))
    limit = (panel.length, panel.width)[axis]
    turned = [replace(p, **{"xy"[axis]: tuple(limit - v for v in reversed(getattr(p, "xy"[axis])))}) for p in patches]
    return replace(panel, stiffeners=bars, supports=supports), turned


@pytest.mark.parametrize("axis", [0, 1])
def test_mirror_image(axis):
    """Mirrored panel and load: mirrored stress, at every node, on either face of webs."""
    one = solve_panel(PANEL, pressure=4e4, patches=[PATCH])
    panel, patches = mirrored(PANEL, [PATCH], axis)
    other = solve_panel(panel, pressure=4e4, patches=patches)
    points = one.mesh.shell.nodes.copy()
    points[:, axis] = (PANEL.length, PANEL.width)[axis] - points[:, axis]
    order = [np.lexsort(np.round(p / 1e-7).T) for p in (points, other.mesh.shell.nodes)]
    np.testing.assert_allclose(one.nodal[order[0]], other.nodal[order[1]], rtol=1e-7)


def test_without_stiffeners_it_is_a_plate():
    """Clamped: w = 0.00126532 q a^4 / D, mid-edge moment 0.05133 q a^2; simply supported: 0.00406235, 0.04789."""
    stiffness = 210e9 * 0.005**3 / 12 / (1 - 0.3**2)
    clamped = solve_panel(Panel(1, 1, 0.005), pressure=1e3, resolution=Resolution(24, 24))
    assert clamped.shell.displacement[:, 2].max() * stiffness / 1e3 == pytest.approx(0.00126532, rel=4e-3)
    assert np.abs(clamped.stress[..., 0]).max() == pytest.approx(6 * 0.05133 * 1e3 / 0.005**2, rel=5e-3)
    free = solve_panel(Panel(1, 1, 0.005, (), HELD), pressure=1e3, resolution=Resolution(24, 24))
    assert free.shell.displacement[:, 2].max() * stiffness / 1e3 == pytest.approx(0.00406235, rel=3e-3)
    middle = np.isclose(free.mesh.shell.nodes[:, :2], 0.5).all(axis=1)
    assert free.nodal[middle] == pytest.approx(6 * 0.04789 * 1e3 / 0.005**2, rel=5e-3)


def test_one_stiffener_is_a_beam():
    """Between symmetry planes a stiffener with its strip of plating is a simply supported T-beam (nu = 0, no shear lag
    in a narrow strip): sigma = M c / I in the flange, w = 5 q L^4 / 384 E I plus shear w = q L^2 / 8 G A_web."""
    length, strip, bar = 3.0, 0.12, Stiffener(0.06, 0.2, 0.008, 0.08, 0.012)
    ends = {"x0": "simply_supported", "x1": "simply_supported", "y0": "symmetry", "y1": "symmetry"}
    panel = Panel(length, strip, 0.01, (bar,), ends, poisson=0.0)
    found = solve_panel(panel, pressure=1e5, resolution=Resolution(24, 3, 6, 2))
    areas = np.array([strip * 0.01, 0.2 * 0.008, 0.08 * 0.012])
    heights = np.array([0.0, 0.1, 0.2])
    own = np.array([strip * 0.01**3, 0.008 * 0.2**3, 0.08 * 0.012**3]) / 12
    axis = areas @ heights / areas.sum()
    inertia = own.sum() + areas @ (heights - axis) ** 2
    load = 1e5 * strip
    flange = load * length**2 / 8 * (0.2 + 0.006 - axis) / inertia
    assert found.stress[found.mesh.plate == 3, :, :, 0].max() == pytest.approx(flange, rel=0.01)
    bent = 5 * load * length**4 / (384 * 210e9 * inertia)
    sheared = load * length**2 / 8 / (105e9 * areas[1])
    assert found.shell.displacement[:, 2].max() == pytest.approx(bent + sheared, rel=0.02)


def peaks(panel, resolution):
    found = solve_panel(panel, pressure=4e4, resolution=resolution)
    highest = found.von_mises.max(axis=(1, 2))
    kinds = np.array([p.kind for p in found.mesh.plates])[found.mesh.plate]
    return np.array([highest[kinds == kind].max() for kind in ("plating", "web", "flange")])


def test_peak_stress_of_each_part_converges():
    """The default mesh is within 2 % of one with twice as many elements in each direction, in every part."""
    panel = replace(PANEL, width=1.0, stiffeners=PANEL.stiffeners[:1])
    coarse, fine = (peaks(panel, r) for r in (Resolution(), Resolution().refined(2)))
    np.testing.assert_allclose(coarse, fine, rtol=0.02)


@pytest.mark.slow
def test_peak_stress_converges_further():
    coarse, fine, finest = (peaks(PANEL, Resolution().refined(k)) for k in (1, 2, 4))
    assert (np.abs(fine - finest) < 0.5 * np.abs(coarse - finest)).all()
    np.testing.assert_allclose(fine, finest, rtol=5e-3)


def test_free_in_its_plane():
    """Diaphragms at two edges leave a panel free along x; one node holds it and feels no force."""
    panel = replace(PANEL, supports=dict.fromkeys(("y0", "y1"), "free") | dict.fromkeys(("x0", "x1"), HELD["x0"]))
    found = solve_panel(panel, pressure=4e4)
    assert np.abs(found.reaction[:, 0]).max() < 1e-6 * found.reaction[:, 2].sum() * -1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"thickness": 0.0}, "thickness=0.0; give a positive"),
        ({"supports": {"left": "clamped"}}, "edges are x0, x1, y0, y1"),
        ({"stiffeners": (Stiffener(0.5, 0.1, 0.01, 0.2, 0.01), Stiffener(0.65, 0.1, 0.01, 0.2, 0.01))}, "overlaps"),
        ({"stiffeners": (Stiffener(1.65, 0.1, 0.01, 0.2, 0.01),)}, "move it inside"),
        ({"stiffeners": (Stiffener(0.5, 0.1, 0.01, 0.2),)}, "0 for a flat bar"),
    ],
)
def test_bad_panels_are_named(change, told):
    with pytest.raises(DomainError, match=told):
        replace(PANEL, **change)


def test_patches_stay_on_the_plating():
    with pytest.raises(DomainError, match="leaves the plating"):
        solve_panel(PANEL, patches=[Patch(1.0, (0.0, 3.0), (0.0, 1.0))])


def test_free_panels_are_refused():
    with pytest.raises(DomainError, match="without resistance"):
        solve_panel(replace(PANEL, supports=dict.fromkeys(HELD, "free")), pressure=1.0)
