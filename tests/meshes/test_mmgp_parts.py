"""Parts of MMGP: shape functions, interpolation, morphs, modes, Gaussian processes, each by a law of its own."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.spatial import Delaunay

from surrogates.datasets.adapters.scikit_fem import from_skfem
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.meshes import gaussian_process
from surrogates.meshes.gaussian_process import GaussianProcess, fit_gaussian_process
from surrogates.meshes.interpolation import interpolation
from surrogates.meshes.left_out import left_out
from surrogates.meshes.morphing import Elasticity, Morphing, RadialFunctions, folded
from surrogates.meshes.morphing.boundary import boundary, moments
from surrogates.meshes.morphing.correspondence import Correspondence
from surrogates.meshes.morphing.disc import on_disc
from surrogates.meshes.pod import norms, snapshot_pod
from surrogates.meshes.shape_functions import element, jacobians, oriented
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Ellipse, Plate, quadratic, triangulate
from surrogates.physics.meshes.mass import consistent_mass

KINDS = ("triangle", "triangle6", "quad", "quad8", "quad9", "tetra", "tetra10", "hexahedron", "hexahedron20")


def plate(hole=None, size=0.2, near=0.1):
    region = Plate(2, 1, () if hole is None else (hole,))
    return from_skfem(quadratic(triangulate(region, size, near=near), region))


HOLE = plate(Ellipse((1.0, 0.5), (0.2, 0.15), 0.3))
OTHER = plate(Ellipse((0.85, 0.55), (0.25, 0.12), 1.2))


def disk(seed, rim=24, inner=60):
    """A random triangulation whose hull is a random convex curve."""
    draw = np.random.default_rng(seed)
    turn = np.sort(draw.uniform(0, 2 * np.pi, rim))
    points = np.stack([2 * np.cos(turn), np.sin(turn)], 1)
    inside = draw.uniform(-1, 1, (4 * inner, 2)) * [2, 1]
    inside = inside[(inside[:, 0] / 2) ** 2 + inside[:, 1] ** 2 < 0.75][:inner]
    points = np.concatenate([points, inside])
    return points, oriented(points, {"triangle": Delaunay(points).simplices.astype(np.int64)})


@pytest.mark.parametrize("kind", KINDS)
def test_shape_functions_are_one_at_their_node_and_sum_to_one(kind):
    made, at = element(kind), np.random.default_rng(0).uniform(0, 0.3, (5, element(kind).dim))
    np.testing.assert_allclose(made.values(made.nodes), np.eye(len(made.nodes)), atol=1e-13)
    np.testing.assert_allclose(made.values(at).sum(-1), 1, atol=1e-13)
    steps = 1e-6 * np.eye(made.dim)
    slopes = [(made.values(at + s) - made.values(at - s)) / 2e-6 for s in steps]
    np.testing.assert_allclose(made.gradients(at), np.stack(slopes, -1), atol=1e-8)


def test_interpolation_between_meshes():
    """Quadratic functions exactly on six-node triangles, values at nodes kept, the nearest value outside."""
    square = plate()
    x, y = np.random.default_rng(0).uniform(0.01, 0.99, (2, 400))
    queries = np.stack([2 * x, y], 1)
    matrix = interpolation(square.points, square.cells, queries)

    def function(p):
        return 1 + p[:, 0] * p[:, 1] - 2 * p[:, 1] ** 2

    np.testing.assert_allclose(matrix @ function(square.points), function(queries), atol=1e-12)
    np.testing.assert_allclose(np.asarray(matrix.sum(1)).ravel(), 1, atol=1e-12)
    own = interpolation(HOLE.points, HOLE.cells, HOLE.points)
    assert abs(own - np.eye(len(HOLE))).max() < 1e-10
    outside = interpolation(square.points, square.cells, np.array([[2.5, 0.4], [-1, -1]]))
    np.testing.assert_allclose(outside @ square.points, [[2, 0.4], [0, 0]], atol=0.08)
    with pytest.raises(DomainError, match="surface"):
        interpolation(np.zeros((3, 3)), {"triangle": np.array([[0, 1, 2]])}, np.zeros((1, 3)))


def test_interpolation_in_tetrahedra_and_hexahedra():
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    tetra = {
        "tetra": Delaunay(grid + 1e-3 * np.random.default_rng(0).normal(size=grid.shape)).simplices.astype(np.int64)
    }
    index = np.arange(64).reshape(4, 4, 4)
    a = index[:3, :3, :3].ravel()
    bricks = {"hexahedron": a[:, None] + np.array([0, 16, 20, 4, 1, 17, 21, 5])}
    queries = np.random.default_rng(1).uniform(0.05, 0.95, (60, 3))
    for cells in (tetra, bricks):
        np.testing.assert_allclose(interpolation(grid, cells, queries) @ grid, queries, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("uniform", [False, True])
def test_a_disk_goes_on_the_disc_without_a_fold(seed, uniform):
    points, cells = disk(seed)
    (loop,) = boundary(points, cells, {})
    flat = on_disc(points, cells, loop, np.zeros(1), uniform=uniform)
    assert (jacobians(flat, cells["triangle"], "triangle") > 0).all()
    rim = np.unique(loop.curves[0].edges[:, :2])
    np.testing.assert_allclose(np.linalg.norm(flat[rim], axis=1), 1, atol=1e-12)
    assert len(rim) < len(points)


def test_mean_value_weights_keep_a_mesh_whose_boundary_stays():
    """Linear precision, which uniform weights lack: a regular polygon lies on the disc as it is."""
    turn = 2 * np.pi * np.arange(16) / 16
    inner = 0.6 * np.random.default_rng(1).uniform(-1, 1, (20, 2))
    points = np.concatenate([np.stack([np.cos(turn), np.sin(turn)], 1), inner])
    cells = oriented(points, {"triangle": Delaunay(points).simplices.astype(np.int64)})
    (loop,) = boundary(points, cells, {})
    first = int(loop.curves[0].edges[0, 0])
    shift = np.array([[np.cos(turn[first]), -np.sin(turn[first])], [np.sin(turn[first]), np.cos(turn[first])]])
    kept = on_disc(points, cells, loop, np.zeros(1)) @ shift.T
    np.testing.assert_allclose(kept, points, atol=1e-10)
    moved = on_disc(points, cells, loop, np.zeros(1), uniform=True) @ shift.T
    assert np.abs(moved - points).max() > 0.02


def test_ellipses_correspond_linearly_in_their_matrix():
    """Angles in the round frame: x = c + S (cos, sin) with S the symmetric matrix of half axes, on any ellipse."""
    to_other = Correspondence(HOLE.points, HOLE.cells, HOLE.tags)
    rim = HOLE.tags["hole"][to_other.nodes]
    images = to_other(OTHER.points, OTHER.cells, OTHER.tags)
    level = Ellipse((0.85, 0.55), (0.25, 0.12), 1.2).level(images[rim])
    np.testing.assert_allclose(level, 1, atol=3e-3)  # sides of six-node triangles, ten on the rim
    frames = [moments(boundary(s.points, s.cells, s.tags)[1].polygon) for s in (HOLE, OTHER)]
    unit = (HOLE.points[to_other.nodes[rim]] - frames[0][0]) @ np.linalg.inv(frames[0][1])
    np.testing.assert_allclose(images[rim], frames[1][0] + unit @ frames[1][1], atol=3e-3)
    own = to_other(HOLE.points, HOLE.cells, HOLE.tags)
    np.testing.assert_allclose(own, HOLE.points[to_other.nodes], atol=1e-12)
    by_length = Correspondence(HOLE.points, HOLE.cells, HOLE.tags, closed="arc_length")
    np.testing.assert_allclose(by_length(HOLE.points, HOLE.cells, HOLE.tags), HOLE.points[by_length.nodes], atol=1e-9)


@pytest.mark.parametrize("morph", ["rbf", "elastic"])
def test_the_identity_morph_keeps_fields(morph):
    field = np.random.default_rng(0).normal(size=len(HOLE))
    there = Morphing(HOLE, morph=morph)(HOLE)
    np.testing.assert_allclose(there.images, HOLE.points, atol=1e-10)
    np.testing.assert_allclose(there.to_sample @ (there.to_common @ field), field, atol=1e-10)
    np.testing.assert_allclose(there.to_common @ field, field, atol=1e-10)


@pytest.mark.parametrize("morph", ["rbf", "elastic"])
def test_a_morph_keeps_the_boundary_and_folds_nothing(morph):
    morphing = Morphing(HOLE, morph=morph)
    images = morphing(OTHER).images
    assert folded(images, morphing.cells) == 0
    level = Ellipse((0.85, 0.55), (0.25, 0.12), 1.2).level(images[HOLE.tags["hole"]])
    np.testing.assert_allclose(level, 1, atol=3e-3)
    np.testing.assert_allclose(images[HOLE.tags["right"], 0], 2, atol=1e-12)
    area = [consistent_mass(p, c).sum() for p, c in ((images, morphing.cells), (OTHER.points, OTHER.cells))]
    assert area[0] == pytest.approx(area[1], rel=2e-3)


def test_extensions_of_affine_motions_are_affine():
    nodes = Correspondence(HOLE.points, HOLE.cells, HOLE.tags).nodes
    moved = HOLE.points @ np.array([[1.2, 0.1], [-0.2, 0.9]]) + 0.3
    for extension in (
        RadialFunctions(HOLE.points, nodes),
        Elasticity(HOLE.points, oriented(HOLE.points, HOLE.cells), nodes),
    ):
        shift = HOLE.points + np.array([0.3, -0.2])
        np.testing.assert_allclose(extension(shift[nodes]), shift, atol=1e-9)
    np.testing.assert_allclose(RadialFunctions(HOLE.points, nodes)(moved[nodes]), moved, atol=1e-9)


def test_elastic_steps_go_where_one_step_folds(monkeypatch):
    far = plate(Ellipse((0.6, 0.3), (0.24, 0.2), 0.0))
    common = plate(Ellipse((1.3, 0.65), (0.2, 0.15), 0.0))
    morphing = Morphing(common, morph="elastic")
    assert folded(morphing(far).images, morphing.cells) == 0
    monkeypatch.setattr("surrogates.meshes.morphing.extension._STEPS", (1,))
    with pytest.raises(DomainError, match=r"folds .* cells"):
        morphing(far)


def test_what_does_not_fit_is_told():
    morphing = Morphing(HOLE)
    with pytest.raises(DomainError, match="holes do not fit the morph: this mesh has 0, the common mesh 1"):
        morphing(plate())
    renamed = MeshSample(
        HOLE.points, HOLE.cells, tags={("upper" if k == "top" else k): v for k, v in HOLE.tags.items()}
    )
    with pytest.raises(DomainError, match=r"curves are .*upper"):
        morphing(renamed)
    with pytest.raises(DomainError, match="without holes"):
        Morphing(HOLE, morph="tutte")
    cells = {"triangle6": HOLE.cells["triangle6"].copy()}
    points = HOLE.points.copy()
    points[cells["triangle6"][3, 3]] += 0.5
    with pytest.raises(DomainError, match="folded"):
        morphing(MeshSample(points, cells, tags=HOLE.tags))
    solid = MeshSample(np.eye(4)[:, :3], {"tetra": np.array([[3, 0, 1, 2]])})
    with pytest.raises(DomainError, match="landmarks"):
        Morphing(solid)


def test_untagged_plates_correspond_at_their_corners():
    bare = [MeshSample(s.points, s.cells) for s in (HOLE, OTHER)]
    images = Morphing(bare[0])(bare[1]).images
    tagged = Morphing(HOLE)(OTHER).images
    np.testing.assert_allclose(images, tagged, atol=1e-9)


def test_modes_are_orthonormal_in_the_mass_matrix_and_leave_what_they_say():
    mass = consistent_mass(HOLE.points, HOLE.cells)
    x, y = HOLE.points.T
    draw = np.random.default_rng(0).normal(size=(12, 5)) * [3, 1, 0.5, 0.1, 0.01]
    shapes = np.stack([np.sin((k + 1) * x) * np.cos(k * y) for k in range(5)])
    fields = np.stack([draw @ shapes, 2 * draw[:, ::-1] @ shapes], -1)
    found = snapshot_pod(fields, mass, modes=4)
    gram = np.einsum("anc,bnc->ab", found.modes, np.stack([mass @ m for m in found.modes]))
    np.testing.assert_allclose(gram, np.eye(4), atol=1e-10)
    rest = fields - found.fields(found.coefficients(fields))
    left = np.square(norms(rest, mass)).mean()
    assert left == pytest.approx(found.spectrum[4:].sum(), rel=1e-8)
    assert len(snapshot_pod(fields, mass, tolerance=1e-9)) == 5  # both components follow from five numbers
    kept = snapshot_pod(fields, mass, tolerance=0.1)
    assert kept.spectrum[len(kept) :].sum() <= 0.01 * kept.spectrum.sum() < kept.spectrum[len(kept) - 1 :].sum()


def test_a_process_interpolates_and_leaves_out_in_closed_form():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(30, 3))
    y = np.sin(x[:, 0]) + 0.3 * x[:, 1] ** 2
    found = fit_gaussian_process(x, y)
    mean, variance = found.predict(x)
    np.testing.assert_allclose(mean, y, atol=1e-3 * y.std())
    assert variance.max() < 1e-3 * y.var()
    assert found.lengths[2] > 3 * found.lengths[0]  # y does not depend on the third input
    new = draw.normal(size=(200, 3)) * 0.8
    truth = np.sin(new[:, 0]) + 0.3 * new[:, 1] ** 2
    assert np.sqrt(np.mean((found.predict(new)[0] - truth) ** 2)) < 0.1 * y.std()
    noisy = y + 0.2 * draw.normal(size=30)
    fixed = GaussianProcess(x, noisy, np.array([1.0, 2.0, 4.0]), 0.1)
    left, spread = fixed.leave_one_out()
    for i in (0, 7):
        keep = np.arange(30) != i
        cross = gaussian_process.matern(gaussian_process._squared(x[[i]], x[keep], fixed.lengths))
        kernel = gaussian_process.matern(gaussian_process._squared(x[keep], x[keep], fixed.lengths)) + 0.1 * np.eye(29)
        assert left[i] == pytest.approx((fixed.mean + cross @ np.linalg.solve(kernel, noisy[keep] - fixed.mean)).item())
        rest = 1.1 - (cross @ np.linalg.solve(kernel, cross.T)).item()
        assert spread[i] == pytest.approx(fixed.variance * rest)


def test_slope_of_the_evidence():
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(20, 3)), draw.normal(size=20)
    squares = np.square(x[:, None] - x).transpose(2, 0, 1).copy()
    at = np.array([0.2, -0.4, 1.0, -2.0])
    error = check_grad(
        lambda p: gaussian_process._objective(p, squares, y)[0],
        lambda p: gaussian_process._objective(p, squares, y)[1],
        at,
    )
    assert error < 1e-5


def test_left_out_fields_are_those_of_a_fit_without_the_sample():
    """Against modes of the others, computed anew, and processes of the others with the same lengths and noise."""
    mass = consistent_mass(HOLE.points, HOLE.cells)
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(14, 2))
    x, y = HOLE.points.T
    fields = np.stack([np.sin(a + x) + b * y**2 + 0.1 * a * b * x for a, b in inputs])[..., None]
    found = snapshot_pod(fields, mass, modes=3)
    fixed = [GaussianProcess(inputs, c, np.array([2.0, 3.0]), 1e-3) for c in found.coefficients(fields).T]
    for i, said, variance in left_out(fields, mass, tuple(fixed), np.array([0, 5])):
        others = np.arange(14) != i
        modes = snapshot_pod(fields[others], mass, modes=3)
        anew = [
            GaussianProcess(inputs[others], c, np.array([2.0, 3.0]), 1e-3) for c in modes.coefficients(fields[others]).T
        ]
        means = np.array([[p.predict(inputs[[i]])[0][0] for p in anew]])
        np.testing.assert_allclose(said, modes.fields(means)[0], atol=2e-3)
        assert (variance > 0).all()
        assert np.abs(said - fields[i]).max() > 2 * np.abs(said - modes.fields(means)[0]).max()
