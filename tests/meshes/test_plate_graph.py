"""Plate graphs of stiffened panels: found from the mesh alone, symmetric, exact on their grid, of any size."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.datasets.generators.panels import panel_sample
from surrogates.meshes.graph_sage import PanelGraph
from surrogates.meshes.plate_graph import PlateGraphNet
from surrogates.meshes.plate_grid import from_grid, joined, to_grid
from surrogates.meshes.plates import contacts, find_plates
from surrogates.meshes.vertex_graph import VertexGraphNet
from surrogates.physics.errors import DomainError
from surrogates.physics.meshes import Panel, Patch, Resolution, Stiffener

COARSE = Resolution(8, 4, 3, 2)
PANEL = Panel(
    2.4,
    1.7,
    0.012,
    (Stiffener(0.5, 0.18, 0.008, 0.1, 0.012), Stiffener(1.15, 0.15, 0.010, 0.08, 0.014)),
    {"x0": "simply_supported", "x1": "simply_supported", "y1": "simply_supported"},
    210e3,
)
PATCH = Patch(0.2, (0.31, 1.17), (0.2, 0.93))
FINE = panel_sample(PANEL, pressure=0.04, patches=[PATCH], resolution=Resolution(12, 6, 3, 2))


def small(**settings):
    torch.manual_seed(0)
    return PlateGraphNet(width=16, depth=6, grid=(8, 6), hidden=32, **settings).double()


def mirrored(sample, axis):
    """The mesh in a mirror: nodes move, cells stay, so that their normals turn around and their faces change places."""
    points = sample.points.copy()
    points[:, axis] = points[:, axis].max() - points[:, axis]
    pressure = {"pressure": {"quad": -sample.cell_fields["pressure"]["quad"]}}  # along the cells' own normals
    faces = sample.cell_fields["von_mises"]["quad"].reshape(-1, 4, 2)[..., ::-1].reshape(-1, 8)
    changed = {**pressure, "von_mises": {"quad": faces}}
    return replace(sample, points=points, cell_fields={**sample.cell_fields, **changed})


def shuffled(sample, seed=0):
    """Other numbers of plates, other order of cells and nodes, other first corners: the same panel."""
    random = np.random.default_rng(seed)
    nodes, cells = random.permutation(len(sample)), random.permutation(len(sample.cells["quad"]))
    back = np.argsort(nodes)
    start = random.integers(0, 4, len(cells))
    order = (start[:, None] + np.arange(4)) % 4
    fields = {name: {"quad": v["quad"][cells]} for name, v in sample.cell_fields.items()}
    number = random.permutation(int(fields["plate"]["quad"].max()) + 1)
    fields["plate"] = {"quad": number[fields["plate"]["quad"]]}
    corners = fields["von_mises"]["quad"].reshape(-1, 4, 2)
    fields["von_mises"] = {"quad": np.take_along_axis(corners, order[..., None], axis=1).reshape(-1, 8)}
    return (
        number,
        nodes,
        replace(
            sample,
            points=sample.points[nodes],
            cells={"quad": np.take_along_axis(back[sample.cells["quad"][cells]], order, axis=1)},
            fields={name: v[nodes] for name, v in sample.fields.items()},
            cell_fields=fields,
            cell_tags={name: {"quad": v["quad"][cells]} for name, v in sample.cell_tags.items()},
            tags={name: v[nodes] for name, v in sample.tags.items()},
        ),
    )


def predicted(model, sample):
    with torch.no_grad():
        return model.at_nodes(sample, model(model.graph(sample)).numpy())


def test_plates_and_their_contacts():
    """Three bays, two webs and two flanges; three plates meet at each foot of a web, a flange has its web inside."""
    plates = find_plates(FINE)
    assert [p.size for p in plates[:3]] == [pytest.approx((2.4, w)) for w in (0.5, 0.65, 0.55)]
    assert [p.lines for p in plates[3:]] == [(), (pytest.approx(0.05),), (), (pytest.approx(0.04),)]
    found = contacts(plates, FINE.points)
    pairs = set(zip(found.senders.tolist(), found.receivers.tolist(), strict=True))
    assert pairs == {
        p for a, b in [(0, 1), (0, 3), (1, 3), (1, 2), (1, 5), (2, 5), (3, 4), (5, 6)] for p in ((a, b), (b, a))
    }
    web = (found.senders == 3) & (found.receivers == 4)
    assert found.lines[web].tolist() == [[3, 4]]
    assert found.places[web][0, 1] == pytest.approx(0.5)
    assert small().graph(FINE).diameter == 4  # flange, web, the bay between, web, flange


@pytest.mark.parametrize("resolution", [Resolution(), Resolution(28, 10, 4, 2)])
def test_grid_holds_the_field(resolution):
    """From the mesh to the grid and back: below 1 % of the stress in L2, its peak to 0.3 %; two meshes, one grid."""
    sample = panel_sample(PANEL, pressure=0.04, patches=[PATCH], resolution=resolution)
    plates, values = find_plates(sample), sample.cell_fields["von_mises"]["quad"].reshape(-1, 4, 2)
    wrong, whole, back = 0.0, 0.0, []
    for plate in plates:
        nodal = plate.nodal(values)
        back.append(from_grid(plate, to_grid(plate, nodal, (24, 12))))
        area = np.gradient(plate.along)[:, None] * np.gradient(plate.across)
        wrong, whole = wrong + (area * (back[-1] - nodal) ** 2).sum(), whole + (area * nodal**2).sum()
    assert np.sqrt(wrong / whole) < 0.01
    peak = sample.fields["von_mises"].max()
    assert joined(plates, back, len(sample)).max() == pytest.approx(peak, rel=3e-3)


def test_faces_and_corners_find_their_places():
    """The largest of both faces of all plates at a node is the field at nodes, whatever the order of cells' corners."""
    for sample in (FINE, shuffled(FINE)[2]):
        plates, values = find_plates(sample), sample.cell_fields["von_mises"]["quad"].reshape(-1, 4, 2)
        found = joined(plates, [p.nodal(values) for p in plates], len(sample))
        lines = np.unique(np.concatenate([p.nodes[:, np.isin(p.across, p.lines)].ravel() for p in plates]))
        other = np.setdiff1d(np.arange(len(sample)), lines)  # on lines inside, halves of a flange have their mean
        np.testing.assert_allclose(found[other], sample.fields["von_mises"][other], rtol=1e-12)


