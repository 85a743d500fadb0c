"""The task of an operator network: fields in, fields out, from normalisation to scores.

The loss may go through several steps of the network's own output: with `through="all"` the gradient runs through all of
them, with "last" through the last one only, the pushforward trick of Message Passing Neural PDE Solvers
(arXiv:2202.03376), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.blocks.field_losses import LOSSES
from surrogates.datasets.batch import GridBatch
from surrogates.physics.errors import DomainError
from surrogates.selection import parse_all, span
from surrogates.tasks import stepping
from surrogates.tasks.channels import TABLE, Channels, Moments, moments
from surrogates.tasks.field_results import FieldResult, RolloutBatch
from surrogates.tasks.field_scores import FieldScores, score
from surrogates.tasks.windows import Window, Windows

__all__ = ["FieldResult", "OperatorMap", "RolloutBatch"]
_NORMALISED_ON = 2000  # windows from which mean and scale are taken
_POINTS = 2_000_000  # values of a batch in prediction, going in or coming out


class OperatorMap(nn.Module):
    """A network between fields as a physical result: what `fit` trains on a `Fields` data set.

    Args:
        model: (batch, in_channels, *space), (batch, n_parameters) -> (batch, out_channels, *space), see interfaces.
        input, target: selections such as "u[0]" and "u[-1]", or "u[t-9:t+1]" and "u[t+1]"; see selection. Frames
            and components of several selections are the channels, in order.
        parameters: names of the data's parameters that the model is told (nu, a Reynolds number), standardised.
        loss: what an error costs, a name in surrogates.blocks.field_losses, field by field.
        unroll: steps of the network that the loss goes through, for relative selections.
        through: "all" or "last", which of them get a gradient.
        conserve: fields whose mean over the domain stays that of the input's last frame, exactly.
        baseline: an operator that knows part of the answer (a coarse solver), in the data's units; the model learns the
            rest (delta learning).
    A mask in the data, True inside, is told to the model as a last input channel if it has one for it, and errors
    outside it do not count: what is predicted there is 0. Without a mask all points are inside.
    """

    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor
    parameter_mean: Tensor
    parameter_scale: Tensor
    layout_table: Tensor
    known: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        input: str | Sequence[str],
        target: str | Sequence[str],
        parameters: str | Sequence[str] = (),
        loss: str = "relative_l2",
        unroll: int = 1,
        through: str = "all",
        conserve: str | Sequence[str] = (),
        baseline: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.inputs, self.targets = parse_all(input), parse_all(target)
        self.parameters_of_data = tuple([parameters] if isinstance(parameters, str) else parameters)
        self.conserve = tuple([conserve] if isinstance(conserve, str) else conserve)
        self._check(model, loss, unroll, through)
        self.arguments = {
            "model": model,
            "input": [str(s) for s in self.inputs],
            "target": [str(s) for s in self.targets],
            "parameters": list(self.parameters_of_data),
            "loss": loss,
            "unroll": unroll,
            "through": through,
            "conserve": list(self.conserve),
            "baseline": baseline,
        }
        self.model = model
        self.baseline = None if baseline is None else baseline.requires_grad_(False)
        self.unroll, self.through = unroll, through
        self._cost = LOSSES[loss]
        n_in, n_out, n_par = int(model.in_channels), int(model.out_channels), int(model.n_parameters)  # type: ignore[arg-type]
        for name, size in (("input", n_in), ("target", n_out), ("parameter", n_par)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        table = torch.zeros(2, TABLE, dtype=torch.long)  # frames and rank of each selection
        self.register_buffer("layout_table", table)
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))

    # what it is ------------------------------------------------------------------------------------------------------

    @property
    def dim(self) -> int:
        """Axes of space."""
        return int(self.model.dim)  # type: ignore[arg-type]

    @property
    def relative(self) -> bool:
        """Whether it maps any time to a later one and predicts all that its next input needs: it can be rolled out."""
        return stepping.why_not(self.inputs, self.targets) is None

    @property
    def start(self) -> int:
        """The frame `t` of the first window of a trajectory."""
        whole = span([*self.inputs, *self.targets])
        return 0 if whole is None else -min(whole[0], 0)

    @property
    def trained(self) -> bool:
        """Whether it has a normalisation from earlier training."""
        return bool(self.known)

    @property
    def loss_parts(self) -> tuple[str, ...]:
        """Words that a plan's weights may have: the fields predicted."""
        return tuple(dict.fromkeys(s.name for s in self.targets))

    @property
    def default_weights(self) -> dict[str, float | int]:
        """Every field weighs alike."""
        return dict.fromkeys(self.loss_parts, 1.0)

    @property
    def span(self) -> tuple[int, int] | None:
        """Frames around `t` that a training sample needs."""
        found = span([*self.inputs, *self.targets])
        return None if found is None else (found[0], found[1] + (self.unroll - 1) * self.stride)

    # prediction ------------------------------------------------------------------------------------------------------

    def forward(self, batch: GridBatch) -> Float[Tensor, "batch channels *space"]:
        """The target's channels, in the data's units."""
        return self.step(batch.values, batch.parameters, batch.mask)

    def step(self, values: Tensor, parameters: Tensor, mask: Tensor | None = None) -> Tensor:
        """The same of bare tensors: values (batch, channels, *space) and parameters (batch, n) in the data's units."""
        shape = (-1, *[1] * self.dim)
        x = (values - self.input_mean[: values.shape[1]].view(shape)) / self.input_scale[: values.shape[1]].view(shape)
        if mask is not None:
            x = torch.where(mask.unsqueeze(1), x, 0.0)
        if self.model.in_channels == x.shape[1] + 1 == self.input_layout.count + 1:
            inside = torch.ones_like(x[:, :1]) if mask is None else mask.unsqueeze(1).to(x)
            x = torch.cat([x, inside], dim=1)
        told = (parameters - self.parameter_mean) / self.parameter_scale if self.parameters_of_data else None
        y = self.model(x, told) * self.target_scale.view(shape)
        y = y + (self.target_mean.view(shape) if self.baseline is None else self.baseline(values, parameters))
        y = self._conserving(y, values, mask)
        return y if mask is None else torch.where(mask.unsqueeze(1), y, 0.0)

    def predict(self, data: Any, *, spread: bool = False) -> FieldResult:
        """What it says of a GridBatch, a Fields, a list of Trajectory or one; steps start at the first place that fits.

        One model has no spread; `std` is None.
        """
        if isinstance(data, GridBatch):
            with torch.no_grad():
                y = self(data.to(self.target_scale.device, self.target_scale.dtype))
            return FieldResult(self.target_layout.unpack(y))
        parts = [self.predict(batch).fields for batch in self.batches(data)]
        return FieldResult({name: torch.cat([p[name] for p in parts]) for name in parts[0]})

    def batches(self, data: Any, *, targets: bool = False) -> Iterator[GridBatch]:
        """A data set in batches: the first window of each trajectory, or with `targets` each window with its target."""
        data = [data] if hasattr(data, "times") and not hasattr(data, "split") else data
        if not len(data):
            raise DomainError("there are no trajectories; give at least one")
        windows = Windows(data, self.span if targets else span(self.inputs))
        if not targets:
            windows = windows.first()
        size = self._batch_size(data[0], self.unroll if targets else 1)
        self._check_ends(data[0], targets=targets)
        for begin in range(0, len(windows), size):
            yield self._collate([windows[i] for i in range(begin, min(begin + size, len(windows)))], targets=targets)

    def _batch_size(self, example: Any, steps: int) -> int:
        """Samples of a batch in prediction, with `steps` targets each."""
        points = int(np.prod([len(a) for a in example.axes]))
        return max(1, _POINTS // (points * max(1, len(self.input_mean), len(self.target_mean) * steps)))

    def _check_ends(self, example: Any, *, targets: bool) -> None:
        """Refuses fields unlike those trained on."""
        if len(example.axes) != self.dim:
            raise DomainError(f"the data have {len(example.axes)} axes of space, the model dim={self.dim}")
        known = ((self.inputs, self.input_layout), (self.targets, self.target_layout))
        for ends, layout in known if targets else known[:1]:
            found = Channels.of(ends, example)
            if found.table() != layout.table():
                told = ", ".join(f"{b.selection}: {b.frames} frames of rank {b.rank}" for b in found.blocks)
                raise DomainError(f"the fields have other ranks or frames ({told}) than those trained on")

    def rollout_batches(self, data: Any, *, steps: int | None = None) -> Iterator[RolloutBatch]:
        """A data set in batches with the truth of every step of a rollout from the first window, as far as it is known.

        `steps` is the most that is looked for; one where the task does not step. Raises DomainError for an empty set.
        """
        if not len(data):
            raise DomainError("there are no trajectories; give at least one")
        whole = span([*self.inputs, *self.targets])
        short = self.relative and whole is not None and len(data[0].times) < whole[1] - min(whole[0], 0)
        first = Windows(data, span(self.inputs) if short else whole).first()
        stride, frames = self.stride, len(data[0].times)
        most = 1 if not self.relative or whole is None else (frames - first.starts[0] - whole[1]) // stride + 1
        wanted = 0 if short else most if steps is None else min(steps, most)
        size = self._batch_size(data[0], wanted)
        self._check_ends(data[0], targets=wanted > 0)
        for begin in range(0, len(first), size):
            windows = [first[i] for i in range(begin, min(begin + size, len(first)))]
            batch = self._collate(windows, targets=False)
            layout = Channels.of(self.targets, windows[0].trajectory) if wanted else self.target_layout
            truths = tuple(
                torch.from_numpy(np.stack([layout.pack(w.trajectory, w.t + k * stride) for w in windows])).to(
                    batch.values
                )
                for k in range(wanted)
            )
            yield RolloutBatch(batch.values, batch.parameters, batch.mask, truths, first.starts[0])

    def advance(self, values: Tensor, predicted: Tensor) -> Tensor:
        """The input of the next step of a rollout: newest frames in, oldest out, what has no time stays.

        Raises DomainError where the target does not say what the next input needs.
        """
        if (why := stepping.why_not(self.inputs, self.targets)) is not None:
            raise DomainError(f"no rollout: {why}")
        source = stepping.sources(self.input_layout, self.target_layout, self.stride, values.shape[1])
        return torch.cat([values, predicted], dim=1)[:, source]

    @property
    def stride(self) -> int:
        """Frames by which one step of a rollout advances; 0 for a map that does not lead on in time."""
        return stepping.stride(self.inputs, self.targets)

    # training --------------------------------------------------------------------------------------------------------

    def gather(self, data: Any) -> Any:
        """A data set of trajectories as its windows, which `fit` samples from."""
        if isinstance(data, Windows) or not len(data):
            return data
        return Windows(data, self.span)

    def check_validation(self, valid: Any) -> None:
        """Nothing: one task has one kind of validation data."""

    def prepare(self, train: Any) -> None:
        """Layout and normalisation from the training data; hands normalised fields to a model that asks for them.

        Raises DomainError where channels or parameters do not fit the model, or a value is not finite.
        """
        windows = self.gather(train)
        example = windows[0]
        self._set_layout(example)
        seen = windows.some(_NORMALISED_ON)
        self._set_moments(seen)
        if hasattr(self.model, "set_target_scale"):  # a model with hard boundary values works in the data's units
            self.model.set_target_scale(self.target_mean * (self.baseline is None), self.target_scale)  # type: ignore[operator]
        if hasattr(self.model, "prepare"):
            batch = self._collate(seen, targets=True)
            shape = (-1, *[1] * self.dim)
            values = (batch.values - self.input_mean.view(shape)) / self.input_scale.view(shape)
            assert batch.target is not None
            target = (batch.target - self.target_mean.view(shape)) / self.target_scale.view(shape)
            self.model.prepare(values, target)  # type: ignore[operator]
        self.known.fill_(True)

    def restart(self, train: Any, isolated: Any = None) -> dict[str, Any]:
        """Go on from trained weights: the normalisation stays. Raises DomainError where the data do not fit."""
        if isolated is not None:
            raise DomainError(f"isolated={isolated!r} is for energies of atoms; fields have none, so leave it away")
        self._check_layout(self.gather(train)[0])
        return {"isolated": "keep"}

    def collate(self, samples: Sequence[Window]) -> GridBatch:
        """Windows -> a batch in the model's precision, with `unroll` targets behind each other in the channels."""
        return self._collate(samples, targets=True)

    def loss(self, batch: GridBatch, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """sum over fields of weights[field] cost(prediction, truth), means over samples and unrolled steps."""
        assert batch.target is not None
        values, targets = batch.values, batch.target.chunk(self.unroll, dim=1)
        sums: dict[str, Tensor] = {}
        counted = 0
        for k, target in enumerate(targets):
            last = k + 1 == self.unroll
            if self.through == "last" and not last and torch.is_grad_enabled():
                with torch.no_grad():
                    predicted = self.step(values, batch.parameters, batch.mask)
            else:
                predicted = self.step(values, batch.parameters, batch.mask)
                counted += 1
                for name in self.loss_parts:
                    rows = self.target_layout.index(name)
                    cost = self._cost(
                        predicted[:, rows], target[:, rows], batch.mask, spacing=batch.spacing, periodic=batch.periodic
                    ).mean()
                    sums[name] = sums.get(name, cost.new_zeros(())) + cost
            if not last:
                values = self.advance(values, predicted)
        parts = {name: total / counted for name, total in sums.items()}
        whole = sum((weights.get(n, 0.0) * p for n, p in parts.items()), start=values.new_zeros(()))
        return whole, {name: p.detach() for name, p in parts.items()}

    def refit(self, train: Any) -> None:
        """Nothing: there is no closed form to correct."""

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> FieldScores:
        """Errors on held-out trajectories beside trivial predictions; `predict` is what is scored, this task's own
        unless given."""
        return score(self, predict or self.predict, data)

    def card(self) -> dict[str, Any]:
        """Selections, fields and normalisation, for the card of a saved model; plain JSON."""
        return {
            "input": self.arguments["input"],
            "target": self.arguments["target"],
            "parameters": self.arguments["parameters"],
            "dim": self.dim,
            "normaliser": {
                name: {"mean": getattr(self, f"{name}_mean").tolist(), "scale": getattr(self, f"{name}_scale").tolist()}
                for name in ("input", "target", "parameter")
            },
        }

    @property
    def input_layout(self) -> Channels:
        """What the input channels are. Raises DomainError before training."""
        return self._layout(0)

    @property
    def target_layout(self) -> Channels:
        """What the output channels are. Raises DomainError before training."""
        return self._layout(1)

    def _layout(self, row: int) -> Channels:
        if not bool(self.known) and not bool(self.layout_table.any()):
            raise DomainError("this task has seen no data yet; train it with fit, or call prepare(data)")
        selections = (self.inputs, self.targets)[row]
        return Channels.from_table(selections, self.layout_table[row].tolist(), self.dim)

    def _set_layout(self, window: Window) -> None:
        for row, (selections, channels) in enumerate(((self.inputs, "in"), (self.targets, "out"))):
            layout = Channels.of(selections, window.trajectory)
            expected = int(getattr(self.model, f"{channels}_channels"))
            masked = row == 0 and window.trajectory.mask is not None and layout.count + 1 == expected
            if layout.count != expected and not masked:
                what = ", ".join(f"{b.selection} {b.frames * b.components}" for b in layout.blocks)
                raise DomainError(
                    f"{'input' if row == 0 else 'target'} has {layout.count} channels ({what}), the model "
                    f"{channels}_channels={expected}; make the model with {layout.count}"
                )
            self.layout_table[row] = torch.tensor(layout.table(), device=self.layout_table.device)
        if len(window.trajectory.axes) != self.dim:
            raise DomainError(f"the data have {len(window.trajectory.axes)} axes of space, the model dim={self.dim}")
        if len(self.parameters_of_data) != int(self.model.n_parameters):  # type: ignore[arg-type]
            raise DomainError(
                f"parameters={list(self.parameters_of_data)} are {len(self.parameters_of_data)}, the model has "
                f"n_parameters={self.model.n_parameters}; make them agree"
            )

    def _check_layout(self, window: Window) -> None:
        old = self.layout_table.clone()
        self._set_layout(window)
        if not torch.equal(old, self.layout_table):
            self.layout_table.copy_(old)
            raise DomainError("the fields have other ranks or frames than those this task was trained on")

    def _set_moments(self, windows: Sequence[Window]) -> None:
        ends = (self.input_layout, self.target_layout)
        turning = [
            *ends[0].turning(getattr(self.model, "in_ranks", ())),
            *ends[1].turning(getattr(self.model, "out_ranks", ())),
        ]
        shared = moments(ends, windows, turning) if any(s.relative for s in self.targets) else None
        for name, layout in zip(("input", "target"), ends, strict=True):
            found: Moments = shared or moments([layout], windows, turning)
            count = layout.count  # a mask's channel behind them stays as it is
            getattr(self, f"{name}_mean")[:count] = torch.tensor(layout.per_channel(found.mean)).to(self.input_mean)
            getattr(self, f"{name}_scale")[:count] = torch.tensor(layout.per_channel(found.scale)).to(self.input_mean)
        if self.baseline is not None:
            self._rescale_to_rest(windows)
        if self.parameters_of_data:
            table = torch.tensor([self._told(w) for w in windows], dtype=torch.float64)
            scale = table.std(dim=0, correction=0)
            self.parameter_mean.copy_(table.mean(dim=0))
            self.parameter_scale.copy_(torch.where(scale > 1e-12, scale, 1.0))

    @torch.no_grad()
    def _rescale_to_rest(self, windows: Sequence[Window]) -> None:
        """The model's scale is that of what the baseline leaves."""
        assert self.baseline is not None
        batch = self._collate(windows[:64], targets=True).to(self.target_scale.device)
        assert batch.target is not None
        rest = batch.target.chunk(self.unroll, dim=1)[0] - self.baseline(batch.values, batch.parameters)
        scale = rest.square().mean(dim=[0, *range(2, rest.dim())]).sqrt()
        for name in self.loss_parts:
            rows = self.target_layout.index(name)
            self.target_scale[rows] = scale[rows].square().mean().sqrt().clamp_min(1e-12)

    def _told(self, window: Window) -> list[float]:
        known = window.trajectory.parameters
        for name in self.parameters_of_data:
            if name not in known:
                raise DomainError(f"the data have no parameter {name!r}; they have {', '.join(known) or 'none'}")
        return [float(known[name]) for name in self.parameters_of_data]

    def _collate(self, samples: Sequence[Window], *, targets: bool) -> GridBatch:
        like, first = self.target_scale, samples[0].trajectory
        grids = {tuple(len(a) for a in s.trajectory.axes) for s in samples}
        if len(grids) > 1:
            raise DomainError(
                f"the trajectories differ in grid, {sorted(grids)}; give those of each grid by themselves"
            )
        inputs = Channels.of(self.inputs, first)

        def stacked(key: str, made: Callable[[Window], np.ndarray]) -> Tensor:
            return torch.stack([_kept(window, key, made, like.dtype) for window in samples])

        target = None
        if targets:
            layout = Channels.of(self.targets, first)
            steps = [k * self.stride for k in range(self.unroll)]
            target = stacked("target", lambda w: np.concatenate([layout.pack(w.trajectory, w.t + k) for k in steps]))
        masks = [s.trajectory.mask for s in samples]
        if len({mask is None for mask in masks}) > 1:
            raise DomainError("some trajectories have a mask and others none; give all of them one, True inside")
        mask = None if masks[0] is None else torch.from_numpy(np.stack(masks))
        values = stacked("values", lambda w: inputs.pack(w.trajectory, w.t))
        return GridBatch(
            values=values if mask is None else torch.where(mask.unsqueeze(1), values, 0.0),
            parameters=torch.tensor([self._told(s) for s in samples], dtype=like.dtype).reshape(len(samples), -1),
            target=target,
            mask=mask,
            periodic=tuple(bool(p) for p in first.periodic),
            spacing=tuple(float(a[1] - a[0]) if len(a) > 1 else 1.0 for a in first.axes),
        )

    def _conserving(self, y: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        if not self.conserve:
            return y
        inputs, targets = self.input_layout, self.target_layout
        for name in self.conserve:
            block = max(
                (b for b in inputs.blocks if b.name == name), key=lambda b: b.selection.stop or b.selection.first or 0
            )
            last = values[:, block.channels][:, -block.components :]
            out = targets.index(name)
            kept = _mean(last, mask).repeat(1, len(out) // block.components, *[1] * self.dim)
            y = y.index_add(1, torch.tensor(out, device=y.device), kept - _mean(y[:, out], mask) + 0 * y[:, out])
        return y

    def _check(self, model: nn.Module, loss: str, unroll: int, through: str) -> None:
        if loss not in LOSSES:
            raise DomainError(f"loss={loss!r} is unknown; choose one of {', '.join(LOSSES)}")
        for name in ("dim", "in_channels", "out_channels", "n_parameters"):
            if not isinstance(getattr(model, name, None), int):
                raise DomainError(
                    f"a {type(model).__name__} is no operator: it has no `{name}`; see surrogates.interfaces.Operator"
                )
        if through not in ("all", "last"):
            raise DomainError(f"through={through!r} is unknown; choose 'all' or 'last'")
        if any(s.relative for s in self.targets) and not any(s.relative for s in self.inputs):
            raise DomainError("the target is relative to t and no input is; write the input as 'u[t]' too")
        why = stepping.why_not(self.inputs, self.targets)
        if unroll < 1 or (unroll > 1 and why is not None):
            raise DomainError(f"unroll={unroll} wants steps: selections relative to t, such as 'u[t]', 'u[t+1]'; {why}")
        missing = [name for name in self.conserve if name not in {s.name for s in self.inputs}]
        if missing or not set(self.conserve) <= set(self.loss_parts):
            raise DomainError(f"conserve={list(self.conserve)}: each must be a field of input and target")


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the domain, (batch, channels, 1, ...)."""
    axes = tuple(range(2, x.dim()))
    if mask is None:
        return x.mean(dim=axes, keepdim=True)
    inside = mask.unsqueeze(1)
    return torch.where(inside, x, 0.0).sum(dim=axes, keepdim=True) / inside.sum(dim=axes, keepdim=True)


def _kept(window: Window, key: str, made: Callable[[Window], np.ndarray], dtype: torch.dtype) -> Tensor:
    """A window's channels as a tensor, made once where the window keeps it."""
    if window.packed is not None and key in window.packed:
        found: Tensor = window.packed[key]
        if found.dtype == dtype:
            return found
    found = torch.from_numpy(np.ascontiguousarray(made(window))).to(dtype)
    if window.packed is not None:
        window.packed[key] = found
    return found
