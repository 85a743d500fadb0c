"""Samples -> one batch with edges and labels.

Edges of a sample are searched once for each cutoff and kept with it, so that a training pays for them in its first
epoch only.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from surrogates.datasets.batch import AtomsBatch, AtomsLabels, LabelledAtoms
from surrogates.datasets.sample import Sample
from surrogates.physics.atoms.neighbors import neighbor_list
from surrogates.physics.errors import DomainError

CACHE_BYTES = 2**31  # beyond this, edges are searched anew each time

_Edges = tuple[np.ndarray, np.ndarray]
_cache: weakref.WeakKeyDictionary[Sample, dict[float, _Edges]] = weakref.WeakKeyDictionary()
_cached_bytes = 0


def collate(samples: Iterable[Sample], *, r_max: float, dtype: torch.dtype = torch.float32) -> LabelledAtoms:
    """One batch of `samples` with edges shorter than `r_max` (Å; 0 for none), floating-point tensors in `dtype`."""
    samples = list(samples)
    batch = _structures(samples, dtype)
    if r_max > 0:
        batch = _with_cached_edges(batch, samples, float(r_max), dtype)
    labels = AtomsLabels(
        energy=_stacked(samples, "energy", dtype),
        forces=_joined(samples, "forces", dtype),
        stress=_stacked(samples, "stress", dtype),
        dipole=_stacked(samples, "dipole", dtype),
    )
    return LabelledAtoms(batch, labels, torch.tensor([s.row for s in samples]))


def _structures(samples: Sequence[Sample], dtype: torch.dtype) -> AtomsBatch:
    if not samples:
        raise DomainError("a batch needs at least one structure; none was given")
    counts = [len(s) for s in samples]
    return AtomsBatch(
        numbers=torch.from_numpy(np.concatenate([s.numbers for s in samples])),
        positions=torch.from_numpy(np.concatenate([s.positions for s in samples])).to(dtype),
        structure=torch.repeat_interleave(torch.arange(len(samples)), torch.tensor(counts)),
        cell=torch.from_numpy(np.stack([s.cell for s in samples])).to(dtype),
        pbc=torch.from_numpy(np.stack([s.pbc for s in samples])),
        charge=torch.tensor([s.charge for s in samples], dtype=dtype),
        multiplicity=torch.tensor([s.multiplicity for s in samples]),
        edges=torch.zeros((2, 0), dtype=torch.int64),
        shift=torch.zeros((0, 3), dtype=dtype),
    )


def _with_cached_edges(batch: AtomsBatch, samples: Sequence[Sample], r_max: float, dtype: torch.dtype) -> AtomsBatch:
    found = [_edges(s, r_max) for s in samples]
    first = np.cumsum([0, *(len(s) for s in samples[:-1])])
    edges = np.concatenate([e.astype(np.int64) + k for (e, _), k in zip(found, first, strict=True)], axis=1)
    shift = np.concatenate([s for _, s in found])
    return replace(batch, edges=torch.from_numpy(edges), shift=torch.from_numpy(shift).to(dtype), r_max=r_max)


def _edges(sample: Sample, r_max: float) -> _Edges:
    global _cached_bytes
    known = _cache.get(sample, {})
    if r_max in known:
        return known[r_max]
    lone = _structures([sample], torch.float64)
    edges, shift = neighbor_list(lone.positions, lone.structure, lone.cell, lone.pbc, r_max)
    made = (edges.numpy().astype(np.int32), shift.numpy())
    size = made[0].nbytes + made[1].nbytes
    if _cached_bytes + size <= CACHE_BYTES:
        if sample not in _cache:
            weakref.finalize(sample, _forget, known).atexit = False
        known[r_max] = made
        _cache[sample] = known
        _cached_bytes += size
    return made


def _forget(known: dict[float, _Edges]) -> None:
    global _cached_bytes
    _cached_bytes -= sum(e.nbytes + s.nbytes for e, s in known.values())


def _stacked(samples: Sequence[Sample], name: str, dtype: torch.dtype) -> Tensor | None:
    values = [getattr(s, name) for s in samples]
    return None if any(v is None for v in values) else torch.from_numpy(np.array(values, dtype=float)).to(dtype)


def _joined(samples: Sequence[Sample], name: str, dtype: torch.dtype) -> Tensor | None:
    values = [getattr(s, name) for s in samples]
    return None if any(v is None for v in values) else torch.from_numpy(np.concatenate(values)).to(dtype)
