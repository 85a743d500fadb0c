"""Honest scores of an operator: errors on data kept apart, bands against errors, laws, the solver at equal error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, FieldsFile, Output, Positive, TrainedOperator
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.evaluate import Band, LawRow, names_of


@dataclass(frozen=True)
class EvaluateOperator:
    """Score an operator on trajectories that it has not learned from.

    Args:
        operator: a trained operator. data: files of trajectories; the first is the one that laws and speed are measured
            on. every: grids to score on, each n-th point along every axis; several show what another resolution costs.
        laws: whether the physical laws are measured. symmetry: what the problem commutes with, which is measured too:
            translation along periodic axes (not where a forcing stands still), rotation by 90 degrees, reflection.
        verify: let the solver finish what the operator began, on 16 trajectories, to this tolerance; None for not.
        coarser: the solver is timed on grids so many times coarser.
    """

    operator: TrainedOperator
    data: FieldsFile | list[FieldsFile]
    every: list[Count] = field(default_factory=lambda: [1])
    laws: bool = True
    symmetry: list[Literal["translation", "rotation", "reflection"]] = field(default_factory=lambda: ["translation"])
    coarser: list[Count] = field(default_factory=lambda: [1, 2, 4])
    verify: Positive | None = None

    def __post_init__(self) -> None:
        if not self._files() or not self.every:
            raise ValueError("there is no data to score on")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        scores = [f"data-{k}-{n}" for k in range(len(self._files())) for n in self.every]
        return [*scores, *(["laws"] if self.laws else []), "speed", *(["verify"] if self.verify else [])]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows import field_measures as measures
        from surrogates.workflows.field_inputs import field_data, trained_operator

        operator, folder = trained_operator(self.operator, desk), desk.job_folder(job)
        if job.startswith("data-"):
            number, every = (int(word) for word in job.split("-")[1:])
            data = field_data(self._files()[number], every)
            found: Any = measures.scores(operator, data, folder / "arrays.npz")
        else:
            data = field_data(self._files()[0], self.every[0])
            if job == "verify" and self.verify is not None:
                found = measures.certified(operator, data, self.verify)
            elif job == "laws":
                found = measures.law_rows(operator, data, tuple(self.symmetry))
            else:
                found = measures.costs(operator, data, self.coarser)
        write_json(folder / "result.json", encode(found))

    def finish(self, desk: Desk) -> OperatorEvaluated:
        write_json(desk.folder / "measured.json", {"speed": read_json(desk.job_folder("speed") / "result.json")})
        names, scores = [], {}
        for k, name in enumerate(names_of(self._files())):
            for n in self.every:
                own = name if n == self.every[0] else f"{name}, every {n}"
                job = f"data-{k}-{n}"
                found: OperatorScores = decode(OperatorScores, read_json(desk.job_folder(job) / "result.json"))
                scores[own] = replace(found, file=f"jobs/{job}/{found.file}")
                names.append(own)
        rows = read_json(desk.job_folder("laws") / "result.json") or () if self.laws else ()
        finished = read_json(desk.job_folder("verify") / "result.json") if self.verify else None
        return OperatorEvaluated(
            tuple(names),
            scores,
            tuple(decode(LawRow, row) for row in rows),
            None if finished is None else decode(Certified, finished),
        )

    def _files(self) -> list[str]:
        return [self.data] if isinstance(self.data, str) else self.data


@dataclass(frozen=True)
class OperatorScores:
    """Errors on one file of trajectories.

    Args:
        samples: predictions compared. grid: points along each axis. relative_l2: mean of |error| / |truth|; by_field is
            it for each field. relative_l2_trivial: of these data's mean field. relative_l2_persistence: of no change,
            None where the input has no such field. nrmse, max_error, mean_drift, bands: see tasks.field_scores.
        spread: the calibrated band by field. residual, residual_truth: by how much the prediction, and the truth on the
            same frames, miss the equation (median over samples); None where the equation is not known. foreign: share
            of inputs that the out-of-data detector flags. file: arrays for pictures. hash: of the data.
    """

    samples: int
    grid: tuple[int, ...]
    relative_l2: float
    by_field: dict[str, float]
    relative_l2_trivial: float
    relative_l2_persistence: float | None = None
    nrmse: dict[str, float] = field(default_factory=dict)
    max_error: dict[str, float] = field(default_factory=dict)
    mean_drift: dict[str, float] = field(default_factory=dict)
    bands: dict[str, tuple[float, ...]] = field(default_factory=dict)
    spread: dict[str, Band] = field(default_factory=dict)
    residual: float | None = None
    residual_truth: float | None = None
    foreign: float | None = None
    file: str = ""
    hash: str = ""


@dataclass(frozen=True)
class SolverCost:
    """The solver on a grid: `points` along the first axis, CPU `seconds` a sample, relative L2 `error`."""

    points: int
    seconds: float
    error: float


@dataclass(frozen=True)
class Costs:
    """Time a sample, in timings.json.

    Args:
        points: of the data's grid along the first axis. surrogate: CPU seconds a sample, alone; batch: among 32.
        error: relative L2 error of the surrogate on these samples. solver: on grids from fine to coarse; () where the
            data name no solver.
    """

    points: int
    surrogate: float
    batch: float
    error: float
    solver: tuple[SolverCost, ...] = ()


@dataclass(frozen=True)
class Certified:
    """What the solver finished from the operator's answers: see simulation.verify_fields.

    Args:
        samples: trajectories. how: "conjugate gradients" or "parareal". work: mean iterations, or sweeps. alone: the
            same without the operator. defect: the largest relative one left. converged: whether within tolerance.
        error: relative L2 distance of the operator's answers from the certified ones.
    """

    samples: int
    how: str
    work: float
    alone: float
    defect: float
    converged: bool
    error: float


@dataclass(frozen=True)
class OperatorEvaluated:
    """Scores by data and grid: `result["test"].relative_l2`.

    Args:
        names: in order, the first is what the verdict looks at. scores: by name. laws: of the operator. certified: by
            the solver, None where it was not asked. speed: the file with timings.
    """

    names: tuple[str, ...]
    scores: dict[str, OperatorScores]
    laws: tuple[LawRow, ...] = ()
    certified: Certified | None = None
    speed: str = "timings.json"

    def __getitem__(self, name: str) -> OperatorScores:
        return self.scores[name]
