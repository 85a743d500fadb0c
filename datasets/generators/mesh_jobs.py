"""Data sets of meshes made block by block: in this process or in others, kept on disk, continued after a kill.

A block is a fixed range of samples, whatever the number of workers, and each is computed with one thread; so the result
is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from surrogates.datasets.generators.field_jobs import FieldJob, Progress, load_maker
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError

BLOCK = 16
"""Samples that are made together, and lie in one file."""


class MeshJob(FieldJob):
    """What to make; its maker is (settings, rows) -> Meshes."""


def make_meshes(
    job: MeshJob, *, workers: int = 1, progress: Progress | None = None, directory: str | Path | None = None
) -> Meshes:
    """All samples of a job.

    Args:
        workers: processes that share the blocks, of one thread each.
        progress: called with (samples so far, samples in all).
        directory: where to keep the data, a file for each block: what is there of the same job is not made again. None
            keeps it in memory.
    Raises DomainError; FileError where `directory` holds other data.
    """
    if workers < 1:
        raise DomainError(f"workers={workers}; give one or more")
    provenance = {**job.provenance, "settings": dict(job.settings), "samples": job.samples}
    return Meshes(_in_memory(job, progress), provenance=provenance, units=job.units)


def _in_memory(job: MeshJob, progress: Progress | None) -> Iterator[MeshSample]:
    maker: Any = load_maker(job.maker)
    for block in range(job.blocks):
        with threadpool_limits(limits=1):
            made: Mapping[str, Any] = maker(job.settings, job.rows(block))
        yield from made
        if progress is not None:
            progress(job.rows(block).stop, job.samples)