def test_numbering_does_not_matter():
    """Relabelled plates, nodes and cells: the graphs are the same up to the numbers of their vertices, and so is what a
    network says of them."""
    number, nodes, other = shuffled(FINE)
    model = small()
    one, two = model.graph(FINE, "von_mises"), model.graph(other, "von_mises")
    torch.testing.assert_close(two.features[number], one.features)
    torch.testing.assert_close(two.target[number], one.target)
    torch.testing.assert_close(model(two)[number], model(one), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(predicted(model, other), predicted(model, FINE)[nodes], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1])
def test_mirror_images(axis):
    """A mirrored panel has the mirrored graph, the reference's target too, and mirrored predictions."""
    image = mirrored(FINE, axis)
    model = small()
    predictions = predicted(model, FINE), predicted(model, image)
    np.testing.assert_allclose(*predictions, rtol=1e-9, atol=1e-9)
    assert np.ptp(predictions[0]) > 1e-3
    one, two = model.graph(FINE, "von_mises"), model.graph(image, "von_mises")
    mirror = model.images.index((axis,))
    torch.testing.assert_close(two.features[:, 0], one.features[:, mirror])  # told of the image, and seen in the mirror
    torch.testing.assert_close(two.edges[:, 0], one.edges[:, mirror])
    turned = one.turned[:, mirror]
    target = one.target
    for place, dim in enumerate((2, 3, 1)):
        target = torch.where(turned[:, place, None, None, None], target.flip(dim), target)
    torch.testing.assert_close(two.target, target, rtol=1e-8, atol=1e-8)


