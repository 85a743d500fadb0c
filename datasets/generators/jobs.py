"""Jobs: one part each, of one walker or several, plain JSON in and one file out, so that any process may run one.

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
from surrogates.physics.errors import DomainError

Progress = Callable[[int, int], object]
"""Called with (samples so far, samples in all)."""


@dataclass(frozen=True)
class Job:
    """One part's work, JSON-able through `dataclasses.asdict`.

    Args:
        name: of the part; also the group of its samples. path: the .h5 file to write.
        reference: specification of the reference.
        walkers: whose samples make the part, one after the other: {"structures": start structures, from `plain`,
            "sampling": words of a `Walker` or `Rattle`}. spacing: fs. seed: of this part alone.
        cache: the SQLite file of moves and labels. trust: classes beyond the list that the person allowed.
    """

    name: str
    path: str
    reference: Mapping[str, Any]
    walkers: Sequence[Mapping[str, Any]]
    spacing: float | int
    seed: int
    cache: str
    trust: Sequence[str] = ()

    @property
    def samples(self) -> int:
        """Labelled structures that it shall yield."""
        return sum(int(walker["sampling"]["samples"]) for walker in self.walkers)


@dataclass(frozen=True)
class Generated:
    """What a job left: the file, how many samples are in it, and why others are not.

    Args:
        failures: one reason for each structure that the reference could not label.
        calls: calculations by the reference that samples, failures and starts took, in this run or an earlier one;
            those of the dynamics between samples are not counted.
    """

    name: str
    path: str
    samples: int
    failures: list[str] = field(default_factory=list)
    calls: int = 0


def run_job(job: Job | Mapping[str, Any], progress: Progress | None = None) -> Generated:
    """Sample, label and write `job.path`; the same bytes whether interrupted before or not.

    Raises DomainError, TrustError, MissingExtra or FileError, each with what to do.
    """
    job = job if isinstance(job, Job) else Job(**job)
    reference = parse_reference(job.reference, trust=job.trust)
    referee = Referee(reference, Cache(job.cache))
    samples, failures = collect(
        [([restored(s) for s in w["structures"]], parse_sampling(w["sampling"])) for w in job.walkers],
        referee,
        name=job.name,
        spacing=job.spacing,
        seed=job.seed,
        progress=progress,
    )
    provenance = {
        "description": f"{job.name}: {len(samples)} structures by {reference.use}",
        "reference": reference.spec,
        "sampling": [dict(w["sampling"]) for w in job.walkers],
        "spacing_fs": job.spacing,
        "seed": job.seed,
        "failures": failures,
    }
    Structures(samples, provenance=provenance).save(job.path)
    return Generated(job.name, job.path, len(samples), failures, referee.calls)


def collect(
    walkers: Sequence[tuple[Sequence[ase.Atoms], Sampling]],
    referee: Referee,
    *,
    name: str,
    spacing: float | int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[list[Sample], list[str]]:
    """Samples around each start of each walker in turn, and the reasons of the failures.

    The dipole is dropped where some samples lack it. DomainError where only some have a stress: a part has labels for
    all of its samples or for none.
    """
    samples: list[Sample] = []
    failures: list[str] = []
    total = sum(sampling.samples for _, sampling in walkers)
    for number, (starts, sampling) in enumerate(walkers):
        own = name if number == 0 else f"{name}+{number}"
        for k, (start, part) in enumerate(zip(starts, share(sampling, len(starts)), strict=True)):
            if part is None:
                continue
            own_seed = derived_seed(seed, str(k) if number == 0 else f"{number} {k}")
            for frame in frames(start, referee, part, spacing=spacing, seed=own_seed):
                if frame.labels is None:
                    failures.append(f"{name} after sample {len(samples)}: {frame.failure}")
                    continue
                samples.append(_sample(frame.atoms, frame.labels, f"{own}/{k}", len(samples)))
                if progress is not None:
                    progress(len(samples), total)
    return _uniform(samples, name), failures


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


def _uniform(samples: list[Sample], name: str) -> list[Sample]:
    """A data set has a label for all samples or for none: crystals have a stress, molecules a dipole."""
    partial = [n for n in LABELS if len({getattr(s, n) is None for s in samples}) > 1]
    if "stress" in partial:
        without_stress = next(s for s in samples if s.stress is None)
        raise DomainError(
            f"{name}: some structures have a stress and others, such as {without_stress.formula} (periodic along "
            f"{without_stress.pbc.tolist()}), have none; make them periodic in all directions or give them a part of "
            "their own"
        )
    without: dict[str, Any] = dict.fromkeys(partial)
    return [replace(s, **without) for s in samples] if partial else samples
