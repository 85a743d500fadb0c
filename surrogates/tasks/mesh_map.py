"""The task of a network on meshes: fields, tags and loads in, fields out, from normalisation to scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.datasets import MeshPrediction, MeshSample
from surrogates.datasets.batch import MeshBatch, MeshGraph
from surrogates.physics.errors import DomainError
from surrogates.selection import parse_all, span
from surrogates.tasks import stepping
from surrogates.tasks.mesh_channels import MeshChannels
from surrogates.tasks.mesh_facts import MeshFacts, named
from surrogates.tasks.mesh_inputs import KeptParts, MeshParts, NodeInputs
from surrogates.tasks.mesh_moments import normalisation
from surrogates.tasks.mesh_moving import moved
from surrogates.tasks.mesh_prescribed import Prescribed
from surrogates.tasks.mesh_scores import MeshScores, score
from surrogates.tasks.mesh_steps import Increments, Walk, orders, walked
from surrogates.tasks.mesh_windows import MeshWindow, MeshWindows, chunked

__all__ = ["MeshMap"]
_NORMALISED_ON = 2000  # windows from which means and scales are taken


class MeshMap(nn.Module):
    """A network between fields on meshes as a physical result: what `fit` trains on a `Meshes` data set.

    Args:
        model: a MeshNetwork, see interfaces; `MeshMap.channels(data, ...)` says how many channels it needs.
        input, target: selections of fields, "von_mises" of a steady problem, "velocity[t]" and "velocity[t+1]" of a
            step in time; see selection. Without input the mesh, its tags and parameters alone are told.
        tags: sets of nodes that the network is told, a channel of zeros and ones each.
        parameters: numbers of the mesh that it is told at each node, standardised.
        coordinates: "points", "centred" (about the centre of mass), "distance:TAG", or several; True for "points".
        prescribed: field -> tags on whose nodes it is known (Dirichlet), {"velocity": ["inlet", "wall"]}; for some
            components {"displacement": {"left": [0]}}. Errors there do not count, and predictions and each step of a
            rollout have the known value: the sample's, or where its frames end the newest one.
        noise: of the input fields that are predicted, at nodes where they are free, in training only; the target stays
            the true next state, so that the network learns to correct. A number is a share of the field's change in one
            step (root mean square); by name it is a standard deviation in the field's unit.
        order: 0 predicts the value itself, 1 its increment, 2 its acceleration on 2 u(t) - u(t-1); for all fields or by
            name. None: 1 for fields that the input has relative to t too, 0 for others (a pressure).
        weighting: "nodes" counts each node alike in loss and normalisation, "mass" by its share of the domain.
        moving: the input's displacement field, by whose newest frame the mesh has moved.
        facts: of the training data; set by training.
    """

    value_mean: Tensor
    value_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor
    usual: Tensor
    change: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        input: str | Sequence[str] = (),
        target: str | Sequence[str],
        tags: str | Sequence[str] = (),
        parameters: str | Sequence[str] = (),
        coordinates: bool | str | Sequence[str] = False,
        prescribed: Mapping[str, Any] | None = None,
        noise: float | int | Mapping[str, float | int] = 0.0,
        order: int | Mapping[str, int] | None = None,
        weighting: str = "nodes",
        moving: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = parse_all(input) if input else ()
        self.targets = parse_all(target)
        self.told = NodeInputs.of(tags, coordinates, parameters)
        self.prescribed = Prescribed.of(prescribed, [s.name for s in self.targets])
        self.order = orders(order, self.inputs, self.targets)
        self.noise, self.weighting, self.moving = noise, weighting, moving
        self._check(model)
        self.arguments = {
            "model": model,
            "input": [str(s) for s in self.inputs],
            "target": [str(s) for s in self.targets],
            "tags": list(self.told.tags),
            "parameters": list(self.told.parameters),
            "coordinates": list(self.told.places),
            "prescribed": self.prescribed.plain(),
            "noise": dict(noise) if isinstance(noise, Mapping) else noise,
            "order": dict(self.order),
            "weighting": weighting,
            "moving": moving,
            "facts": None,
        }
        self.model = model
        self.noise_level = 1.0  # a curriculum may change it
        n_in, n_out = int(model.in_channels), int(model.out_channels)  # type: ignore[arg-type]
        for name, size, of in (("value", n_in, 1.0), ("target", n_out, 1.0)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.full((size,), of))
        self.register_buffer("usual", torch.zeros(n_out))  # mean of the target itself, for the trivial prediction
        self.register_buffer("change", torch.zeros(n_out))  # root mean square of one step, for the noise
        self._kept = KeptParts()
        self._facts: MeshFacts | None = None
        if facts is not None:
            self._learn(MeshFacts.from_plain(facts))

    # what it is ------------------------------------------------------------------------------------------------------

    @staticmethod
    def channels(
        data: Any,
        *,
        input: str | Sequence[str] = (),
        target: str | Sequence[str],
        tags: str | Sequence[str] = (),
        parameters: str | Sequence[str] = (),
        coordinates: bool | str | Sequence[str] = False,
    ) -> tuple[int, int]:
        """in_channels and out_channels of the model that such a task needs on data like these."""
        told = NodeInputs.of(tags, coordinates, parameters)
        first = data[0]
        fields = MeshChannels.of(parse_all(input) if input else (), first).count
        return fields + len(told.names(first.dim)), MeshChannels.of(parse_all(target), first).count

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return int(self.model.dim)  # type: ignore[arg-type]

    @property
    def trained(self) -> bool:
        """Whether it has a normalisation from earlier training."""
        return self._facts is not None

    @property
    def facts(self) -> MeshFacts:
        """Of the training data. Raises DomainError before training."""
        if self._facts is None:
            raise DomainError("this task has seen no data yet; train it with fit, or call prepare(data)")
        return self._facts

    @property
    def input_layout(self) -> MeshChannels:
        """Which fields the first input channels are. Raises DomainError before training."""
        return MeshChannels.from_table(self.inputs, self.facts.inputs)

    @property
    def target_layout(self) -> MeshChannels:
        """What the output channels are. Raises DomainError before training."""
        return MeshChannels.from_table(self.targets, self.facts.targets)

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
        return span([*self.inputs, *self.targets])

    @property
    def relative(self) -> bool:
        """Whether it can be rolled out."""
        return stepping.why_not(self.inputs, self.targets) is None

    @property
    def stride(self) -> int:
        """Frames by which one step of a rollout advances; 0 for a map that does not lead on in time."""
        return stepping.stride(self.inputs, self.targets)

    # prediction ------------------------------------------------------------------------------------------------------

    def forward(self, batch: MeshBatch) -> Float[Tensor, "nodes targets"]:
        """The target's channels in the data's units, known values where they are prescribed."""
        return self.known(self.step(batch.values, batch.graph), batch)

    def step(self, values: Tensor, graph: MeshGraph) -> Float[Tensor, "nodes targets"]:
        """What the network says of input channels (nodes, channels), in the data's units."""
        if self.moving is not None:
            channels = [b for b in self.input_layout.blocks if b.name == self.moving][-1].channels
            graph = moved(graph, values[:, channels][:, -self.dim :], self.model)
        x = (values - self.value_mean) / self.value_scale
        y = self.model(x, graph) * self.target_scale + self.target_mean
        return y + self.increments.base(values, len(self.target_mean))

    @staticmethod
    def known(predicted: Tensor, batch: MeshBatch) -> Tensor:
        """With the known values where they are prescribed."""
        if batch.counted is None or batch.target is None:
            return predicted
        return torch.where(batch.counted, predicted, batch.target)

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """What it says of a MeshSample; of a Meshes or a list of them a list. Steps start at the first frame that fits.

        One model has no spread; `std` is None. Raises DomainError for meshes unlike the training data.
        """
        found = [
            prediction
            for windows in self.batches(data)
            for prediction in self.told_as(windows, self(self.collate(windows, targets=False).to(self._device)))
        ]
        return found[0] if isinstance(data, MeshSample | MeshWindow) else found

    def told_as(self, windows: Sequence[MeshWindow], predicted: Tensor, std: Tensor | None = None) -> list[Any]:
        """Channels (nodes, targets) of a batch as a MeshPrediction for each mesh."""
        ends = np.cumsum([0, *(len(w.sample) for w in windows)])
        found = []
        for w, a, b in zip(windows, ends[:-1], ends[1:], strict=True):
            fields, times = self._named(predicted[a:b], w)
            around = None if std is None else self._named(std[a:b], w)[0]
            found.append(MeshPrediction(w.sample, fields, around, times=times))
        return found

    def batches(self, data: Any, *, targets: bool = False) -> Iterator[list[MeshWindow]]:
        """Windows of data that fit into memory together: the first of each mesh, or with `targets` all."""
        if isinstance(data, MeshWindow | MeshSample):
            data = [data]
        if not hasattr(data, "__len__") or (len(data) and not isinstance(data[0], MeshWindow | MeshSample)):
            raise DomainError(f"a {type(data).__name__} holds no meshes; give a Meshes, a MeshSample or a list of them")
        if not len(data):
            raise DomainError("there are no meshes; give at least one")
        if not isinstance(data[0], MeshWindow):
            windows = MeshWindows(data, self.span if targets else span(self.inputs))
            data = windows if targets else windows.first()
        yield from chunked(self._checked(data))

    def advance(self, values: Tensor, predicted: Tensor) -> Tensor:
        """The input of the next step of a rollout: newest frames in, oldest out, what has no time stays.

        Raises DomainError where the target does not say what the next input needs.
        """
        if (why := stepping.why_not(self.inputs, self.targets)) is not None:
            raise DomainError(f"no rollout: {why}")
        layout = self.input_layout
        source = stepping.sources(layout, self.target_layout, self.stride, values.shape[1])
        source += range(layout.count, values.shape[1])
        return torch.cat([values, predicted], dim=1)[:, source]

    # training --------------------------------------------------------------------------------------------------------

    def gather(self, data: Any) -> Any:
        """A data set of meshes as its windows, which `fit` samples from."""
        if isinstance(data, MeshWindows) or not len(data):
            return data
        return MeshWindows(data, self.span)

    def check_validation(self, valid: Any) -> None:
        """Nothing: one task has one kind of validation data."""

    def prepare(self, train: Any) -> None:
        """Layout and normalisation from the training data.

        Raises DomainError where channels do not fit the model, a mesh is unlike the others, or a value is not finite.
        """
        windows = self.gather(train)
        self._learn(self._seen(windows))
        for name, found in normalisation(self, windows.some(_NORMALISED_ON)).items():
            getattr(self, name).copy_(torch.from_numpy(found))

    def restart(self, train: Any, isolated: Any = None) -> dict[str, Any]:
        """Go on from trained weights: the normalisation stays. Raises DomainError where the data do not fit."""
        if isolated is not None:
            raise DomainError(f"isolated={isolated!r} is for energies of atoms; meshes have none, so leave it away")
        new = self._seen(self.gather(train))
        if (new.dim, new.inputs, new.targets) != (self.facts.dim, self.facts.inputs, self.facts.targets):
            raise DomainError("the fields have other components or frames than those this task was trained on")
        tags = sorted({*self.facts.tags, *new.tags})
        always = [name for name in self.facts.always if name in new.always]
        self._learn(replace(self.facts, tags=tags, always=always))
        return {"isolated": "keep"}

    def collate(self, samples: Sequence[MeshWindow], *, targets: bool = True, dtype: Any = None) -> MeshBatch:
        """Windows -> a batch in the model's precision. Without `targets` only prescribed values are looked up."""
        like = dtype or self.target_scale.dtype
        parts = [self._parts(w) for w in samples]
        fields, layout = self.input_layout, self.target_layout
        told = [self.told.told(w.sample) for w in samples]
        packed = [torch.from_numpy(_finite(fields.pack(w.sample, w.t), w, "input")) for w in samples]
        found: list[np.ndarray] = []
        if targets:
            found = [_finite(layout.pack(w.sample, w.t), w, "target") for w in samples]
        elif self.prescribed:
            found = [self.prescribed.values(w, layout) for w in samples]
        free = [self.prescribed.free(w.sample, layout) for w in samples] if self.prescribed else []
        return MeshBatch(
            values=torch.cat([torch.cat([x, p.static], dim=1) for x, p in zip(packed, parts, strict=True)]).to(like),
            graph=MeshGraph.joined([p.graph for p in parts]).to(dtype=like),
            target=torch.from_numpy(np.concatenate(found)).to(like) if found else None,
            counted=torch.from_numpy(np.concatenate(free)) if free else None,
            mass=torch.cat([p.mass for p in parts]).to(like),
            parameters=torch.from_numpy(np.stack(told)).to(like),
            rows=torch.tensor([w.row for w in samples]),
        )

    def loss(self, batch: MeshBatch, weights: Mapping[str, float | int]) -> tuple[Tensor, dict[str, Tensor]]:
        """sum over fields of weights[field] times the mean square error in units of the target's scale.

        Means over components and free nodes of a mesh, then over meshes.
        """
        assert batch.target is not None
        given = batch.values
        if self.training:
            for walk in self._walks():
                given = walk(given, batch.counted)
        error = (self.step(given, batch.graph) - batch.target) / self.target_scale
        weight = (batch.mass if self.weighting == "mass" else torch.ones_like(batch.mass))[:, None]
        weight = weight * (torch.ones_like(error) if batch.counted is None else batch.counted)
        parts: dict[str, Tensor] = {}
        for name in self.loss_parts:
            rows = self.target_layout.index(name)
            sums = torch.stack([weight[:, rows] * error[:, rows].square(), weight[:, rows]]).sum(dim=2)
            mesh = sums.new_zeros(2, len(batch)).index_add(1, batch.graph.mesh_of, sums)
            there = mesh[1] > 0
            parts[name] = (mesh[0] / torch.where(there, mesh[1], 1.0)).sum() / there.sum().clamp_min(1)
        whole = sum((weights.get(n, 0.0) * p for n, p in parts.items()), start=error.new_zeros(()))
        return whole, {name: p.detach() for name, p in parts.items()}

    def fade_noise(self, state: Any) -> None:
        """A hook of `fit`: noise from 20 times down to 0 along half a cosine, 10 (1 + cos(pi x)) of the budget."""
        self.noise_level = 10.0 * (1.0 + math.cos(math.pi * min(max(float(state.fraction), 0.0), 1.0)))

    def refit(self, train: Any) -> None:
        """Nothing: there is no closed form to correct."""

    def evaluate(self, data: Any, *, predict: Callable[..., Any] | None = None) -> MeshScores:
        """Errors on held-out meshes beside trivial predictions; `predict` is what is scored, this task's own unless
        given."""
        return score(self, predict or self.predict, data)

    def card(self) -> dict[str, Any]:
        """Selections, fields, units and normalisation, for the card of a saved model; plain JSON."""
        names = ("input", "target", "tags", "parameters", "coordinates", "prescribed", "noise", "order", "moving")
        scales = {
            name: {"mean": getattr(self, f"{name}_mean").tolist(), "scale": getattr(self, f"{name}_scale").tolist()}
            for name in ("value", "target")
        }
        units = {} if self._facts is None else self._facts.units
        return {**{name: self.arguments[name] for name in names}, "dim": self.dim, "units": units, "normaliser": scales}

    # what is known ---------------------------------------------------------------------------------------------------

    def _checked(self, windows: Sequence[MeshWindow]) -> Iterator[MeshWindow]:
        for k in range(len(windows)):
            window = windows[k]
            self.facts.check(window.sample, window.row)
            yield window

    def _parts(self, window: MeshWindow) -> MeshParts:
        """Graph and static channels of a mesh."""
        try:
            return self._kept(window.sample, self.told, self.model)
        except DomainError as error:
            raise DomainError(f"{named(window.row)}: {error}") from None

    def _named(self, nodal: Tensor, window: MeshWindow) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Channels (nodes, targets) of one mesh as fields by name, and the times of frames where these are several."""
        layout = self.target_layout
        found = layout.unpack(nodal.detach().double().cpu().numpy())
        if all(layout.single(name) for name in found):
            return {name: x[0] for name, x in found.items()}, None
        block, times = layout.blocks[0], window.sample.times
        times = None if times is None else np.asarray(times)[block.selection.frames(len(times), window.t)]
        return found, times

    @property
    def increments(self) -> Increments:
        """What the network's output is added to."""
        return Increments.of(self.input_layout, self.target_layout, self.order, self.stride)

    @property
    def _device(self) -> torch.device:
        return self.target_scale.device

    def _walks(self) -> Iterator[Walk]:
        for name in self.loss_parts:
            size = self.noise.get(name, 0.0) if isinstance(self.noise, Mapping) else self.noise
            frames, free = walked(self.input_layout, self.target_layout, name)
            if frames and size * self.noise_level > 0:
                unit = [1.0] * len(free) if isinstance(self.noise, Mapping) else self.change[free].tolist()
                yield Walk(frames, tuple(free), tuple(self.noise_level * size * u for u in unit))

    def _seen(self, windows: Any) -> MeshFacts:
        """What the training data are like. Raises DomainError where they do not fit the model."""
        data, first = windows.data, windows[0].sample
        layouts = MeshChannels.of(self.inputs, first), MeshChannels.of(self.targets, first)
        if first.dim != self.dim:
            raise DomainError(f"the meshes have points in {first.dim} dimensions, the model dim={self.dim}")
        static = self.told.names(first.dim)
        for name, layout, rest in (("in", layouts[0], static), ("out", layouts[1], [])):
            expected, count = int(getattr(self.model, f"{name}_channels")), layout.count + len(rest)
            if count != expected:
                what = [f"{b.selection} {b.frames * b.components}" for b in layout.blocks] + rest
                raise DomainError(
                    f"{'input' if name == 'in' else 'target'} has {count} channels ({', '.join(what)}), the model "
                    f"{name}_channels={expected}; make the model with {count}, see MeshMap.channels"
                )
        if self.moving is not None and not any(
            b.name == self.moving and b.components == self.dim for b in layouts[0].blocks
        ):
            raise DomainError(f"moving={self.moving!r} is no displacement field ({self.dim} components) of the input")
        facts = MeshFacts.of(data, layouts, self.told.parameters)
        wanted = {*self.told.used_tags, *self.prescribed.tags}
        if not wanted <= set(facts.tags):
            lacking = sorted(wanted - set(facts.tags))
            raise DomainError(f"no mesh has the tag {lacking[0]!r}; there are {', '.join(facts.tags) or 'none'}")
        return facts

    def _learn(self, facts: MeshFacts) -> None:
        self._facts = facts
        self.arguments["facts"] = facts.plain()

    def _check(self, model: nn.Module) -> None:
        for name in ("dim", "in_channels", "out_channels"):
            if not isinstance(getattr(model, name, None), int):
                raise DomainError(
                    f"a {type(model).__name__} is no network on meshes: it has no `{name}`; see "
                    "surrogates.interfaces.MeshNetwork"
                )
        if self.weighting not in ("nodes", "mass"):
            raise DomainError(f"weighting={self.weighting!r} is unknown; choose 'nodes' or 'mass'")
        sizes = self.noise.values() if isinstance(self.noise, Mapping) else [self.noise]
        if not all(isinstance(x, int | float) and math.isfinite(x) and x >= 0 for x in sizes):
            raise DomainError(f"noise={self.noise!r}; give numbers of at least 0")
        known = {s.name for s in self.inputs if s.relative} & {s.name for s in self.targets if s.relative}
        unknown = [n for n in self.noise if n not in known] if isinstance(self.noise, Mapping) else []
        if unknown or (not isinstance(self.noise, Mapping) and self.noise and not known):
            raise DomainError(
                f"noise={self.noise!r} is for fields that input and target have relative to t: {sorted(known)}"
            )
        if any(s.relative for s in self.targets) and not any(s.relative for s in self.inputs):
            raise DomainError("the target is relative to t and no input is; write the input as 'u[t]' too")


def _finite(nodal: np.ndarray, window: MeshWindow, what: str) -> np.ndarray:
    if not np.isfinite(nodal).all():
        raise DomainError(
            f"{named(window.row)} has a value that is not finite among the {what} fields (frame t={window.t}); leave "
            "this mesh out or repair it"
        )
    return nodal.astype(np.float64, copy=False)
