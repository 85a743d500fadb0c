"""MeshGraphNet: symmetries, its equations in their plain form, world edges, memory, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from meshgraphs import graph_of, of_pairs, triangulated
from torch import nn

from surrogates.construct import construct, describe
from surrogates.datasets.batch import Csr, MeshGraph
from surrogates.interfaces import MeshNetwork
from surrogates.meshes.bi_stride import BiStrideMeshGraphNet
from surrogates.meshes.edges import EdgeNorm, edge_vectors, world_edges
from surrogates.meshes.graph_inputs import check_radius
from surrogates.meshes.mesh_graph_net import MeshGraphNet
from surrogates.physics.errors import DomainError

SIZES = {"dim": 2, "in_channels": 3, "out_channels": 2, "width": 8}
MODELS = {
    "still": lambda: MeshGraphNet(depth=3, **SIZES),
    "moving": lambda: MeshGraphNet(depth=3, world_radius=0.2, **SIZES),
    "levels": lambda: BiStrideMeshGraphNet(levels=2, **SIZES),
    "moving levels": lambda: BiStrideMeshGraphNet(levels=2, world_radius=0, **SIZES),
}


@pytest.fixture(params=MODELS)
def network(request):
    torch.manual_seed(0)
    return MODELS[request.param]().double()


def inputs(model, n=40, seed=0, shift=0.0):
    """Values and the graph of a mesh that is bent where the model lets it move; all on a grid of 1/64."""
    points, edges = triangulated(n, seed)
    moved = None
    if model.world_radius is not None:
        moved = points + np.round(64 * np.sin(points[:, ::-1])) / 64 + shift
    values = torch.randn(len(points), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values, graph_of(model, points + shift, edges, moved)


def test_is_a_mesh_network(network):
    assert isinstance(network, MeshNetwork)


def test_does_not_see_where_the_mesh_is(network):
    there, here = inputs(network, shift=16.0), inputs(network)
    torch.testing.assert_close(network(*there), network(*here), rtol=1e-13, atol=1e-13)
    stretched = replace(here[1], points=2 * here[1].points)
    assert (network(here[0], stretched) - network(*here)).abs().max() > 1e-3


def test_without_levels_a_shift_changes_no_bit():
    network = MODELS["moving"]().double()
    assert torch.equal(network(*inputs(network, shift=16.0)), network(*inputs(network)))


def test_renumbered_nodes_give_renumbered_results(network):
    values, graph = inputs(network)
    order = torch.randperm(len(graph), generator=torch.Generator().manual_seed(1))
    place = torch.argsort(order)
    edges = Csr.of_pairs(place[graph.edges.receivers], place[graph.edges.senders], rows=len(graph))
    moved = None if graph.moved is None else graph.moved[order].numpy()
    other = graph_of(network, graph.points[order].numpy(), edges, moved)
    torch.testing.assert_close(network(values[order], other), network(values, graph)[order], rtol=1e-11, atol=1e-11)


def test_meshes_side_by_side_are_as_alone(network):
    parts = [inputs(network, n, seed) for n, seed in ((40, 0), (25, 1), (7, 2))]
    network(*parts[0])
    network.eval()
    both = network(torch.cat([v for v, _ in parts]), MeshGraph.joined([g for _, g in parts]))
    torch.testing.assert_close(both, torch.cat([network(*part) for part in parts]), rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences(network):
    values, graph = inputs(network, n=8)
    network.decode.requires_grad_(False)  # few enough numbers
    some = [p for p in network.parameters() if p.requires_grad and p.ndim == 1][:4]
    network(values, graph)  # collects its normalisation
    network.eval()
    torch.autograd.gradcheck(lambda v, *_: network(v, graph), (values.requires_grad_(), *some), atol=1e-6)


def test_lean_is_the_same_with_less_memory(network):
    values, graph = inputs(network, n=200)
    lean = construct(describe(network) | {"lean": True}).double()
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
    assert kept["lean"] < 0.6 * kept["all"]


def test_written_and_constructed_again_it_is_the_same(network):
    values, graph = inputs(network)
    network(values, graph)
    again = construct(describe(network)).double()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(values, graph), network.eval()(values, graph))


def test_nodes_without_neighbours_and_worlds_without_pairs(network):
    points = np.array([[0.0, 0], [1, 0], [0, 1], [9, 9]])
    moved = None if network.world_radius is None else points
    graph = graph_of(network, points, of_pairs([(0, 1), (1, 2), (2, 0)], 4), moved)
    values = torch.randn(4, 3, dtype=torch.float64)
    result = network(values, graph)
    result.sum().backward()
    assert torch.isfinite(result).all()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())
    assert all(len(p) == 0 for name, p in graph.patterns.items() if name == "world")
    changed = network(values + torch.tensor([[0.0], [0], [0], [1]]).double(), graph) - result
    assert changed[:3].abs().max() == 0 < changed[3].abs().max()
    empty = graph_of(network, points, of_pairs([], 4), moved)
    assert torch.isfinite(network(values, empty)).all()


def test_a_block_lets_nodes_see_one_more_ring():
    points = np.stack([np.arange(8.0), np.zeros(8)], axis=1)
    network = MODELS["still"]().double()
    graph = graph_of(network, points, of_pairs([(k, k + 1) for k in range(7)], 8))
    slopes = torch.autograd.functional.jacobian(lambda v: network(v, graph), torch.randn(8, 3, dtype=torch.float64))
    reach = slopes.abs().sum((1, 3)) > 0
    hops = (torch.arange(8)[:, None] - torch.arange(8)).abs()
    assert torch.equal(reach, hops <= 3)


def joined_form(network, values, graph):
    """Section 3.2 to the letter: concatenated inputs, one edge after another, networks by their weights."""

    def mlp(x, layers, norm=None):
        for k, (weight, bias) in enumerate(layers):
            x = x @ weight.T + bias
            x = x.relu() if k < len(layers) - 1 else x
        return x if norm is None else nn.functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias)

    def layers(module):
        return [(m.weight, m.bias) for m in module.modules() if isinstance(m, nn.Linear)]

    def norm(module):
        return next(m for m in module.modules() if isinstance(m, nn.LayerNorm))

    nodes = mlp(values, layers(network.encode), norm(network.encode))
    edges = {}
    for kind, encode in network.encode_edges.items():
        pattern = graph.patterns[kind]
        where = [graph.moved] if kind == "world" else [graph.points, *([graph.moved] * (graph.moved is not None))]
        features = []
        for i, j in zip(pattern.receivers, pattern.senders, strict=True):
            features.append(torch.cat([t for x in where for t in (x[i] - x[j], (x[i] - x[j]).norm()[None])]))
        edges[kind] = mlp(torch.stack(features), layers(encode), norm(encode))
    for block in network.blocks:
        sums = []
        for kind, e in edges.items():
            net, pattern = block.edges[kind], graph.patterns[kind]
            joined = torch.cat([e, nodes[pattern.senders], nodes[pattern.receivers]], dim=1)
            edges[kind] = e + mlp(joined, layers(net), norm(net))
            sums.append(torch.stack([edges[kind][pattern.receivers == i].sum(0) for i in range(len(graph))]))
        nodes = nodes + mlp(torch.cat([nodes, *sums], dim=1), layers(block.nodes), norm(block.nodes))
    return mlp(nodes, layers(network.decode))


@pytest.mark.parametrize("name", ["still", "moving"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_paper_with_joined_inputs(name, dtype):
    torch.manual_seed(0)
    network = MODELS[name]().to(dtype).eval()
    values, graph = inputs(network)
    values, graph = values.to(dtype), graph.to(dtype=dtype)
    ours, plain = network(values, graph), joined_form(network, values, graph)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-12)
    for p, a, b in zip(
        network.parameters(),
        torch.autograd.grad(ours.square().sum(), list(network.parameters()), allow_unused=True),
        torch.autograd.grad(plain.square().sum(), list(network.parameters()), allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(p.grad is None or 1))


@pytest.mark.parametrize("dim", [2, 3])
def test_world_edges_are_pairs_in_reach_that_are_no_neighbours(dim):
    points, edges = triangulated(60, dim=dim)
    moved = np.abs(points - 0.5)  # folded onto itself
    found = world_edges(moved, edges, 0.15)
    near = np.linalg.norm(moved[:, None] - moved, axis=-1) <= 0.15
    near[edges.receivers, edges.senders] = False
    np.fill_diagonal(near, False)
    assert len(found) == near.sum() > 0
    assert near[found.receivers, found.senders].all()


def test_world_edges_carry_messages_where_the_mesh_does_not():
    points = np.array([[0.0, 0], [1, 0], [0, 0.1], [1, 0.1]])
    network = MODELS["moving"]().double()
    values = torch.randn(4, 3, dtype=torch.float64)
    edges = of_pairs([(0, 1), (2, 3)], 4)
    for gap, touches in ((0.1, True), (0.3, False)):
        moved = points + np.array([[0, 0], [0, 0], [0, gap - 0.1], [0, gap - 0.1]])
        graph = graph_of(network, points, edges, moved)
        slopes = torch.autograd.functional.jacobian(lambda v, g=graph: network(v, g), values)
        assert (slopes[:2, :, 2:].abs().max() > 0) == touches


def test_edge_norms_learn_in_training_then_stay():
    norm = EdgeNorm(3).double()
    x = torch.randn(500, 3, dtype=torch.float64) * torch.tensor([2.0, 0.01, 0.0]).double() + 1.0
    assert torch.equal(norm.eval()(x), x)
    norm.train()
    for part in x.split([100, 250, 150]):
        norm(part)
    result = norm.eval()(x)
    torch.testing.assert_close(result.mean(0), torch.zeros(3).double(), atol=1e-10, rtol=0)
    torch.testing.assert_close(
        result.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]).double(), rtol=1e-4, atol=1e-9
    )
    norm.train().edges.fill_(2e6)
    norm(100 * x)
    assert torch.equal(norm.eval()(x), result)


def test_edge_vectors_point_from_sender_to_receiver():
    found = edge_vectors(torch.tensor([[0.0, 0], [3, 4]]), Csr(torch.tensor([1]), torch.tensor([0, 1, 1]), 2))
    assert found.tolist() == [[-3.0, -4.0, 5.0]]


def test_bad_input_gets_one_clear_error():
    points, edges = triangulated(10)
    still, moving = MODELS["still"]().double(), MODELS["moving"]().double()
    graph = graph_of(still, points, edges)
    values = torch.zeros(len(points), 3).double()
    with pytest.raises(DomainError, match="width=0"):
        MeshGraphNet(**{**SIZES, "width": 0})
    for wrong in (-1.0, float("nan"), "near", True):
        with pytest.raises(DomainError, match="world_radius"):
            check_radius(wrong)
    with pytest.raises(DomainError, match="contact"):
        BiStrideMeshGraphNet(world_radius=0.1, **SIZES)
    with pytest.raises(DomainError, match="3 channels"):
        still(values[:, :2], graph)
    with pytest.raises(DomainError, match="made for one that moves"):
        moving(values, graph)
    with pytest.raises(DomainError, match="made for one that stays"):
        still(values, replace(graph, moved=graph.points))
    with pytest.raises(DomainError, match="'world'"):
        moving(values, replace(graph, moved=graph.points))
    with pytest.raises(DomainError, match="'level_1'"):
        MODELS["levels"]().double()(values, graph)
    with pytest.raises(DomainError, match="finite"):
        world_edges(np.full((len(points), 2), np.nan), edges, 0.1)
