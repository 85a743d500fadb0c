"""Heads that share a trunk: the equations of their loss, their data, and what cannot be made into heads."""

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.datasets.sample import Sample
from surrogates.physics.errors import DomainError
from surrogates.potentials.mace import MACE
from surrogates.potentials.pair import Morse
from surrogates.potentials.tensornet import TensorNet
from surrogates.tasks.energy import EnergyForces
from surrogates.tasks.mixture import Mixture
from surrogates.tasks.multi_head import MultiHead, with_replay
from surrogates.tasks.trunk import readout_names, shares_trunk, trunk_names, twin


def rows(n, seed=0, shift=0.0):
    """Dimers and trimers of H and O with random labels."""
    rng, found = np.random.default_rng(seed), []
    for k in range(n):
        m = 2 + k % 2
        places = np.arange(3.0 * m).reshape(m, 3) * 0.4 + rng.normal(0, 0.05, (m, 3))
        labels = {"energy": float(rng.normal()) + shift, "forces": rng.normal(size=(m, 3))}
        found.append(Sample(rng.choice([1, 8], m), places, np.zeros((3, 3)), np.zeros(3, bool), **labels))
    return found


def net(kind="TensorNet"):
    torch.manual_seed(0)
    if kind == "MACE":
        return MACE(
            elements=["H", "O"], r_max=3.0, hidden="4x0e + 4x1o", edge_l_max=1, correlation=2, radial_widths=[4]
        )
    return TensorNet(elements=["H", "O"], r_max=3.0, channels=4, layers=2, n_radial=4)


def trained(kind="TensorNet", loss="squared"):
    task = EnergyForces(net(kind), loss=loss).double()
    task.prepare(rows(6))
    return task


@pytest.fixture
def heads():
    return with_replay(trained(), weights={"new": 2.0, "pretrained": 0.5})


@pytest.mark.parametrize("kind", ["TensorNet", "MACE"])
def test_a_twin_has_its_own_readout_on_the_same_trunk(kind):
    task = trained(kind)
    other = twin(task)
    batch = task.collate(rows(4)).atoms
    torch.testing.assert_close(other.predict(batch).forces, task.predict(batch).forces, rtol=0, atol=0)
    mine, theirs = dict(task.model.named_parameters()), dict(other.model.named_parameters())
    assert all(mine[n] is theirs[n] for n in trunk_names(task.model))
    assert all(mine[n] is not theirs[n] for n in readout_names(task.model))
    before = task.predict(batch).energy
    with torch.no_grad():
        other.model.last_layer.weight.mul_(2.0)
        other.normalise.isolated.add_(1.0)
    assert torch.equal(task.predict(batch).energy, before)
    with torch.no_grad():
        for name in trunk_names(task.model):
            theirs[name].mul_(1.1)
    assert not torch.equal(task.predict(batch).energy, before)


def test_loss_is_the_weighted_sum_over_structures(heads):
    train = Mixture({"new": rows(3), "pretrained": rows(5, seed=1)})
    weights = {"energy": 1.0, "forces": 10.0}
    loss, parts = heads.loss(heads.collate([train[i] for i in range(8)]), weights)
    own = {h: heads.head(h).loss(heads.head(h).collate(train.parts[h]), weights) for h in heads.names}
    expected = 2.0 * 3 / 8 * own["new"][0] + 0.5 * 5 / 8 * own["pretrained"][0]
    torch.testing.assert_close(loss, expected)
    for head, (whole, named) in own.items():
        torch.testing.assert_close(parts[f"{head}.loss"], whole.detach())
        torch.testing.assert_close(parts[f"{head}.energy"], named["energy"])
        torch.testing.assert_close(parts[f"{head}.forces"], named["forces"])
    assert heads.criterion({"new.loss": 3.0, "pretrained.loss": 5.0}) == pytest.approx((2 * 3 + 0.5 * 5) / 2.5)


def test_heads_may_cost_errors_differently():
    first = trained()
    other = twin(first)
    strict = EnergyForces(other.model, loss="huber").double()
    strict.normalise.load_state_dict(first.normalise.state_dict())
    heads = MultiHead({"a": first, "b": strict})
    batch = heads.collate([Mixture({"a": rows(2), "b": rows(2)})[i] for i in range(4)])
    _, parts = heads.loss(batch, {"energy": 1.0, "forces": 1.0})
    assert parts["a.forces"] > 5 * parts["b.forces"] > 0


def test_the_trunk_learns_from_every_head_and_a_readout_from_its_own(heads):
    batch = heads.collate([Mixture({"new": rows(3)})[i] for i in range(3)])
    heads.loss(batch, {"energy": 1.0})[0].backward()
    new, old = heads.head("new").model, heads.head("pretrained").model
    assert new.last_layer.weight.grad is not None
    assert old.last_layer.weight.grad is None
    assert next(old.layers.parameters()).grad is not None


