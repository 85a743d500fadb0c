"""The laws of surrogates on meshes, each stated once.

Every law is a function (probe, samples, claims, tolerance) -> list of `Law`. Errors are largest absolute ones, in the
units of the answer; the scale is how far the answer would be off if the law were ignored, so that a surrogate whose
answer is constant, which obeys every law, is found to have been put to no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from surrogates.datasets import MeshSample
from surrogates.physics.errors import DomainError
from surrogates.testing.law import Law, judge, not_applicable
from surrogates.testing.mesh_claims import MeshClaims, MeshTolerance
from surrogates.testing.mesh_probe import Answer, MeshProbe
from surrogates.testing.mesh_transforms import a_rotation, moved, refined, renumbered, turned

UNIT = "answer"


def permutation(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """Nodes and cells in another order have the same answers in that order."""
    sample = samples[0]
    order = np.random.default_rng(1).permutation(len(sample))
    before, after = ask(sample), ask(renumbered(sample, order))
    found = {name: np.take(x, order, axis=_nodes(x, sample)) for name, x in before.items()}
    return [_compare("permutation", found, after, _reordered(before, order, sample), allowed)]


def batching(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """A batch of meshes, also in another order, gets the answers of batches of one."""
    if len(samples) < 2:
        return [not_applicable("batch = one by one", UNIT, "one mesh only")]
    alone = [ask(s) for s in samples]
    together, backwards = ask.ask(samples), ask.ask(samples[::-1])[::-1]
    error = max(_apart(a, b) for found in (together, backwards) for a, b in zip(alone, found, strict=True))
    size = max(_largest(a) for a in alone)
    scale = max(_varies(a) for a in alone)
    return [judge("batch = one by one", error, scale, allowed.relative * size, UNIT)]


def translation(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """A mesh moved as a whole has the same answer."""
    if "translation" not in claims.symmetry:
        return [not_applicable("translation", UNIT, "not claimed")]
    sample = samples[0]
    size = float(np.ptp(sample.points, axis=0).max())
    before, after = ask(sample), ask(moved(sample, size * np.array([0.7, -1.3, 0.4][: sample.dim])))
    loose = replace(allowed, relative=10 * allowed.relative)  # coordinates lose a digit far from the origin
    return [_compare("translation", before, after, _varies(before), loose)]


def rotation(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """A turned mesh, with its loads, has the turned answer; vectors turn, scalars stay."""
    if "rotation" not in claims.symmetry:
        return [not_applicable("rotation", UNIT, "not claimed")]
    sample = samples[0]
    turn = a_rotation(sample.dim)
    before, after = ask(sample), ask(turned(sample, turn, claims.kinds))
    found = {n: x @ turn.T if claims.kinds.get(n) == "vector" else x for n, x in before.items()}
    return [_compare("rotation", found, after, _varies(before), replace(allowed, relative=10 * allowed.relative))]


def constants(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """Messages that are averages leave a constant constant: the network's answer to one is the same at every node,
    though the nodes have different numbers of neighbours. Rows of attention that do not sum to 1 break it."""
    name = "a constant stays constant"
    if not claims.row_stochastic or ask.task is None:
        return [not_applicable(name, UNIT, "not claimed" if not claims.row_stochastic else "no network to ask")]
    task = ask.task
    batch = task.collate([task.gather([samples[0]])[0]], targets=False)
    channels = torch.linspace(-1.0, 1.0, batch.values.shape[1], dtype=batch.values.dtype)
    with torch.no_grad():
        found = task.model(channels.expand_as(batch.values).contiguous(), batch.graph).double().numpy()
        other = task.model(batch.values.flip(0), batch.graph).double().numpy()
    size = float(np.abs(found).max())
    scale = float(max(np.abs(other - other.mean(axis=0)).max(), size))
    return [judge(name, float(np.abs(found - found[:1]).max()), scale, allowed.relative * size, UNIT)]


def locality(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """A node's input has no influence beyond the hops claimed, and some within; the scale is the latter."""
    if claims.reach is None or ask.task is None:
        return [not_applicable("locality", UNIT, "not claimed" if claims.reach is None else "no network to ask")]
    task, sample = ask.task, samples[0]
    batch = task.collate([task.gather([sample])[0]], targets=False)
    hops = _hops(sample, 0)
    if not (hops > claims.reach).any():
        return [not_applicable("locality", UNIT, f"no node is more than {claims.reach} hops from the first")]
    poked = batch.values.clone()
    poked[0] += batch.values.abs().mean() + 1.0
    with torch.no_grad():
        change = (task.model(poked, batch.graph) - task.model(batch.values, batch.graph)).abs().double().numpy()
    beyond, within = (float(change[here].max()) for here in (hops > claims.reach, hops <= claims.reach))
    note = f"beyond {claims.reach} hops, up to {int(hops[hops < len(sample)].max())}"
    return [judge("locality", beyond, within, 0.0, UNIT, note)]


