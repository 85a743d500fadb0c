"""Data sets of meshes made block by block: in this process or in others, kept on disk, continued after a kill.

A block is a fixed range of samples, whatever the number of workers, and each is computed with one thread; so the result
is the same to the bit. Its maker is (settings, rows) -> Meshes, whose provenance may tell the largest `residual` of a
solve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from surrogates.datasets.adapters.field_folders import MANIFEST, read_field_manifest
from surrogates.datasets.generators.field_jobs import (
    Counter,
    FieldJob,
    Progress,
    block_name,
    job_folder,
    load_maker,
    make_block,
    told,
)
from surrogates.datasets.generators.field_workers import run_blocks
from surrogates.datasets.mesh_sample import MeshSample
from surrogates.datasets.mesh_shard import StoredFile
from surrogates.datasets.mesh_store import list_files
from surrogates.datasets.meshes import Meshes
from surrogates.physics.errors import DomainError, FileError

BLOCK = 16
"""Steady samples that are made together, and lie in one file."""


def make_meshes(
    job: FieldJob, *, workers: int = 1, progress: Progress | None = None, directory: str | Path | None = None
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
    with job_folder(directory, needed=workers > 1 and job.blocks > 1) as folder, threadpool_limits(limits=1):
        if folder is None:
            return _in_memory(job, Counter(job, list(range(job.blocks)), progress))
        missing = _missing(job, folder)
        counted = Counter(job, missing, progress)
        if workers > 1 and len(missing) > 1:
            run_blocks(job, missing, folder, workers, counted)
        else:
            maker = load_maker(job.maker)
            for block in missing:
                make_block(job, block, folder, maker)
                counted(block)
        _list_blocks(job, folder, list(range(job.blocks)))
        stored = Meshes.open(folder)
        if directory is not None:
            return stored
        return Meshes(list(stored), provenance=stored.provenance, units=job.units)


def _in_memory(job: FieldJob, counted: Counter) -> Meshes:
    maker: Any = load_maker(job.maker)
    samples: list[MeshSample] = []
    residuals: list[float | None] = []
    for block in range(job.blocks):
        made = maker(job.settings, job.rows(block))
        samples += made
        residuals.append(made.provenance.get("residual"))
        counted(block)
    return Meshes(samples, provenance=_told(job, residuals), units=job.units)


def _told(job: FieldJob, residuals: list[float | None]) -> dict[str, Any]:
    known = [r for r in residuals if r is not None]
    return {**told(job), "job": job.digest} | ({"residual": max(known)} if known else {})


def _missing(job: FieldJob, folder: Path) -> list[int]:
    """Blocks that `folder` has not got, of which nothing is left there. Raises FileError where it holds other data."""
    listed = (folder / MANIFEST).exists()
    if listed and read_field_manifest(folder / MANIFEST, kind="meshes")["provenance"].get("job") != job.digest:
        raise FileError(
            f"{folder}: holds the data of another generator, or of other settings; choose an empty directory"
        )
    if not listed and (strangers := sorted(p.name for p in folder.glob("*.h5"))):
        raise FileError(f"{folder}: holds {strangers[0]}, which no generator has listed; choose an empty directory")
    missing = [b for b in range(job.blocks) if not _has(job, folder / block_name(b), b)]
    _list_blocks(job, folder, [b for b in range(job.blocks) if b not in set(missing)])
    for block in missing:
        (folder / block_name(block)).unlink(missing_ok=True)
    return missing


def _has(job: FieldJob, path: Path, block: int) -> bool:
    if not path.exists():
        return False
    try:
        stored = StoredFile(path)
    except FileError:
        return False
    return stored.provenance.get("job") == job.digest and len(stored) == len(job.rows(block))


def _list_blocks(job: FieldJob, folder: Path, blocks: list[int]) -> None:
    """Write the manifest of these blocks."""
    names = [block_name(b) for b in blocks]
    list_files(folder, names, _told(job, [StoredFile(folder / name).provenance.get("residual") for name in names]))
