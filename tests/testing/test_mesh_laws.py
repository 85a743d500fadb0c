"""Every law of meshes catches its saboteur, and passes an honest network; what is not claimed is not judged."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skfem import MeshTri

from surrogates.datasets import Meshes, MeshSample
from surrogates.physics.errors import DomainError
from surrogates.tasks.mesh_map import MeshMap
from surrogates.testing import MeshClaims, check, check_meshes
from surrogates.testing.mesh_saboteurs import SABOTEURS, Smoothing
from surrogates.testing.mesh_transforms import refined
from surrogates.training import Plan, fit

CLAIMS = MeshClaims(symmetry=("translation", "rotation"), row_stochastic=True, reach=3, remeshing=0.01)


def plate(k: int) -> MeshSample:
    """An irregular rectangle, all its own."""
    rng = np.random.default_rng(k)
    mesh = MeshTri.init_tensor(np.linspace(0, 1.5, 9 + k), np.linspace(0, 1, 7))
    points = mesh.p.T.copy()
    inner = (points > 0).all(axis=1) & (points[:, 0] < 1.5) & (points[:, 1] < 1)
    points[inner] += 0.02 * rng.normal(size=(inner.sum(), 2))
    fields = {"load": np.sin(2 * points), "answer": points[:, 0] ** 2}
    return MeshSample(
        points, {"triangle": mesh.t.T.astype(np.int64)}, fields, tags={"left": points[:, 0] == 0}, group=str(k)
    )


@pytest.fixture(scope="module")
def meshes():
    return [plate(k) for k in range(3)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Smoothing(dim=2, in_channels=3, out_channels=2).double()


def test_an_honest_network_obeys_every_law(network, meshes):
    report = check_meshes(network, meshes, claims=CLAIMS)
    assert report.passed
    assert {law.name for law in report.laws if not law.passed} == {"prescribed values"}


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_each_saboteur_breaks_its_own_law_alone(saboteur, network, meshes):
    report = check_meshes(saboteur(network), meshes, claims=CLAIMS)
    assert {law.name for law in report.failed} == set(saboteur.breaks)


def test_a_trained_task_with_prescribed_values(meshes):
    data = Meshes(meshes)
    told = {"input": "load", "target": "answer", "tags": "left"}
    n_in, n_out = MeshMap.channels(data, **told)
    task = MeshMap(Smoothing(dim=2, in_channels=n_in, out_channels=n_out), **told, prescribed={"answer": "left"})
    fitted = fit(task, data, plan=Plan(steps=3, batch_size=2), seed=0)
    report = check(fitted, data)
    assert report.passed
    assert report["prescribed values"].passed
    assert report["saved = loaded"].passed
    assert report["translation"].passed
    assert report["rotation"].verdict == "not applicable"
    told_points = MeshMap(task.model, **told | {"tags": (), "coordinates": "distance:left"})
    assert MeshClaims.of(told_points).symmetry == ("translation",)
    assert MeshClaims.of(MeshMap(task.model, target="answer", coordinates=True)).symmetry == ()


def test_refined_meshes_interpolate_their_fields(meshes):
    fine = refined(meshes[0])
    assert len(fine.cells["triangle"]) == 4 * len(meshes[0].cells["triangle"])
    np.testing.assert_allclose(fine.points[: len(meshes[0])], meshes[0].points)
    on_left = fine.points[:, 0] < 1e-12
    np.testing.assert_array_equal(fine.tags["left"], on_left)
    with pytest.raises(DomainError, match="not refined"):
        refined(replace(meshes[0], cells={"tetra": np.array([[0, 1, 2, 3]])}))


def test_quadratic_triangles_stay_exact_for_quadratics():
    points = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0], [0.5, 0.5], [0, 0.5]], dtype=float)
    fields = {"u": points[:, 0] * points[:, 1] + points[:, 0] ** 2}
    fine = refined(MeshSample(points, {"triangle6": np.arange(6)[None]}, fields))
    assert len(fine) == 15
    x, y = fine.points.T
    np.testing.assert_allclose(fine.fields["u"], x * y + x**2, atol=1e-14)
    ends, middles = fine.cells["triangle6"][:, :3], fine.cells["triangle6"][:, 3:]
    np.testing.assert_allclose(fine.points[middles], (fine.points[ends] + fine.points[np.roll(ends, -1, axis=1)]) / 2)


def test_wrong_claims_and_no_meshes_are_refused(network):
    with pytest.raises(DomainError, match="symmetry="):
        MeshClaims(symmetry="rotation")
    with pytest.raises(DomainError, match="at least one"):
        check_meshes(network, [])
    with pytest.raises(DomainError, match="says nothing of meshes"):
        check_meshes(3, [plate(0)])
