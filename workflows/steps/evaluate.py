"""Honest scores: errors on data kept apart, spread against error, laws, speed beside the reference."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Calculator, Count, Output, Reference, StructuresFile
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode


@dataclass(frozen=True)
class Evaluate:
    """Score a calculator on labelled structures that it has not learned from.

    Args:
        calculator: a trained surrogate, or a foreign calculator. data: files of labelled structures; the first is the
            one that laws and speed are measured on. reference: what it is to replace, timed beside it.
        laws: whether the physical laws are measured, on `law_structures` structures; the reference's too.
        copies: sizes that are timed, in copies of a structure along each axis (n^3 in all).
    """

    calculator: Calculator
    data: StructuresFile | list[StructuresFile]
    reference: Reference | None = None
    laws: bool = True
    law_structures: Count = 1
    copies: list[Count] = field(default_factory=lambda: [1, 2])

    def __post_init__(self) -> None:
        if not self._files():
            raise ValueError("there is no data to score on")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        laws = ["laws"] + (["reference-laws"] if self.reference else [])
        return [*(f"data-{k}" for k in range(len(self._files()))), *(laws if self.laws else []), "speed"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows import measures
        from surrogates.workflows.inputs import calculator, read_data

        surrogate = calculator(self.reference if job == "reference-laws" else self.calculator, desk)  # type: ignore[arg-type]
        folder, kind = desk.job_folder(job), job.partition("-")[0]
        if kind == "data":
            data = read_data(self._files()[int(job.partition("-")[2])])
            found: Any = measures.scores(surrogate, data, folder / "arrays.npz")
        else:
            some = list(read_data(self._files()[0]).atoms[: self.law_structures])
            if kind == "speed":
                reference = calculator(self.reference, desk) if self.reference else None
                found = measures.timings(surrogate, reference, some[0], self.copies)
            else:
                found = measures.law_rows(surrogate, some)
        write_json(folder / "result.json", encode(found))

    def finish(self, desk: Desk) -> Evaluated:
        write_json(desk.folder / "measured.json", {"speed": self._read(desk, "speed")})
        return Evaluated(
            names=tuple(names_of(self._files())),
            scores=dict(self._scores(desk)),
            laws=self._laws(desk, "laws"),
            reference_laws=self._laws(desk, "reference-laws"),
            speed="timings.json",
        )

    def _scores(self, desk: Desk) -> list[tuple[str, Scores]]:
        rows = []
        for k, name in enumerate(names_of(self._files())):
            found: Scores = decode(Scores, self._read(desk, f"data-{k}"))
            rows.append((name, replace(found, file=f"jobs/data-{k}/{found.file}")))
        return rows

    def _laws(self, desk: Desk, job: str) -> tuple[LawRow, ...]:
        return tuple(decode(LawRow, row) for row in self._read(desk, job) or ()) if job in self.jobs() else ()

    def _read(self, desk: Desk, job: str) -> Any:
        return read_json(desk.job_folder(job) / "result.json")

    def _files(self) -> list[str]:
        return [self.data] if isinstance(self.data, str) else self.data


def names_of(files: list[str]) -> list[str]:
    """Short names of files: the stem, with its folder before it where two are equal."""
    stems = [Path(f).stem for f in files]
    return [
        s if stems.count(s) == 1 else f"{Path(f).parent.name}-{s}-{k}"
        for k, (f, s) in enumerate(zip(files, stems, strict=True))
    ]


@dataclass(frozen=True)
class Band:
    """How a band |error| <= width did: see evaluation.coverage.

    Args:
        level: what it promises. n, groups: errors, and structures they come from. coverage, coverage_error: share
            inside and its standard error. terciles: share inside among narrow, middle and wide bands.
        mean_width, mean_error: eV/Å for forces, eV for energies. rank_correlation: Spearman's, of width with error.
        widest_over_narrowest: ratio of the 90 % to the 10 % quantile of the widths.
    """

    level: float
    n: int
    groups: int
    coverage: float
    coverage_error: float | None
    terciles: tuple[float, float, float]
    mean_width: float
    mean_error: float
    rank_correlation: float | None
    widest_over_narrowest: float | None


@dataclass(frozen=True)
class Scores:
    """Errors on one file of labelled structures; None where it has no such label.

    Args:
        structures, atoms: compared. energy_mae, energy_rmse: eV/atom. energy_mae_trivial: of the best sum of atomic
            energies. force_mae, force_rmse: by component, eV/Å; force_mae_trivial: of no force at all;
            force_mae_by_element: by symbol. stress_mae: eV/Å^3. spread_forces, spread_energy: the calibrated band.
        configurational_temperature: K, from the labels' forces and the surrogate's curvature.
        foreign: share of structures that the out-of-data detector flags. file: predicted and reference values (npz:
            `energy`, `energy_reference`, `forces`, `forces_reference`, `forces_std`, `numbers`, `sizes`). hash: data's.
    """

    structures: int
    atoms: int
    energy_mae: float | None = None
    energy_rmse: float | None = None
    energy_mae_trivial: float | None = None
    force_mae: float | None = None
    force_rmse: float | None = None
    force_mae_trivial: float | None = None
    force_mae_by_element: dict[str, float] = field(default_factory=dict)
    stress_mae: float | None = None
    spread_forces: Band | None = None
    spread_energy: Band | None = None
    configurational_temperature: float | None = None
    foreign: float | None = None
    file: str = ""
    hash: str = ""


@dataclass(frozen=True)
class LawRow:
    """One law: largest violation `error` beside the `scale` of the quantity and what was allowed, all in `unit`."""

    name: str
    error: float | None
    scale: float | None
    tolerance: float | None
    unit: str
    verdict: str
    note: str = ""


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one evaluation of energy and forces at a size of so many atoms, in timings.json."""

    atoms: int
    surrogate: float
    reference: float | None = None


@dataclass(frozen=True)
class Evaluated:
    """Scores by file name: `result["test"].force_mae`.

    Args:
        names: of the files, in order. scores: by name. laws, reference_laws: of the surrogate and of the reference.
        speed: the file with timings.
    """

    names: tuple[str, ...]
    scores: dict[str, Scores]
    laws: tuple[LawRow, ...] = ()
    reference_laws: tuple[LawRow, ...] = ()
    speed: str = "timings.json"

    def __getitem__(self, name: str) -> Scores:
        return self.scores[name]
