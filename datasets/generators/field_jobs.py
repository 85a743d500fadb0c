"""Data sets of fields made block by block: in this process or in others, kept on disk, continued after a kill.

A block is a fixed range of samples, whatever the number of workers, and each is computed with one thread; so the result
is the same to the bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surrogates.datasets.adapters.field_folders import MANIFEST, open_fields, read_field_manifest
from surrogates.datasets.adapters.whole_files import proved
from surrogates.datasets.field_parts import InMemory
from surrogates.datasets.fields import Fields
from surrogates.datasets.generators.draws import GROUP
from surrogates.datasets.shard import write_whole
from surrogates.physics.errors import DomainError, FileError

Progress = Callable[[int, int], object]
"""Called with (samples so far, samples in all)."""
Maker = Callable[[Mapping[str, Any], range], Fields]
"""(settings, rows) -> these samples, in memory."""
POINTS = 2**16  # grid points times components that are advanced together, which stay in a core's cache
FEWEST = 8


@dataclass(frozen=True)
class FieldJob:
    """What to make, JSON-able through `dataclasses.asdict`.

    Args:
        maker: "module:function" of a `Maker` under surrogates.datasets.generators.
        settings: JSON-able, what the maker is given. samples: how many. block: of them are made together.
        provenance, units: of the data set.
    """

    maker: str
    settings: Mapping[str, Any]
    samples: int
    block: int
    provenance: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise DomainError(f"samples={self.samples}; ask for at least one")

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.samples // self.block)

    def rows(self, block: int) -> range:
        """The samples of a block."""
        return range(block * self.block, min((block + 1) * self.block, self.samples))

    @property
    def digest(self) -> str:
        """Of what the samples depend on: all but their number."""
        facts = {k: v for k, v in asdict(self).items() if k not in ("samples", "provenance")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def block_size(points: int) -> int:
    """Samples that are made together where each has `points` values: a power of two that divides `GROUP`."""
    size = GROUP
    while size > FEWEST and size * points > POINTS:
        size //= 2
    return size


def make_fields(
    job: FieldJob,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    directory: str | Path | None = None,
    maker: Maker | None = None,
) -> Fields:
    """All samples of a job.

    Args:
        workers: processes that share the blocks, of one thread each (threads of this process where `maker` is given).
        progress: called with (samples so far, samples in all).
        directory: where to keep the data, a file for each block: what is there of the same job is not made again. None
            keeps it in memory.
        maker: in place of the job's, where it cannot be named by an import path.

    Raises DomainError; FileError where `directory` holds other data.
    """
    if workers < 1:
        raise DomainError(f"workers={workers}; give one or more")
    with job_folder(directory, needed=workers > 1 and maker is None) as folder:
        missing = list(range(job.blocks)) if folder is None else _missing(job, folder)
        counted = Counter(job, missing, progress)
        if folder is None:
            made = _in_memory(job, maker or load_maker(job.maker), workers, counted)
            return Fields.of_parts([made], provenance=told(job), units=job.units)
        if workers > 1 and maker is None and len(missing) > 1:
            from surrogates.datasets.generators.field_workers import run_blocks

            run_blocks(job, missing, folder, workers, counted)
        else:
            write = maker or load_maker(job.maker)
            for _ in _each(lambda b: make_block(job, b, folder, write), missing, workers if maker else 1, counted):
                pass
        _list_blocks(job, folder, list(range(job.blocks)))
        stored = open_fields(folder)
        if directory is None:
            return Fields.of_parts([_joined([_loaded(p) for p in stored.parts])], provenance=told(job), units=job.units)
        return Fields.of_parts(stored.parts, provenance=stored.provenance, units=stored.units)


def make_block(job: FieldJob, block: int, folder: Path, maker: Maker) -> None:
    """Make one block and store it in `folder`."""
    with one_thread():
        made = maker(job.settings, job.rows(block))
    made.provenance = {**made.provenance, **told(job), "job": job.digest, "block": block}
    made.units = dict(job.units)
    made.save(folder / block_name(block))


def load_maker(path: str) -> Maker:
    """The function "module:function" names. Raises DomainError outside the generators' room."""
    module, _, name = path.partition(":")
    if not module.startswith("surrogates.datasets.generators."):
        raise DomainError(f"{path} is no maker of fields; it must be a function under surrogates.datasets.generators")
    found: Maker = getattr(import_module(module), name)
    return found


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch computes with one thread: sums come out the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Counter:
    """Tells how many samples there are, as blocks come in."""

    def __init__(self, job: FieldJob, missing: list[int], progress: Progress | None) -> None:
        self.job, self.progress = job, progress
        self.done = job.samples - sum(len(job.rows(b)) for b in missing)

    def __call__(self, block: int) -> None:
        self.done += len(self.job.rows(block))
        if self.progress is not None:
            self.progress(self.done, self.job.samples)