def test_without_mirrors_the_symmetry_is_lost():
    """The saboteur of the law above."""
    model = small(mirrors=())
    apart = np.abs(predicted(model, FINE) - predicted(model, mirrored(FINE, 1))).max()
    assert apart > 1e-3


def test_pressure_scales_the_stress():
    """Twice the pressure, the same graph but for its unit; a panel of twice the size too."""
    model, factors = small(), (1.0, 2.0)
    graphs = [model.graph(panel_sample(PANEL, pressure=0.03 * f, resolution=COARSE, solved=False)) for f in factors]
    torch.testing.assert_close(graphs[0].features, graphs[1].features)
    assert graphs[1].scale.item() == pytest.approx(2 * graphs[0].scale.item())
    sample = panel_sample(PANEL, pressure=0.03, resolution=COARSE, solved=False)
    thick = {**sample.cell_fields, "thickness": {"quad": 2 * sample.cell_fields["thickness"]["quad"]}}
    larger = model.graph(replace(sample, points=2 * sample.points, cell_fields=thick))
    torch.testing.assert_close(larger.features, graphs[0].features)


def test_more_stiffeners_and_batches():
    """Panels of any number of stiffeners, also none, side by side as one by one."""
    bars = tuple(Stiffener(0.4 * (k + 1), 0.1, 0.008, 0.05, 0.01) for k in range(6))
    many = replace(PANEL, width=2.8, stiffeners=bars)
    designs = (PANEL, many, replace(PANEL, stiffeners=()), replace(many, stiffeners=(replace(bars[2], flange=0.0),)))
    samples = [panel_sample(p, pressure=0.03, resolution=COARSE, solved=False) for p in designs]
    for model in (small(), VertexGraphNet(width=8, depth=3).double()):
        graphs = [model.graph(s) for s in samples]
        together = model(PanelGraph.joined(graphs))
        alone = torch.cat([model(g) for g in graphs])
        torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    assert len(small().graph(samples[1]).features) == 7 + 6 + 6


def test_depth_reaches_as_far_as_told():
    """What changes at a flange is felt `depth` plates further, not beyond."""
    graph = small().graph(FINE)
    hops = torch.eye(len(graph.features), dtype=torch.bool)[4]
    for _ in range(2):
        hops = hops | torch.zeros_like(hops).index_put((graph.receivers[hops[graph.senders]],), torch.tensor(True))
    torch.manual_seed(0)
    model = PlateGraphNet(width=16, depth=2, grid=(8, 6), hidden=32).double()
    features = graph.features.clone()
    features[4] += 0.3
    changed = (model(graph) - model(replace(graph, features=features))).abs().flatten(1).amax(dim=1) > 1e-12
    assert torch.equal(changed, hops)
    assert not bool(hops.all())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cell_fields": {}}, "no cell field 'plate'"),
        ({"fields": {}}, "no field 'fixed'"),
        ({"parameters": {}}, "no parameter 'poisson'"),
        (
            {"cell_fields": {**FINE.cell_fields, "pressure": {"quad": 0 * FINE.cell_fields["pressure"]["quad"]}}},
            "load it",
        ),
        ({"cell_fields": {**FINE.cell_fields, "plate": {"quad": np.zeros(len(FINE.cells["quad"]))}}}, "flat rectangle"),
    ],
)
def test_meshes_that_are_no_plates(change, told):
    with pytest.raises(DomainError, match=told):
        small().graph(replace(FINE, **change), "von_mises")


def test_bad_networks_are_named():
    with pytest.raises(DomainError, match="mirrors="):
        PlateGraphNet(mirrors=("x", "w"))
    with pytest.raises(DomainError, match="two numbers from 4"):
        PlateGraphNet(grid=(2, 10))
    with pytest.raises(DomainError, match="aggregators"):
        PlateGraphNet(aggregators=("sum",))
