"""Honest scores of networks that solve an equation: errors, residuals by region, bands, unknowns, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, Output, TrainedEquation, Within
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.evaluate import Band


@dataclass(frozen=True)
class EvaluateEquation:
    """Score trained solutions of an equation at points that none of them has seen.

    Args:
        equations: trained solutions of one problem, or of problems with the same solution; the verdict looks at the
            first, the others stand beside it. points: test points inside. edge: on each condition.
        regions: slabs of time, or shells around the middle, in which errors and residuals are shown apart.
        map: points an axis of pictures.
    """

    equations: TrainedEquation | list[TrainedEquation]
    points: Annotated[int, Within(100)] = 4000
    edge: Count = 200
    regions: Annotated[int, Within(1, 20)] = 5
    map: Annotated[int, Within(8, 256)] = 96

    def __post_init__(self) -> None:
        if not self._files():
            raise ValueError("there is no solution to score")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        return [f"{what}-{k}" for k in range(len(self._files())) for what in ("scores", "speed")]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows import equation_costs, equation_measures
        from surrogates.workflows.equation_inputs import trained_equation

        what, _, number = job.partition("-")
        solution = trained_equation(self._files()[int(number)], desk)
        folder, seed = desk.job_folder(job), 1000 * desk.seed + 7
        if what == "scores":
            asked = equation_measures.Asked(self.points, self.edge, self.regions, self.map, seed)
            found: Any = equation_measures.scores(solution, asked, folder / "arrays.npz", desk.progress)
        else:
            found = equation_costs.costs(solution, self.points, seed)
        write_json(folder / "result.json", encode(found))

    def finish(self, desk: Desk) -> EquationsEvaluated:
        names, scores, speed = names_of_solutions(self._files()), {}, {}
        for k, name in enumerate(names):
            found: EquationScores = decode(EquationScores, read_json(desk.job_folder(f"scores-{k}") / "result.json"))
            scores[name] = replace(found, file=f"jobs/scores-{k}/{found.file}")
            speed[name] = read_json(desk.job_folder(f"speed-{k}") / "result.json")
        write_json(desk.folder / "measured.json", {"speed": speed})
        return EquationsEvaluated(tuple(names), scores)

    def _files(self) -> list[str]:
        return [self.equations] if isinstance(self.equations, str) else self.equations


def names_of_solutions(files: list[str]) -> list[str]:
    """Short names of checkpoints: the step's folder, or the file's stem; numbered where two are equal."""
    names = [Path(f).parent.name if Path(f).stem == "equation" else Path(f).stem for f in files]
    return [n if names.count(n) == 1 else f"{n}-{k}" for k, n in enumerate(names)]


@dataclass(frozen=True)
class Region:
    """A part of the domain: test `points` in it, root mean square `residual` relative to the equation's scale, root
    mean square `error` and mean half-width of the 90 % `band`, both relative to the solution's own scatter; None where
    not known."""

    name: str
    points: int
    residual: float | None
    error: float | None = None
    band: float | None = None


@dataclass(frozen=True)
class Unknown:
    """An unknown number of the equation: where learning began, what the members found, by how much they differ (sample
    standard deviation), and the truth; None where not known."""

    name: str
    start: float
    found: float
    spread: float | None = None
    truth: float | None = None


@dataclass(frozen=True)
class EquationScores:
    """Errors of one solution at points that it has not seen.

    Args:
        problem: its name and arguments. coordinates: their names. points: compared. members: of the ensemble.
        relative_l2: |u - exact| / |exact|; constant, start: that of the best constants, and of the initial state kept;
            max_error: the largest. None where no solution, or no time, is known.
        size: scatter of the solution about its mean, in the field's unit. residual: root mean square by name, of the
            members. residual_scale: what a residual is compared with, `scale_name`: the solution's change in time, or
            the residual of u = 0; None where both vanish. conditions: root mean square error by name.
        regions: parts of the domain. spread: how bands did by name, "members" or "calibrated". residual_knows,
            band_knows: rank correlation of |residual|, and of the band, with the error. unknowns: of the equation.
        stretch: of a Lagrangian network, the least distance of neighbouring paths over their first one; 0 or less where
            they cross. file: arrays for pictures.
    """

    problem: str
    coordinates: tuple[str, ...]
    points: int
    members: int
    relative_l2: float | None
    constant: float | None
    start: float | None
    max_error: float | None
    size: float
    residual: dict[str, float]
    residual_scale: float | None
    scale_name: str
    conditions: dict[str, float] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    spread: dict[str, Band] = field(default_factory=dict)
    residual_knows: float | None = None
    band_knows: float | None = None
    unknowns: tuple[Unknown, ...] = ()
    stretch: float | None = None
    file: str = ""

    @property
    def band(self) -> Band | None:
        """How the best band did: the calibrated one, or the members' scatter; None without either."""
        return self.spread.get("calibrated") or self.spread.get("members")

    @property
    def relative_residual(self) -> float | None:
        """Root of the sum of the squared residuals over their scale."""
        whole = sum(r * r for r in self.residual.values() if r is not None) ** 0.5
        return None if self.residual_scale is None else whole / self.residual_scale


@dataclass(frozen=True)
class EquationCosts:
    """CPU seconds, in timings.json.

    Args:
        points: evaluated at. network: its values there. reference: the known solution there, from nothing; again: once
            more, when a solver has its solution already. None where no solution is known.
    """

    points: int
    network: float
    reference: float | None = None
    again: float | None = None


@dataclass(frozen=True)
class EquationsEvaluated:
    """Scores by solution, `result["solution"].relative_l2`: `names` in order, the first is what the verdict looks at;
    `speed`: the file with timings."""

    names: tuple[str, ...]
    scores: dict[str, EquationScores]
    speed: str = "timings.json"

    def __getitem__(self, name: str) -> EquationScores:
        return self.scores[name]
