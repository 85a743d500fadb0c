"""Data sets of meshes, and the batches made of them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.datasets import Meshes, MeshPrediction, MeshSample
from surrogates.datasets.adapters.mesh_files import read_mesh
from surrogates.datasets.batch import Csr, MeshBatch, MeshGraph
from surrogates.physics.errors import DomainError


def square(shift=0.0, **given):
    points = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) + shift
    cells = {"triangle": np.array([[0, 1, 2], [0, 2, 3]])}
    fields = {"t": points.sum(1)}
    return MeshSample(points=points, cells=cells, fields=fields, parameters={"k": 1.0}, **given)


def csr(sample):
    senders, starts = sample.edges()
    return Csr(torch.from_numpy(senders), torch.from_numpy(starts), len(sample))


def dense(pattern):
    found = torch.zeros(pattern.rows, pattern.columns)
    found[pattern.receivers, pattern.senders] = 1
    return found


def test_a_pattern_its_transpose_and_joined_patterns_are_those_of_dense_matrices():
    random = torch.Generator().manual_seed(0)
    marks = [torch.rand(5, 7, generator=random) < 0.4, torch.rand(3, 2, generator=random) < 0.5]
    parts = [Csr.of_pairs(*m.nonzero().T, rows=m.shape[0], columns=m.shape[1]) for m in marks]
    transposed, entries = parts[0].transposed
    assert torch.equal(dense(transposed), marks[0].T.float())
    assert torch.equal(parts[0].senders[entries], transposed.receivers)
    assert torch.equal(dense(Csr.joined(parts)), torch.block_diag(*(m.float() for m in marks)))


def test_joined_graphs_keep_their_nodes_and_neighbours_apart():
    graphs = [
        MeshGraph(torch.from_numpy(s.points), {"edges": csr(s)}, torch.tensor([0, 4])) for s in (square(), square(5.0))
    ]
    both = MeshGraph.joined([MeshGraph.joined(graphs), graphs[0]])
    assert both.offsets.tolist() == [0, 4, 8, 12]
    assert both.mesh_of.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (both.mesh_of[both.edges.receivers] == both.mesh_of[both.edges.senders]).all()
    batch = MeshBatch(both.points, both, None, None, torch.ones(12).double(), torch.zeros(3, 0))
    single = batch.to("cpu", torch.float32)
    assert len(batch) == 3
    assert single.graph.points.dtype == single.mass.dtype == torch.float32
    assert batch.to("cpu", torch.float64).graph is both


def test_designs_stay_whole_in_a_split_and_rows_are_known_by_their_problem():
    same = [replace(square(float(k // 2)), parameters={"k": float(k)}) for k in range(20)]
    data = Meshes(same, units={"t": "K"})
    train, rest = data.split(0.5, 0.5, seed=1)
    places = [{float(s.points[0, 0]) for s in part} for part in (train, rest)]
    assert len(train) == len(rest) == 10
    assert not places[0] & places[1]
    assert len(set(data.row_hashes())) == 20
    assert len((data + data).distinct()) == 20
    assert data.hash == pickle.loads(pickle.dumps(data)).hash != data[::-1].hash
    assert data[np.array([3, 5])].parameter("k").tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (replace(square(), fields={}), "lacks the fields t"),
        (replace(square(), parameters={"k": 1.0, "nu": 0.3}), "has the parameters nu besides"),
        (replace(square(), points=np.zeros((4, 3))), "3 dimensions"),
        (replace(square(), fields={"t": np.zeros((4, 2))}), "components of t"),
    ],
)
def test_a_mesh_unlike_the_others_is_named(other, told):
    with pytest.raises(DomainError, match=f"mesh 1 .*{told}"):
        Meshes([square(), other])


def test_a_prediction_is_written_with_its_spread(tmp_path):
    sample = square(units={"points": "m"})
    found = MeshPrediction(sample, {"t": np.arange(4.0)}, {"t": np.full(4, 0.1)})
    back = read_mesh(found.write(tmp_path / "square.vtu"), dim=2)
    assert set(back.fields) == {"t", "t_std"}
    assert (back.fields["t"] == np.arange(4.0)).all()
    history = MeshPrediction(sample, {"t": np.arange(8.0).reshape(2, 4)}, times=np.array([0.0, 1.0]))
    assert (read_mesh(history.write(tmp_path / "last.vtu"), dim=2).fields["t"] == np.arange(4.0, 8)).all()