def remeshing(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """The same problem on the mesh refined once has, at the old nodes, nearly the same answer."""
    if claims.remeshing is None:
        return [not_applicable("remeshing", UNIT, "not claimed")]
    sample = samples[0]
    try:
        fine = refined(sample)
    except DomainError as refused:
        return [not_applicable("remeshing", UNIT, str(refused))]
    before, after = ask(sample), ask(fine)
    error = max(
        float(np.sqrt(np.mean(np.square(np.take(after[n], range(len(sample)), axis=_nodes(after[n], fine)) - x))))
        for n, x in before.items()
    )
    size = max(float(np.sqrt(np.mean(np.square(x)))) for x in before.values())
    note = f"{len(sample)} and {len(fine)} nodes, root mean squares"
    return [judge("remeshing", error, 11 * claims.remeshing * size, claims.remeshing * size, UNIT, note)]


def known_values(
    ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance
) -> list[Law]:
    """Prescribed values are answered as they are."""
    name = "prescribed values"
    if ask.task is None or not ask.task.prescribed:
        return [not_applicable(name, UNIT, "nothing is prescribed")]
    task, error, scale = ask.task, 0.0, 0.0
    layout = task.target_layout
    for sample in samples:
        window = task.gather([sample])[0]
        known, free = task.prescribed.values(window, layout), task.prescribed.free(sample, layout)
        with torch.no_grad():
            said = task(task.collate([window], targets=False)).double().numpy()
        error = max(error, float(np.abs(said - known)[~free].max(initial=0.0)))
        scale = max(scale, float(np.abs(said).max()))
    return [judge(name, error, scale, allowed.relative * scale, UNIT)]


def determinism(ask: MeshProbe, samples: Sequence[MeshSample], claims: MeshClaims, allowed: MeshTolerance) -> list[Law]:
    """The same question twice in a row has one answer, to the bit: no dropout left on, no state carried along."""
    first, second = ask(samples[0]), ask(samples[0])
    return [judge("determinism", _apart(first, second), _largest(first), 0.0, UNIT, "to the bit")]


LAWS = (
    permutation,
    batching,
    translation,
    rotation,
    constants,
    locality,
    remeshing,
    known_values,
    determinism,
)


def _compare(name: str, before: Answer, after: Answer, scale: float, allowed: MeshTolerance) -> Law:
    return judge(name, _apart(before, after), scale, allowed.relative * _largest(before), UNIT)


def _apart(one: Answer, two: Answer) -> float:
    found = [float(np.abs(two[name] - x).max()) for name, x in one.items()]
    return float("nan") if any(np.isnan(found)) else max(found)


def _largest(answer: Answer) -> float:
    return max(float(np.abs(x).max()) for x in answer.values())


def _varies(answer: Answer) -> float:
    """How far the answer differs from node to node."""
    return max(float(np.ptp(x.reshape(len(x), -1), axis=0).max()) for x in answer.values())


def _reordered(answer: Answer, order: np.ndarray, sample: MeshSample) -> float:
    """How far the answer is off where the order is ignored."""
    return max(float(np.abs(np.take(x, order, axis=_nodes(x, sample)) - x).max()) for x in answer.values())


def _nodes(values: np.ndarray, sample: MeshSample) -> int:
    """The axis of the nodes."""
    return 0 if len(values) == len(sample) else 1


def _hops(sample: MeshSample, start: int) -> np.ndarray:
    """Sides from a node to every other (nodes,); the count of nodes for one that is not reached."""
    senders, starts = sample.edges()
    found = np.full(len(sample), len(sample))
    found[start], front, hop = 0, np.array([start]), 0
    while len(front):
        hop += 1
        near = np.unique(np.concatenate([senders[starts[i] : starts[i + 1]] for i in front]))
        front = near[found[near] == len(sample)]
        found[front] = hop
    return found
