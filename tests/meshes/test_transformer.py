"""The mesh graph transformer: symmetries, its receptive field, memory, files; attention inside it is tested apart."""

import numpy as np
import pytest
import torch
from meshgraphs import graph_of, of_pairs, triangulated
from torch import nn

from surrogates.construct import construct, describe
from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.interfaces import MeshNetwork
from surrogates.meshes.halo import in_parts
from surrogates.meshes.positions import Positions, turned
from surrogates.meshes.transformer import MeshTransformer
from surrogates.physics.errors import DomainError

COMMON = {"dim": 2, "in_channels": 3, "out_channels": 2, "width": 16, "depth": 2, "heads": 2}
MODELS = {
    "edges": {},
    "gated hops": {"pattern": {"hops": 2}, "gate": True, "positions": "none"},
    "windows": {"pattern": {"strides": [1, 2], "rings": 2, "reorder": True}, "positions": ["rotary", "walk:4"]},
    "globals": {"pattern": {"globals": 3}, "positions": ["coordinates", "laplacian:2"]},
}


def make(**more):
    torch.manual_seed(0)
    model = MeshTransformer(**{**COMMON, **more}).double().eval()
    for block in model.blocks:  # sharper attention than at the start
        block.project.weight.data.mul_(4)
    return model


@pytest.fixture(params=MODELS)
def network(request):
    return make(**MODELS[request.param])


def inputs(model, n=40, seed=0):
    points, edges = triangulated(n, seed)
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(len(points), 3, dtype=torch.float64, generator=generator)
    return values, graph_of(model, points, edges)


def test_is_a_mesh_network_of_the_sizes_that_are_promised():
    sizes = {name: MeshTransformer(dim=2, in_channels=3, out_channels=2, size=name) for name in "SML"}
    assert all(isinstance(m, MeshNetwork) for m in sizes.values())
    for name, (width, depth) in {"S": (32, 5), "M": (64, 10), "L": (128, 15)}.items():
        blocks = depth * (13 * width**2 + 13 * width)  # 3 + 1 for attention, 6 + 3 for the network, biases and norms
        ends = (5 * width + width) + (width**2 + width) * 2 + 2 * width + (2 * width + 2)
        assert sum(p.numel() for p in sizes[name].parameters()) == blocks + ends


def test_renumbered_nodes_give_renumbered_results(network):
    values, graph = inputs(network)
    order = torch.randperm(len(graph), generator=torch.Generator().manual_seed(1))
    place = torch.argsort(order)
    edges = Csr.of_pairs(place[graph.edges.receivers], place[graph.edges.senders], rows=len(graph))
    if "laplacian" in network.positions.counts:  # whose signs follow from numbers
        network.positions.kept = lambda mesh, kind, count: np.ones((mesh.rows, count))
    other = graph_of(network, graph.points[order].numpy(), edges)
    torch.testing.assert_close(network(values[order], other), network(values, graph)[order], rtol=1e-11, atol=1e-11)


def test_meshes_side_by_side_are_as_alone(network):
    parts = [inputs(network, n, seed) for n, seed in ((40, 0), (25, 1), (7, 2))]
    both = network(torch.cat([v for v, _ in parts]), MeshGraph.joined([g for _, g in parts]))
    torch.testing.assert_close(both, torch.cat([network(*part) for part in parts]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["edges", "gated hops", "windows"])
def test_sees_exactly_as_far_as_its_pattern(name):
    """d y_i / d x_j is zero beyond the pattern's reach in `depth` steps, and not zero within."""
    model = make(**MODELS[name])
    values, graph = inputs(model, n=70)
    result, some = model(values.requires_grad_(), graph).sum(1), torch.arange(0, len(graph), 6)
    slopes = [torch.autograd.grad(result[i], values, retain_graph=True)[0] for i in some]
    reach = torch.eye(len(graph), dtype=torch.bool)[some]
    place = torch.argsort(graph.patterns["order"].senders) if "order" in graph.patterns else torch.arange(len(graph))
    for block in reversed(model.blocks):
        step = torch.zeros(len(graph), len(graph))
        for own in set(block.names):
            step[graph.patterns[own].receivers, graph.patterns[own].senders] = 1
        reach = (reach.float() @ step[place][:, place]) > 0
    assert torch.equal(torch.stack(slopes).abs().sum(2) > 0, reach)
    assert not reach.all()


def test_far_parts_do_not_talk_unless_global():
    points = np.concatenate([triangulated(20, 0)[0], triangulated(20, 1)[0] + 3])
    one, other = triangulated(20, 0)[1], triangulated(20, 1)[1]
    edges = Csr.joined([one, other])
    values = torch.randn(len(points), 3, dtype=torch.float64)
    changed = values.clone()
    changed[one.rows :] += 1
    for pattern, talks in (({"hops": 3}, False), ({"hops": 3, "globals": 1}, True)):
        model = make(pattern=pattern)
        graph = graph_of(model, points, edges)
        difference = (model(values, graph) - model(changed, graph))[: one.rows].abs()
        assert (difference > 0).all() if talks else (difference == 0).all()


def test_part_by_part_is_the_whole(network):
    values, graph = inputs(network, n=200)
    torch.testing.assert_close(in_parts(network, values, graph, 5), network(values, graph), rtol=1e-12, atol=1e-12)
    with pytest.raises(DomainError, match="parts=0"):
        in_parts(network, values, graph, 0)


def test_gradients_are_those_of_finite_differences(network):
    values, graph = inputs(network, n=8)
    leaves = (values.requires_grad_(), *network.blocks.parameters())
    assert torch.autograd.gradcheck(lambda v, *_: network(v, graph), leaves, fast_mode=True)
    slope = torch.autograd.grad(network(values, graph).sum(), values)[0]
    torch.testing.assert_close(torch.func.grad(lambda v: network(v, graph).sum())(values.detach()), slope)


def test_lean_is_the_same_with_less_memory(network):
    values, graph = inputs(network, n=100)
    lean = construct(describe(network) | {"lean": True}).double().eval()
    lean.load_state_dict(network.state_dict())
    kept = {}
    for name, model in (("all", network), ("lean", lean)):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: (s.append(x.numel()), x)[1], lambda x: x):
            result = model(values, graph)
        result.square().sum().backward()
        kept[name] = sum(sizes)
    for ours, theirs in zip(lean.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    assert kept["lean"] < 0.5 * kept["all"]


def test_half_precision_is_near():
    model = make().float()
    values, graph = inputs(model)
    half = construct(describe(model) | {"bfloat16": True}).eval()
    half.load_state_dict(model.state_dict())
    one, other = (m(values.float(), graph.to(dtype=torch.float32)) for m in (model, half))
    assert other.dtype == torch.float32
    assert 0 < (one - other).abs().max() < 0.05 * one.abs().max()
    other.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in half.parameters())


