"""Data sets by reference physics: independent, seeded walkers, each a part of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ase

from surrogates.datasets.generators.cache import Cache, default_cache
from surrogates.datasets.generators.jobs import Generated, Job, Progress, collect, derived_seed, plain, run_job
from surrogates.datasets.generators.labels import Referee
from surrogates.datasets.generators.object_reference import ObjectReference
from surrogates.datasets.generators.parallel import run_jobs
from surrogates.datasets.generators.references import parse_reference
from surrogates.datasets.generators.sampling import Sampling, parse_sampling
from surrogates.datasets.generators.structures import structures_from_spec
from surrogates.datasets.store import Structures
from surrogates.physics.errors import DomainError, FileError

GFN2 = {"use": "tblite.ase:TBLite", "method": "GFN2-xTB", "accuracy": 0.01}
"""The default reference: GFN2-xTB, converged a hundred times tighter than tblite's default."""


@dataclass(frozen=True)
class Parts:
    """The parts of a generated data set, by walker name: `parts["train"]`.

    Args:
        failures: reasons of the structures that the reference could not label, by walker.
        calls: calculations by the reference for samples, failures and starts, by walker; see `jobs.Generated`.
        reference: its specification, as in a file; {} for a calculator object.
    """

    parts: Mapping[str, Structures]
    failures: Mapping[str, list[str]] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Structures:
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)


def generate(
    structures: Any,
    reference: Any = GFN2,
    walkers: Mapping[str, Any] | None = None,
    *,
    spacing: float | int = 25.0,
    seed: int = 0,
    directory: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Parts:
    """Run every walker and return its samples. What was computed before, in any run, comes from the user's cache.

    Args:
        structures: start structures, as `structures_from_spec` takes them; each walker visits all of them.
        reference: a specification from the written list, or any ASE calculator (then nothing is cached).
        walkers: `Walker`, `Rattle` or their words, by name; samples of one share no trajectory with another's. A list
            of them is one part; words may hold `structures` of their own, in place of the common ones.
        spacing: fs between samples of a walker. seed: of everything random.
        directory: where to write NAME.h5; in memory only where None.
        workers: processes of one thread each that share the walkers; 1 works in this process.
        progress: called with (samples so far, samples in all).
    """
    walkers = walkers or {"data": {"temperature": 500, "samples": 500}}
    if hasattr(reference, "get_potential_energy"):
        return _with_object(structures, reference, walkers, spacing, seed, progress)
    with _folder(directory) as folder:
        jobs = plan_jobs(structures, reference, walkers, spacing=spacing, seed=seed, directory=folder)
        done = run_jobs(jobs, workers, progress) if workers > 1 else _one_by_one(jobs, progress)
        parts = {result.name: _opened(result, keep=directory is not None) for result in done}
    spec = parse_reference(reference).spec
    failures = {result.name: result.failures for result in done}
    return Parts(parts, failures, {result.name: result.calls for result in done}, spec)


def plan_jobs(
    structures: Any,
    reference: Any,
    walkers: Mapping[str, Any],
    *,
    spacing: float | int = 25.0,
    seed: int = 0,
    directory: str | Path,
    cache: str | Path | None = None,
    trust: tuple[str, ...] = (),
) -> list[Job]:
    """One job for each walker, everything checked; `dataclasses.asdict(job)` is JSON and runs anywhere by `run_job`.

    The jobs write `directory`/NAME.h5. Relative paths in `structures` start in the current folder.
    """
    checked = parse_reference(reference, trust=trust)
    parts = {str(name): _walkers(spec, structures) for name, spec in walkers.items()}
    for _, sampling in (walker for part in parts.values() for walker in part):
        if hasattr(sampling, "steps"):
            sampling.steps(spacing)
    where = str(cache or _usable_cache(Path(directory)))
    return [
        Job(
            name=name,
            path=str(Path(directory) / f"{name}.h5"),
            reference=checked.spec,
            walkers=[{"structures": [plain(a) for a in starts], "sampling": asdict(s)} for starts, s in part],
            spacing=spacing,
            seed=derived_seed(seed, name),
            cache=where,
            trust=tuple(trust),
        )
        for name, part in parts.items()
    ]


def _walkers(spec: Any, structures: Any) -> list[tuple[list[ase.Atoms], Sampling]]:
    """Start structures and sampling of each walker of a part; the common structures where it names none."""
    found = []
    for one in spec if isinstance(spec, list | tuple) else [spec]:
        own = one.get("structures") if isinstance(one, Mapping) else None
        words = {k: v for k, v in one.items() if k != "structures"} if isinstance(one, Mapping) else one
        if own is None and structures is None:
            raise DomainError(f"the walker {one!r} has no structures to start from, and there are no common ones")
        found.append((structures_from_spec(structures if own is None else own), parse_sampling(words)))
    if not found:
        raise DomainError("a part was given as an empty list; give at least one walker")
    return found


def _one_by_one(jobs: Sequence[Job], progress: Progress | None) -> list[Generated]:
    total, done = sum(job.samples for job in jobs), 0
    results = []
    for job in jobs:
        results.append(run_job(job, None if progress is None else partial(_shifted, progress, done, total)))
        done += job.samples
    return results


def _shifted(progress: Progress, before: int, total: int, n: int, _: int) -> None:
    progress(before + n, total)


def _with_object(
    structures: Any, calculator: Any, walkers: Mapping[str, Any], spacing: float | int, seed: int, progress: Any
) -> Parts:
    """The same with a calculator object, whose content has no key: nothing is kept between calls."""
    parts, failures, calls = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        cache = Cache(Path(scratch) / "references.sqlite")
        for name, spec in walkers.items():
            referee = Referee(ObjectReference(calculator), cache)
            samples, failures[name] = collect(
                _walkers(spec, structures),
                referee,
                name=name,
                spacing=spacing,
                seed=derived_seed(seed, name),
                progress=progress,
            )
            calls[name] = referee.calls
            parts[name] = Structures(samples, provenance={"description": f"{name}: by {type(calculator).__name__}"})
        cache.close()
    return Parts(parts, failures, calls)


def _usable_cache(directory: Path) -> Path:
    """The user's cache, or one beside the data where the user's cannot be opened (a read-only home, say)."""
    try:
        cache = Cache(default_cache())
        len(cache)
        cache.close()
    except FileError:
        return directory / "references.sqlite"
    return default_cache()


def _opened(result: Generated, *, keep: bool) -> Structures:
    stored = Structures.open(result.path)
    return stored if keep else Structures(list(stored), provenance=stored.provenance)


@contextmanager
def _folder(directory: str | Path | None) -> Iterator[Path]:
    if directory is not None:
        Path(directory).mkdir(parents=True, exist_ok=True)
        yield Path(directory)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
