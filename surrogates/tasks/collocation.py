"""The task of a physics-informed network: an equation without data, from random points to scores.

Papers: Physics-informed neural networks (doi:10.1016/j.jcp.2018.10.045); for independent draws in the two factors of
the squared residual, Stochastic Taylor Derivative Estimator (arXiv:2412.00088).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.physics.errors import DomainError
from surrogates.pinns.drawing import mix
from surrogates.pinns.inverse import Unknowns, plain
from surrogates.pinns.named import named_problem
from surrogates.pinns.problem import Problem, without_functions
from surrogates.pinns.residuals import mean_squares, residuals_at
from surrogates.pinns.stream import CollocationBatch, PointSet, PointStream, Row
from surrogates.tasks.collocation_scores import CollocationScores, PointResult, score

__all__ = ["Collocation", "CollocationScores", "PointResult"]
_CHUNK, _NUMBERS = 4096, 20_000_000  # most points of a pass in prediction, and their coordinates together


class Collocation(nn.Module):
    """A network that solves a `Problem`: what `fit` trains on `problem.stream(...)`.

    Args:
        model: points (n, dim) -> (n, outputs). One that computes something else there (on labels of particles, say)
            brings `solution(points)`, which predictions and scores use.
        problem: the equation, or {"name": ..., arguments} of a named one.
        weighting: how the squared residuals of a step are weighted, a module such as Causal(...); None for their mean.
        resampling: which of more points train, a module such as ResidualAdaptive(...); None for points as they come.
        unbiased: the residual is computed twice with independent random draws, of derivatives that are estimates, so
            that the gradient of its square has no bias.
    A part of the loss is a mean square: of "residual" or of each residual by name, and of each condition's error.
    A named problem goes into a file by its name and arguments. One of the user's own functions stays out: the file then
    holds network and unknowns, predicts, and trains or evaluates after `with_problem`.
    """

    known: Tensor

    def __init__(
        self,
        model: nn.Module,
        problem: Problem | Mapping[str, Any],
        *,
        weighting: nn.Module | None = None,
        resampling: nn.Module | None = None,
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module) or not any(True for _ in model.parameters()):
            raise DomainError(
                f"model={type(model).__name__} has no weights to train; give a network, such as PINN(...)"
            )
        if not isinstance(problem, Problem | Mapping):
            raise DomainError(
                f"problem is a {type(problem).__name__}; give a Problem, or the name and arguments of one"
            )
        self.problem = problem if isinstance(problem, Problem) else _from_file(problem)
        self.model, self.weighting, self.resampling, self.unbiased = model, weighting, resampling, unbiased
        if weighting is not None and self.problem.time is None:
            raise DomainError(
                f"weighting={type(weighting).__name__} goes by time, and the coordinates {self.problem.names[:5]} have "
                'none; name it "t", or leave the weighting away'
            )
        self.unknowns = Unknowns(self.problem.parameters)
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))
        self._parts: tuple[str, ...] | None = None

    # what it is ------------------------------------------------------------------------------------------------------

    @property
    def arguments(self) -> dict[str, Any]:
        """What it was made with, as a file holds it."""
        found = {"model": self.model, "problem": _for_file(self.problem), "weighting": self.weighting}
        return found | {"resampling": self.resampling, "unbiased": self.unbiased}

    @property
    def trained(self) -> bool:
        """Whether it comes from earlier training."""
        return bool(self.known)

    @property
    def loss_parts(self) -> tuple[str, ...]:
        """Words that a plan's weights may have: residuals, then conditions."""
        if self._parts is None:
            with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
                found = self._residuals(self.problem.draw(2, 0, self._device).to(self._dtype))
            self._parts = (*found, *self.problem.edges)
        return self._parts

    @property
    def default_weights(self) -> dict[str, float | int]:
        """Every part weighs alike."""
        return dict.fromkeys(self.loss_parts, 1.0)

    @property
    def parameters_found(self) -> dict[str, float]:
        """The unknown numbers of the equation as they are learned, by name."""
        return {name: float(value.detach()) for name, value in self.unknowns().items()}

    def with_problem(self, problem: Problem) -> Collocation:
        """The same network for another problem of as many coordinates, or for one that no file could hold."""
        if problem.dim != self.problem.dim or sorted(problem.parameters) != sorted(self.problem.parameters):
            raise DomainError(
                f"this network is for {self.problem.dim} coordinates and unknowns {sorted(self.problem.parameters)}, "
                f"the problem has {problem.dim} and {sorted(problem.parameters)}"
            )
        found = Collocation(
            self.model, problem, weighting=self.weighting, resampling=self.resampling, unbiased=self.unbiased
        )
        found.unknowns.load_state_dict(self.unknowns.state_dict())
        found.known.copy_(self.known)
        return found.to(self._device, self._dtype).train(self.training)

    # prediction ------------------------------------------------------------------------------------------------------

    def forward(self, points: Float[Tensor, "points dim"]) -> Float[Tensor, "points outputs"]:
        """The solution at points, differentiable."""
        found: Tensor = getattr(self.model, "solution", self.model)(points)
        return found

    @torch.no_grad()
    def predict(self, points: Any, *, spread: bool = False) -> PointResult:
        """The solution at points (n, dim) or of a set of points; one network has no spread, `std` is None."""
        x = points_of(points, self.problem.dim)
        return PointResult(torch.cat([self(c.to(self._device, self._dtype)) for c in x.split(self._chunk)]))

    # training --------------------------------------------------------------------------------------------------------

    def prepare(self, train: Any) -> None:
        """Checks that network and problem fit. Raises DomainError where they do not, or a residual is not finite."""
        x = self.problem.draw(4, 0, self._device).to(self._dtype)
        with torch.no_grad():
            y = self.model(x)
        if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != 4:
            given = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise DomainError(f"the network gave {given} for points (4, {self.problem.dim}); it must give (4, outputs)")
        self.known.fill_(True)

    def restart(self, train: Any, isolated: Any = None) -> dict[str, Any]:
        """Go on from trained weights."""
        if isolated is not None:
            raise DomainError(f"isolated={isolated!r} is for energies of atoms; an equation has none, leave it away")
        self.prepare(train)
        return {"isolated": "keep"}

    def collate(self, samples: Sequence[Any]) -> CollocationBatch:
        """Rows -> points, on the model's device and in its precision."""
        source = samples[0].source if isinstance(samples[0], Row) else None
        if not isinstance(source, PointStream | PointSet):
            raise DomainError(
                f"a Collocation trains on points, not on {type(samples[0]).__name__}; give problem.stream() to train "
                "on and problem.points(1000) to validate on"
            )
        return source.batch([s.index for s in samples], self._device).to(self._device, self._dtype)

    def loss(self, batch: CollocationBatch, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """sum over parts of weights[part] mean square; a weighting changes the means of residuals while training."""
        if self.training and self.resampling is not None:
            batch = self._resampled(batch)
        if not self.training or (self.weighting is None and not self.unbiased):
            whole, parts = self.objective(batch, weights)
            return (whole if self.training else whole.detach()), {n: part.detach() for n, part in parts.items()}
        found, edges = self._errors(batch)
        if self.unbiased:
            again = self._residuals(batch.interior)
            found = {name: r.detach() + (again[name] - again[name].detach()) for name, r in found.items()}
        parts = mean_squares(found) | edges
        total = [weights.get(name, 0.0) * part for name, part in parts.items()]
        if self.weighting is not None:
            total = [self._weighted(batch.interior, found, edges, weights), *total[len(found) :]]
        return torch.stack(total).sum(), {name: part.detach() for name, part in parts.items()}

    def objective(
        self, batch: CollocationBatch, weights: Mapping[str, float | int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The plain loss and its parts, with their gradients: what a line search may compare."""
        found, edges = self._errors(batch)
        parts = mean_squares(found) | edges
        return torch.stack([weights.get(name, 0.0) * part for name, part in parts.items()]).sum(), parts

    def refit(self, train: Any) -> None:
        """Nothing: there is no closed form to correct."""

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> CollocationScores:
        """Errors at points: against the exact solution where there is one, of the equation, of its conditions.

        `data` is a set of points (`problem.points(...)`), `predict` what is scored, this task's own unless given.
        """
        if isinstance(data, Tensor):
            data = PointSet(self.problem, data)
        return score(self, predict or self.predict, data)

    def residuals(self, points: Any) -> dict[str, Tensor]:
        """Residuals at points by name, (points, k): zero where the equation holds."""
        parts = []
        for chunk in points_of(points, self.problem.dim).split(self._chunk):
            found = self._residuals(chunk.to(self._device, self._dtype))
            parts.append({name: r.detach() for name, r in found.items()})
        return {name: torch.cat([p[name] for p in parts]) for name in parts[0]}

    def condition_errors(self, data: PointSet) -> dict[str, float]:
        """Root mean square error of each condition at the points of `data`, by name."""
        errors = {}
        for name, condition in self.problem.edges.items():
            with torch.enable_grad():
                error = condition.error(self.model, data.edges[name].to(self._device, self._dtype))
            errors[name] = float(error.detach().double().square().mean().sqrt())
        return errors

    def card(self) -> dict[str, Any]:
        """The problem and the unknowns found, for the card of a saved model; plain JSON."""
        spec = self.problem.spec
        told = (
            "functions of the user's own, not in this file: with_problem gives it one" if spec is None else dict(spec)
        )
        return {"problem": told, "coordinates": list(self.problem.names[:20]), "found": self.parameters_found}

    def _resampled(self, batch: CollocationBatch) -> CollocationBatch:
        """As many points, chosen among fresh ones by the residuals there."""
        assert self.resampling is not None
        seed = mix(batch.seed, 1)
        count = int(self.resampling.candidates) * batch.rows  # type: ignore[arg-type]
        x = self.problem.draw(count, seed, self._device).to(self._dtype)
        sizes = torch.cat([r.square() for r in self.residuals(x).values()], dim=1).sum(dim=1).sqrt()
        chosen = self.resampling(sizes, batch.rows, torch.Generator(self._device).manual_seed(seed))
        return replace(batch, interior=x[chosen])

    def _errors(self, batch: CollocationBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Residuals at the points inside, and mean square errors of the conditions, by name."""
        with torch.enable_grad():  # a residual may differentiate by autograd, in validation too
            edges = {n: c.error(self.model, batch.edges[n]).square().mean() for n, c in self.problem.edges.items()}
            return self._residuals(batch.interior), edges

    def _weighted(
        self,
        x: Tensor,
        residuals: Mapping[str, Tensor],
        edges: Mapping[str, Tensor],
        weights: Mapping[str, float | int],
    ) -> Tensor:
        """The residuals' share of the loss, with later times weighted by what is before them."""
        assert self.weighting is not None
        assert self.problem.time is not None
        squares = [weights.get(name, 0.0) * r.square().sum(dim=1) for name, r in residuals.items()]
        kinds = self.problem.edges
        start = [weights.get(n, 0.0) * e.detach() for n, e in edges.items() if kinds[n].kind == "initial"]
        before = torch.stack([x.new_zeros(()), *start]).sum()
        found: Tensor = self.weighting(x[:, self.problem.time], torch.stack(squares).sum(dim=0), before)
        return found

    def _residuals(self, x: Tensor) -> dict[str, Tensor]:
        with torch.enable_grad():
            return residuals_at(self.problem, self.model, x, self.unknowns())

    @property
    def _chunk(self) -> int:
        return max(1, min(_CHUNK, _NUMBERS // self.problem.dim))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype


def points_of(points: Any, dim: int) -> Tensor:
    """Points as a tensor (n, dim), from a tensor, an array or a set of points. Raises DomainError for other shapes."""
    found = points.interior if isinstance(points, PointSet) else torch.as_tensor(points)
    if found.ndim != 2 or found.shape[1] != dim or not found.is_floating_point():
        raise DomainError(f"points are {found.dtype} of shape {tuple(found.shape)}; give real numbers (n, {dim})")
    return found


def _for_file(problem: Problem) -> dict[str, Any]:
    if problem.spec is not None:
        return dict(problem.spec)
    return {"dim": problem.dim, "coordinates": list(problem.names[:20]), "unknowns": plain(problem.parameters)}


def _from_file(spec: Mapping[str, Any]) -> Problem:
    if "name" not in spec:
        return without_functions(**spec)
    return named_problem(spec["name"], **{word: value for word, value in spec.items() if word != "name"})