def test_written_and_constructed_again_it_is_the_same(network):
    values, graph = inputs(network)
    again = construct(describe(network)).double().eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(values, graph), network(values, graph))


def test_rotations_leave_relative_places_only():
    """q_i.k_j does not change when all points move, and attention does see where they are."""
    positions = Positions("rotary", 2, 10).double().eval()
    points = torch.rand(7, 2, dtype=torch.float64)
    q, k = torch.randn(2, 7, 1, 10, dtype=torch.float64)
    every = Csr.of_pairs(*torch.cartesian_prod(torch.arange(7), torch.arange(7)).T, rows=7)

    def scores(points):
        _, turns = positions(MeshGraph(points, {"edges": every}, torch.tensor([0, 7])))
        return torch.einsum("ihd,jhd->ij", turned(q, turns), turned(k, turns))

    torch.testing.assert_close(scores(points + 3), scores(points), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(scores(points).diag(), (q * k).sum((1, 2)), rtol=1e-12, atol=1e-12)
    assert (scores(2 * points) - scores(points)).abs().max() > 0.1


def test_signs_of_eigenvectors_are_drawn_in_training_only():
    positions = Positions("laplacian:3", 2, 4)
    points, edges = triangulated(60)
    graph = MeshGraph(torch.from_numpy(points), {"edges": edges}, torch.tensor([0, len(points)]))
    fixed = positions.eval()(graph)[0]
    torch.testing.assert_close(positions(graph)[0], fixed, rtol=0, atol=0)
    torch.manual_seed(0)
    drawn = torch.stack([positions.train()(graph)[0] for _ in range(20)])
    torch.testing.assert_close(drawn.abs(), fixed.abs().expand_as(drawn))
    assert len({tuple(x[0].sign().tolist()) for x in drawn}) > 4


def test_learns_a_function_of_neighbours():
    """One block solves what no function of a node alone can: the mean over the neighbours."""
    model = make(depth=1, positions="none", pattern={"loops": False}).train()
    points, edges = triangulated(60)
    graph, generator = graph_of(model, points, edges), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(80):
        values = torch.randn(len(points), 3, dtype=torch.float64, generator=generator)
        mean = values.new_zeros(len(points), 3).index_add(0, edges.receivers, values[edges.senders])
        target = mean[:, :2] / edges.degrees[:, None]
        loss = nn.functional.mse_loss(model(values, graph), target) / target.var()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_nodes_without_neighbours():
    model = make(pattern={"loops": False})
    graph = graph_of(model, np.array([[0.0, 0], [1, 0], [0, 1], [9, 9]]), of_pairs([(0, 1), (1, 2), (2, 0)], 4))
    result = model(torch.randn(4, 3, dtype=torch.float64), graph)
    result.sum().backward()
    assert torch.isfinite(result).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": "XL"}, "there are S, M, L"),
        ({"width": 30, "heads": 4}, "make it a multiple"),
        ({"heads": 0}, "heads=0"),
        ({"positions": "cordinates"}, "positions='cordinates'"),
        ({"positions": "walk:0"}, "positions='walk:0'"),
        ({"positions": "rotary", "width": 4, "heads": 4}, "fewer heads"),
        ({"pattern": {"hop": 1}}, "mapping of hops"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        MeshTransformer(**{**COMMON, **wrong})


def test_a_graph_that_does_not_fit_is_refused():
    model = make(pattern={"strides": [2], "reorder": True})
    values, graph = inputs(model)
    with pytest.raises(DomainError, match="make it with dim and in_channels"):
        model(values[:, :2], graph)
    for name in ("attention 2", "order"):
        rest = {k: p for k, p in graph.patterns.items() if k != name}
        with pytest.raises(DomainError, match=f"needs the pattern '{name}'"):
            model(values, MeshGraph(graph.points, rest, graph.offsets))
