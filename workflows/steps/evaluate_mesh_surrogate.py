"""Honest scores of surrogates on meshes, side by side: errors, bands, physics, the solver finishing, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from surrogates.workflows.desk import Desk
from surrogates.workflows.fields import Count, MeshesFile, Output, Positive, TrainedMeshSurrogate
from surrogates.workflows.files import read_json, write_json
from surrogates.workflows.results import decode, encode
from surrogates.workflows.steps.evaluate import Band, LawRow, names_of

STEMS = ("mesh", "mmgp", "plates")  # names that steps give their checkpoints


@dataclass(frozen=True)
class EvaluateMeshSurrogate:
    """Score surrogates on meshes that none of them has learned from.

    Args:
        surrogates: one, or several to be set side by side; the verdict looks at the first. data: files of meshes; the
            first is the one that laws and speed are measured on, others lie further out (a probe).
        laws: whether the laws are measured (permutation, remeshing, rigid motion as far as they are claimed).
        verify: let the solver finish what each surrogate that predicts its unknown began, on 8 meshes, to this relative
            residual; None for not. coarser: the solver is timed with edges so many times longer.
    """

    surrogates: TrainedMeshSurrogate | list[TrainedMeshSurrogate]
    data: MeshesFile | list[MeshesFile]
    laws: bool = True
    verify: Positive | None = None
    coarser: list[Count] = field(default_factory=lambda: [1, 2, 3])

    def __post_init__(self) -> None:
        if not self._files() or not self._surrogates():
            raise ValueError("name a surrogate, and data to score it on")

    def outputs(self) -> dict[str, Output]:
        return {"": Output("nothing")}

    def jobs(self) -> list[str]:
        several = range(len(self._surrogates()))
        scores = [f"data-{k}-{d}" for k in several for d in range(len(self._files()))]
        each = ["speed", *(["laws"] if self.laws else []), *(["verify"] if self.verify else [])]
        return [*scores, *(f"{what}-{k}" for what in each for k in several), "solver"]

    def work(self, job: str, desk: Desk) -> None:
        from surrogates.workflows import mesh_costs, mesh_measures
        from surrogates.workflows.mesh_inputs import mesh_data, mesh_surrogate

        folder, (kind, *numbers) = desk.job_folder(job), job.split("-")
        data = mesh_data(self._files()[int(numbers[1]) if kind == "data" else 0])
        if kind == "solver":
            found: Any = mesh_costs.solver(data, self.coarser)
        else:
            surrogate = mesh_surrogate(self._surrogates()[int(numbers[0])], desk)
            if kind == "data":
                found = mesh_measures.scores(surrogate, data, folder / "arrays.npz", desk.progress)
            elif kind == "speed":
                found = mesh_costs.costs(surrogate, data)
            elif kind == "laws":
                found = mesh_measures.law_rows(surrogate, data)
            else:
                found = mesh_measures.certified(surrogate, data, float(self.verify or 1e-8))
        write_json(folder / "result.json", encode(found))

    def finish(self, desk: Desk) -> MeshSurrogatesEvaluated:
        names, files = names_of_surrogates(self._surrogates()), names_of(self._files())
        scores: dict[str, dict[str, MeshScores]] = {}
        laws: dict[str, tuple[LawRow, ...]] = {}
        certified: dict[str, MeshCertified] = {}
        for k, name in enumerate(names):
            scores[name] = {}
            for d, file in enumerate(files):
                job = f"data-{k}-{d}"
                found: MeshScores = decode(MeshScores, self._read(desk, job))
                scores[name][file] = replace(found, file=f"jobs/{job}/{found.file}")
            if self.laws:
                laws[name] = tuple(decode(LawRow, row) for row in self._read(desk, f"laws-{k}") or ())
            finished = self._read(desk, f"verify-{k}") if self.verify else None
            if finished is not None:
                certified[name] = decode(MeshCertified, finished)
        speed = {name: self._read(desk, f"speed-{k}") for k, name in enumerate(names)}
        write_json(desk.folder / "measured.json", {"speed": speed, "solver": self._read(desk, "solver")})
        return MeshSurrogatesEvaluated(tuple(names), tuple(files), scores, laws, certified)

    def _read(self, desk: Desk, job: str) -> Any:
        return read_json(desk.job_folder(job) / "result.json")

    def _files(self) -> list[str]:
        return [self.data] if isinstance(self.data, str) else self.data

    def _surrogates(self) -> list[str]:
        return [self.surrogates] if isinstance(self.surrogates, str) else self.surrogates


def names_of_surrogates(files: list[str]) -> list[str]:
    """Short names of checkpoints: the step's folder, or the file's stem; numbered where two are equal."""
    names = [Path(f).parent.name if Path(f).stem in STEMS else Path(f).stem for f in files]
    return [n if names.count(n) == 1 else f"{n}-{k}" for k, n in enumerate(names)]


@dataclass(frozen=True)
class Quantity:
    """A number of each mesh, such as the peak of a field: mean |error| over |truth| in `error`, `rank` correlation of
    prediction and truth over meshes, share inside the 90 % band in `coverage` and its mean relative half-width in
    `width`; None without a band."""

    error: float
    rank: float | None
    coverage: float | None = None
    width: float | None = None


@dataclass(frozen=True)
class MeshScores:
    """Errors on one file of meshes.

    Args:
        fields: predicted, in order, the first is looked at first. samples: meshes compared. nodes: mean of a mesh.
        relative_l2: |error| / |truth| with the mass matrix, mean over meshes, by field; trivial: that of the best
            constant; persistence: of no change, for steps in time.
        rrmse: root mean square over meshes of each one's error over its largest value. rmse, max_error: at nodes, in
            the field's unit. quantities: numbers of whole meshes by name. spread: the band by field.
        indicator, indicator_truth: what residuals and jumps of the elements say of prediction and solution, over the
            energy, median over some meshes; None where the equation is not known. galerkin: |K u - f| of the
            prediction in the same way. indicator_rank: its rank correlation with the error from mesh to mesh.
        foreign: share of meshes called unlike the training data. follows: rank correlation of the error with numbers of
            the geometry. frames: compared in all. file: arrays for pictures. hash: of the data.
    """

    fields: tuple[str, ...]
    samples: int
    nodes: float
    relative_l2: dict[str, float]
    trivial: dict[str, float]
    rrmse: dict[str, float]
    rmse: dict[str, float]
    max_error: dict[str, float]
    persistence: dict[str, float] = field(default_factory=dict)
    quantities: dict[str, Quantity] = field(default_factory=dict)
    spread: dict[str, Band] = field(default_factory=dict)
    indicator: float | None = None
    indicator_truth: float | None = None
    galerkin: float | None = None
    indicator_rank: float | None = None
    foreign: float | None = None
    follows: dict[str, float] = field(default_factory=dict)
    frames: int = 1
    file: str = ""
    hash: str = ""


@dataclass(frozen=True)
class MeshCosts:
    """CPU seconds a mesh, in timings.json: `first` of a mesh never seen, `again` of one whose patterns or morph are
    known; `nodes` of it."""

    nodes: float
    first: float
    again: float


@dataclass(frozen=True)
class MeshSolverCost:
    """The solver with edges `coarser` times longer: mean `nodes`, CPU `seconds` a mesh (meshing and solution), and
    relative L2 `error` by field against the data, after interpolation."""

    coarser: int
    nodes: float
    seconds: float
    error: dict[str, float]


@dataclass(frozen=True)
class MeshCertified:
    """What the solver finished from a surrogate's answers.

    Args:
        samples: meshes. tolerance: of the relative residual. iterations: of conjugate gradients, mean, from the
            surrogate's answer; alone: from zero. defect: the largest residual left. converged: all within tolerance.
        error: relative distance of the answers from the certified ones, in the energy norm. field: that was finished.
    """

    samples: int
    tolerance: float
    iterations: float
    alone: float
    defect: float
    converged: bool
    error: float
    field: str


@dataclass(frozen=True)
class MeshSurrogatesEvaluated:
    """Scores by surrogate and data: `result["mmgp"]["test"].relative_l2["von_mises"]`.

    Args:
        names: of the surrogates, files: of the data, in order; the verdict looks at the first of each. scores, laws,
            certified: by surrogate. speed: the file with timings.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    scores: dict[str, dict[str, MeshScores]]
    laws: dict[str, tuple[LawRow, ...]] = field(default_factory=dict)
    certified: dict[str, MeshCertified] = field(default_factory=dict)
    speed: str = "timings.json"

    def __getitem__(self, name: str) -> dict[str, MeshScores]:
        return self.scores[name]