def _in_memory(job: FieldJob, maker: Maker, workers: int, counted: Counter) -> InMemory:
    def one(block: int) -> InMemory:
        with one_thread():
            return _loaded(maker(job.settings, job.rows(block))._parts[0])

    found = dict(_each(one, list(range(job.blocks)), workers, counted))
    return _joined([found[b] for b in range(job.blocks)])


def _each(one: Callable[[int], Any], blocks: list[int], workers: int, counted: Counter) -> Iterator[tuple[int, Any]]:
    """(block, result) as they come, by threads of this process where there are several workers."""
    if workers == 1:
        for block in blocks:
            yield block, one(block)
            counted(block)
        return
    from concurrent.futures import ThreadPoolExecutor, as_completed

    pool = ThreadPoolExecutor(workers)
    try:
        futures = {pool.submit(one, b): b for b in blocks}
        for done in as_completed(futures):
            yield futures[done], done.result()
            counted(futures[done])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _loaded(part: Any) -> InMemory:
    """A part's arrays in memory."""
    if isinstance(part, InMemory):
        return part
    from surrogates.datasets.field_parts.memory import stacked

    return stacked([part.trajectory(k) for k in range(len(part))])


def _joined(parts: list[InMemory]) -> InMemory:
    """One part of all rows; what every part shares stays one array."""
    first = parts[0]

    def cat(arrays: list[np.ndarray]) -> np.ndarray:
        if all(len(a) == 1 and np.array_equal(a, arrays[0]) for a in arrays):
            return arrays[0]
        rows = [np.broadcast_to(a, (len(p), *a.shape[1:])) for a, p in zip(arrays, parts, strict=True)]
        return np.concatenate(rows)

    return InMemory(
        {k: np.concatenate([p.fields[k] for p in parts]) for k in first.fields},
        times=cat([p.times for p in parts]),
        axes=first.layout.axes,
        periodic=first.layout.periodic,
        parameters={k: np.concatenate([p.numbers[k] for p in parts]) for k in first.numbers},
        constants={k: cat([p.constants[k] for p in parts]) for k in first.constants},
        mask=None if first.mask is None else cat([p.mask for p in parts if p.mask is not None]),
        groups=[g for p in parts for g in p.groups],
    )


def told(job: FieldJob) -> dict[str, Any]:
    """What is stored of a job."""
    return {**job.provenance, "settings": dict(job.settings), "samples": job.samples}


def block_name(block: int) -> str:
    """The file of a block."""
    return f"block-{block:05d}.h5"


@contextlib.contextmanager
def job_folder(directory: str | Path | None, *, needed: bool) -> Iterator[Path | None]:
    """The directory, a temporary one where it is needed, or None."""
    if directory is not None:
        path = Path(directory).absolute()
        path.mkdir(parents=True, exist_ok=True)
        yield path
    elif needed:
        with tempfile.TemporaryDirectory(prefix="surrogates-") as made:
            yield Path(made)
    else:
        yield None


def _missing(job: FieldJob, folder: Path) -> list[int]:
    """Blocks that `folder` has not got, of which nothing is left there. Raises FileError where it holds other data."""
    listed = (folder / MANIFEST).exists()
    if listed and read_field_manifest(folder / MANIFEST)["provenance"].get("job") != job.digest:
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
        proved(path)
        stored = open_fields(path)
    except FileError:
        return False
    facts = stored.provenance
    return facts.get("job") == job.digest and len(stored.parts[0]) == len(job.rows(block))


def _list_blocks(job: FieldJob, folder: Path, blocks: list[int]) -> None:
    """Write the manifest of these blocks."""
    shards = [{"name": block_name(b), "sha256": proved(folder / block_name(b))} for b in blocks]
    about = {**told(job), "job": job.digest}
    write_whole(
        folder / MANIFEST,
        json.dumps({"kind": "fields", "format": 1, "shards": shards, "provenance": about}, indent=1).encode(),
    )
