"""Jobs: one walker each, plain JSON in and one file out, so that any process may run one.

A killed job is run again and continues: its moves and labels are in the cache, and its file is written whole at the
end. Equal jobs write equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import ase
import numpy as np
from ase.constraints import FixAtoms

from surrogates.datasets.generators.cache import Cache
from surrogates.datasets.generators.labels import Labels, Referee
from surrogates.datasets.generators.references import parse_reference
from surrogates.datasets.generators.sampling import Sampling, frames, parse_sampling, share
from surrogates.datasets.sample import LABELS, Sample
from surrogates.datasets.store import Structures

Progress = Callable[[int, int], object]
"""Called with (samples so far, samples in all)."""


@dataclass(frozen=True)
class Job:
    """One walker's work, JSON-able through `dataclasses.asdict`.

    Args:
        name: of the walker; also the group of its samples. path: the .h5 file to write.
        structures: start structures, from `plain`. reference: specification of the reference.
        sampling: words of a `Walker` or `Rattle`. spacing: fs. seed: of this walker alone.
        cache: the SQLite file of moves and labels. trust: classes beyond the list that the person allowed.
    """

    name: str
    path: str
    structures: Sequence[Mapping[str, Any]]
    reference: Mapping[str, Any]
    sampling: Mapping[str, Any]
    spacing: float | int
    seed: int
    cache: str
    trust: Sequence[str] = ()


@dataclass(frozen=True)
class Generated:
    """What a job left: the file, how many samples are in it, and why others are not.

    Args:
        failures: one reason for each structure that the reference could not label.
    """

    name: str
    path: str
    samples: int
    failures: list[str] = field(default_factory=list)


def run_job(job: Job | Mapping[str, Any], progress: Progress | None = None) -> Generated:
    """Sample, label and write `job.path`; the same bytes whether interrupted before or not.

    Raises DomainError, TrustError, MissingExtra or FileError, each with what to do.
    """
    job = job if isinstance(job, Job) else Job(**job)
    reference = parse_reference(job.reference, trust=job.trust)
    samples, failures = collect(
        [restored(s) for s in job.structures],
        Referee(reference, Cache(job.cache)),
        parse_sampling(job.sampling),
        name=job.name,
        spacing=job.spacing,
        seed=job.seed,
        progress=progress,
    )
    provenance = {
        "description": f"{job.name}: {len(samples)} structures by {reference.use}",
        "reference": reference.spec,
        "sampling": dict(job.sampling),
        "spacing_fs": job.spacing,
        "seed": job.seed,
        "failures": failures,
    }
    Structures(samples, provenance=provenance).save(job.path)
    return Generated(job.name, job.path, len(samples), failures)


def collect(
    starts: Sequence[ase.Atoms],
    referee: Referee,
    sampling: Sampling,
    *,
    name: str,
    spacing: float | int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[list[Sample], list[str]]:
    """Samples around each start in turn, and the reasons of the failures. Labels that some samples lack are dropped."""
    samples: list[Sample] = []
    failures: list[str] = []
    for k, (start, part) in enumerate(zip(starts, share(sampling, len(starts)), strict=True)):
        if part is None:
            continue
        for frame in frames(start, referee, part, spacing=spacing, seed=derived_seed(seed, str(k))):
            if frame.labels is None:
                failures.append(f"{name} after sample {len(samples)}: {frame.failure}")
                continue
            samples.append(_sample(frame.atoms, frame.labels, f"{name}/{k}", len(samples)))
            if progress is not None:
                progress(len(samples), sampling.samples)
    return _uniform(samples), failures


def derived_seed(seed: int, name: str) -> int:
    """A seed for the part called `name`, the same in every process and version."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "little")


def plain(atoms: ase.Atoms) -> dict[str, Any]:
    """A structure as JSON-able numbers, exact to the bit; fixed atoms are kept, other constraints are not."""
    fixed = sorted({int(i) for c in atoms.constraints if isinstance(c, FixAtoms) for i in c.index})
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
        "charge": int(atoms.info.get("charge", 0)),
        "multiplicity": int(atoms.info.get("multiplicity", 1)),
        "fixed": fixed,
    }


def restored(structure: Mapping[str, Any]) -> ase.Atoms:
    """Inverse of `plain`."""
    known = {k: structure[k] for k in ("numbers", "positions", "cell", "pbc")}
    electrons = {k: structure[k] for k in ("charge", "multiplicity")}
    constraint = FixAtoms(structure["fixed"]) if structure.get("fixed") else None
    return ase.Atoms(**known, info=electrons, constraint=constraint)


def _sample(atoms: ase.Atoms, labels: Labels, group: str, row: int) -> Sample:
    return Sample(
        numbers=atoms.numbers.astype(np.int64),
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        pbc=atoms.pbc.copy(),
        charge=float(atoms.info.get("charge", 0)),
        multiplicity=int(atoms.info.get("multiplicity", 1)),
        group=group,
        row=row,
        **asdict(labels),
    )


def _uniform(samples: list[Sample]) -> list[Sample]:
    """A data set has a label for all samples or for none: crystals have a stress, molecules a dipole."""
    partial = [n for n in LABELS if len({getattr(s, n) is None for s in samples}) > 1]
    without: dict[str, Any] = dict.fromkeys(partial)
    return [replace(s, **without) for s in samples] if partial else samples
