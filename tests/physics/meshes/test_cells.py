"""Which way round cells are, and folds: found in every kind, wherever a file lists its corners."""

import numpy as np
import pytest
from skfem import MeshHex, MeshQuad, MeshTet, MeshTri

from surrogates.physics.meshes.cells import TURNED, orientations, right_side_out

MESHES = {"triangle": MeshTri, "quad": MeshQuad, "tetra": MeshTet}


def curved(kind, points, cells):
    """The same cells with middles of their sides."""
    sides = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))[: 3 if kind == "triangle" else 6]
    pairs = np.sort(np.concatenate([cells[:, s] for s in sides]), axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    middles = inverse.reshape(len(sides), -1).T + len(points)
    return np.concatenate([points, points[unique].mean(1)]), np.concatenate([cells, middles], axis=1)


@pytest.mark.parametrize(("kind", "second"), [*((k, False) for k in MESHES), ("triangle", True), ("tetra", True)])
def test_cells_are_turned_and_folds_found(kind, second):
    mesh = MESHES[kind]().refined(2)
    points, cells = mesh.p.T.copy(), mesh.t.T.astype(np.int64)
    name = kind
    if second:
        points, cells = curved(kind, points, cells)
        name = {"triangle": "triangle6", "tetra": "tetra10"}[kind]
    random = np.random.default_rng(0).random(len(cells)) < 0.5
    mixed = np.where(random[:, None], cells[:, TURNED[name]], cells)
    turned, bad = right_side_out(points, {name: mixed})
    assert not bad
    assert orientations(points, turned[name], name).min() > 0
    assert np.array_equal(np.sort(turned[name], axis=1), np.sort(cells, axis=1))
    inner = np.flatnonzero(((mesh.p > 0) & (mesh.p < 1)).all(0))[0]
    folded = points.copy()
    folded[inner] += (
        1.3 * (points[cells[(cells == inner).any(1)][0]].mean(0) - points[inner]) * (3 if not second else 2)
    )
    for given in (mixed, turned[name]):
        _, bad = right_side_out(folded, {name: given})
        assert set(np.flatnonzero((cells == inner).any(1))) & set(bad[name])
    flat = points.copy()
    flat[cells[0]] = flat[cells[0, 0]]
    assert 0 in right_side_out(flat, {name: turned[name]})[1][name]


def test_bricks_are_given_one_way_round():
    mesh = MeshHex().refined(1)
    points = mesh.p.T
    corners = points[mesh.t.T]
    # VTK's order: the bottom's corners round, then the top's
    order = []
    for cell in corners:
        low, middle = cell[:, 2] < cell[:, 2].mean(), cell.mean(0)
        angle = np.arctan2(cell[:, 1] - middle[1], cell[:, 0] - middle[0])
        ids = np.arange(8)
        order.append([*ids[low][np.argsort(angle[low])], *ids[~low][np.argsort(angle[~low])]])
    cells = np.take_along_axis(mesh.t.T, np.array(order), axis=1)
    assert orientations(points, cells, "hexahedron").min() > 0
    assert not right_side_out(points, {"hexahedron": cells})[1]
    inside_out = cells.copy()
    inside_out[3] = inside_out[3][[4, 5, 6, 7, 0, 1, 2, 3]]
    assert list(right_side_out(points, {"hexahedron": inside_out})[1]["hexahedron"]) == [3]


def test_surfaces_in_space_have_no_side():
    points = np.random.default_rng(0).normal(size=(4, 3))
    cells = {"triangle": np.array([[0, 1, 2], [0, 1, 3]])}
    turned, bad = right_side_out(points, cells)
    assert not bad
    assert np.array_equal(turned["triangle"], cells["triangle"])