def test_precision_and_copies_keep_the_trunk_one(heads):
    for other in (heads.float(), copy.deepcopy(heads).double(), heads.double()):
        assert shares_trunk(other.head("new").model, other.head("pretrained").model)
        names = [n for n in other.state_dict() if "layers" in n]
        assert len(names) == len([n for n in net().state_dict() if "layers" in n])
    fresh = MultiHead({"new": EnergyForces(net()), "pretrained": EnergyForces(net())}, tie=True).double()
    fresh.load_state_dict(heads.state_dict())
    batch = heads.head("new").collate(rows(3)).atoms
    for name in heads.names:
        assert torch.equal(fresh.head(name).predict(batch).energy, heads.head(name).predict(batch).energy)


def test_fresh_heads_take_their_normalisation_from_their_own_data():
    first = EnergyForces(net("MACE")).double()
    heads = MultiHead({"a": first, "b": twin(first)})
    near, far = rows(6), [replace(s, positions=s.positions * 3) for s in rows(6, seed=1, shift=100.0)]
    heads.prepare(heads.gather({"a": near, "b": far}))
    alone = [heads.head(h).normalise.isolated[[1, 8]] for h in "ab"]
    assert (alone[1] - alone[0]).min() > 20
    neighbours = {float(heads.head(h).model.avg_num_neighbors) for h in "ab"}
    assert len(neighbours) == 1  # one trunk, one statistic, of all data


def test_an_epoch_by_size_has_every_row_once():
    mixed = Mixture({"a": rows(7), "b": rows(21)})
    order = mixed.order(torch.Generator().manual_seed(0))
    assert sorted(order) == list(range(28))
    for begin in range(0, 28, 4):  # heads are spread evenly: every batch of four has one of a
        assert sum(row < 7 for row in order[begin : begin + 4]) == 1
    assert mixed.order(torch.Generator().manual_seed(1)) != order


def test_an_epoch_by_shares_has_the_stated_ratio():
    mixed = Mixture({"a": rows(4), "b": rows(36)}, {"a": 1, "b": 1})
    order = mixed.order(torch.Generator().manual_seed(0))
    assert len(order) == len(mixed) == 40
    seen = Counter(row for row in order)
    assert [seen[row] for row in range(4)] == [5] * 4  # the small set five times
    assert max(seen[row] for row in range(4, 40)) == 1  # twenty of the large one, none twice
    assert all(sum(row < 4 for row in order[b : b + 4]) == 2 for b in range(0, 40, 4))
    uneven = Mixture({"a": rows(5), "b": rows(5), "c": rows(3)}, {"a": 1, "b": 1, "c": 5})
    assert sum(uneven.counts().values()) == len(uneven.order(torch.Generator().manual_seed(0))) == 13


def test_rows_of_a_mixture_know_their_head():
    mixed = Mixture({"a": rows(2), "empty": [], "b": rows(3)})
    assert [mixed[i].head for i in range(5)] == ["a", "a", "b", "b", "b"]
    assert mixed.name(4) == "b[2]"
    assert [[s.head for s in chunk] for chunk in mixed.chunks(2)] == [["a", "a"], ["b", "b"], ["b"]]
    with pytest.raises(IndexError):
        mixed[5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: MultiHead({"a": t}), "1 heads"),
        (lambda t: MultiHead({"a": t, "b": trained()}), "a trunk each"),
        (lambda t: MultiHead({"a": t, "b": t}), "one model"),
        (lambda t: MultiHead({"a": t, "b": trained("MACE")}, tie=True), "cannot share a trunk"),
        (lambda t: MultiHead({"a.b": t, "b": twin(t)}), "no name of a head"),
        (lambda t: MultiHead({"pop": t, "b": twin(t)}), "no name of a head"),
        (lambda t: MultiHead({"a": t, "b": t.model}), "heads are tasks"),
        (lambda t: with_replay(t, weights={"nwe": 1}), "weights names nwe"),
        (lambda t: with_replay(t, weights={"new": -1}), "at least 0"),
        (lambda t: with_replay(t, weights={"new": 0, "pretrained": 0}), "nothing would train"),
        (lambda t: with_replay(t, shares={"new": 1}), "positive share for each"),
        (lambda t: with_replay(EnergyForces(net())), "not trained"),
        (lambda t: with_replay(morse()), "no readout"),
    ],
)
def test_what_cannot_be_heads_says_why(make, message):
    with pytest.raises(DomainError, match=message):
        make(trained())


def morse():
    task = EnergyForces(Morse())
    task.normalise.set({1: 0.0}, 1.0, 0.0)
    return task
