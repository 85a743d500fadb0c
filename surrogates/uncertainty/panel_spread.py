"""Calibrated bands around stresses of panels and their peaks, wide where the error is expected to be large.

Papers: Distribution-Free Predictive Inference for Regression (arXiv:1604.04173), section 5.2, locally weighted bands;
Distribution-free inference with hierarchical data (arXiv:2306.06342), for nodes that come in panels.

Half-width = factor * expected |error|, a log-linear function of signs of trouble (`error_scale`). At a node: how far
the members disagree there and on the whole panel, how steep the field is there, how large it is there and at its peak;
plating, webs and flanges are classes. Of a peak: how far the members' peaks disagree, and the peak. One third of the
calibration panels fits the expected errors, the others give the factors.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surrogates.blocks.quantile import conformal_quantile, group_quantile, least_groups
from surrogates.datasets import MeshPrediction, MeshSample
from surrogates.evaluation.coverage import LEVEL, radius
from surrogates.meshes.plate_features import KINDS
from surrogates.physics.errors import DomainError
from surrogates.uncertainty.error_scale import ErrorScale, fit_error_scale
from surrogates.uncertainty.mesh_domain import MeshDomain
from surrogates.uncertainty.mesh_spread import UnlikeTraining
from surrogates.uncertainty.panel_ensemble import answers
from surrogates.uncertainty.spread import Band

POINTS = 400  # nodes drawn from each calibration panel
RIDGE = 30.0


@dataclass(frozen=True)
class PanelSpread:
    """Task on panels whose `predict(spread=True)` brings calibrated standard deviations of field and peak.

    Args:
        members: the trained tasks; their mean predicts. field, peak: bands. domain: detector of panels unlike the
            training data. level: what the bands hold; 90 % of errors lie within 1.64 std at 0.9, as for a Gaussian.
    """

    members: tuple[Any, ...]
    field: Band
    peak: Band
    domain: MeshDomain
    level: float = LEVEL

    def predict(self, data: Any, *, spread: bool = False) -> Any:
        """Mean of the members; `spread` adds the calibrated standard deviations. Warns (UnlikeTraining) of foreign
        panels."""
        first, unit = self.members[0], radius(self.level, 1)
        found, foreign = [], []
        for sample, said in answers(self.members, data):
            values = said.mean(axis=0)
            std, peak_std = None, None
            if spread:
                std = {first.field: (self.field(*node_signals(said, sample)) / unit).numpy()}
                peak_std = float(self.peak(*peak_signals(said))) / unit
            peaks = {first.peak: (float(values.max()), peak_std)}
            found.append(MeshPrediction(sample, {first.field: values}, std, peaks))
            if (why := self.domain.foreign(_PANELS, SimpleNamespace(sample=sample))) is not None:
                foreign.append(why)
        if foreign:
            warnings.warn(
                f"{len(foreign)} of {len(found)} panels are unlike the training data, the first by {foreign[0]}; "
                "errors may be larger than the bands say",
                UnlikeTraining,
                stacklevel=3,
            )
        return found[0] if isinstance(data, MeshSample) else found

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restore` makes the same spread around the same members."""
        tensors, domain = self.domain.state()
        tensors = {f"domain.{name}": t for name, t in tensors.items()}
        plain: dict[str, Any] = {"kind": "panel conformal", "level": self.level, "domain": domain}
        for name in ("field", "peak"):
            band = getattr(self, name)
            plain[name] = {"factor": band.factor, "offset": band.scale.offset}
            tensors |= {f"{name}.{part}": getattr(band.scale, part) for part in ("classes", "power", "low")}
        return tensors, plain


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> PanelSpread:
    """The spread that `state` described."""
    domain = MeshDomain.from_state({n[7:]: t for n, t in tensors.items() if n.startswith("domain.")}, plain["domain"])

    def band(name: str) -> Band:
        parts = [tensors[f"{name}.{part}"] for part in ("classes", "power", "low")]
        return Band(ErrorScale(float(plain[name]["offset"]), *parts), float(plain[name]["factor"]))

    return PanelSpread(tuple(members), band("field"), band("peak"), domain, float(plain["level"]))


def calibrate(members: Any, train: Any, calibration: Any, *, level: float = LEVEL) -> PanelSpread:
    """Learn how far `members` (one PlateStress task or several) may be trusted, from panels they have not seen.

    Raises DomainError when there are too few panels, or an error is not finite.
    """
    members = tuple(members) if isinstance(members, list | tuple) else tuple(getattr(members, "members", (members,)))
    if len(calibration) < 2 * least_groups(level) + 2:
        raise _too_few(len(calibration), level)
    data = getattr(train, "data", train)
    domain = MeshDomain.fit(_PANELS, data if data is not None and len(data) else calibration, calibration)
    generator = torch.Generator().manual_seed(0)
    nodes: list[tuple[Tensor, ...]] = []
    peaks: list[tuple[Tensor, ...]] = []
    for row, (sample, said) in enumerate(answers(members, calibration)):
        truth = members[0].truth(sample)
        rows, kind = node_signals(said, sample)
        error = torch.from_numpy(np.abs(said.mean(axis=0) - truth))
        chosen = torch.randint(len(truth), (POINTS,), generator=generator)
        nodes.append((rows[chosen], kind[chosen], error[chosen], torch.full((POINTS,), row)))
        missed = torch.tensor([abs(float(said.mean(axis=0).max() - truth.max()))], dtype=torch.float64)
        peaks.append((*peak_signals(said), missed, torch.tensor([row])))
    return PanelSpread(members, _band(nodes, len(KINDS), level), _band(peaks, 1, level), domain, level)


def node_signals(said: np.ndarray, sample: MeshSample) -> tuple[Tensor, Tensor]:
    """Signals (nodes, 5), positive, of what members say (members, nodes), and the class of each node: the last of
    KINDS that meets there."""
    mean = said.mean(axis=0)
    apart = said.std(axis=0)
    senders, starts = sample.edges()
    receivers = np.repeat(np.arange(len(mean)), np.diff(starts))
    steep = np.zeros(len(mean))
    np.maximum.at(steep, receivers, np.abs(mean[senders] - mean[receivers]))
    size = float(np.sqrt(np.square(mean).mean())) + 1e-12
    whole = float(np.sqrt(np.square(apart).mean()))
    ones = np.ones(len(mean))
    columns = [apart + 1e-2 * whole, whole * ones, steep + 1e-3 * size, mean + 1e-2 * size, mean.max() * ones]
    kind = np.zeros(len(mean), dtype=np.int64)
    quads = sample.cells["quad"]
    for k, name in enumerate(KINDS):
        marked = np.asarray(sample.cell_tags.get(name, {}).get("quad", np.zeros(len(quads), dtype=bool)), dtype=bool)
        kind[quads[marked].ravel()] = k
    return torch.from_numpy(np.stack(columns, axis=1)), torch.from_numpy(kind)


def peak_signals(said: np.ndarray) -> tuple[Tensor, Tensor]:
    """Signals (1, 2) of a panel's peak, all of one class."""
    peak = float(said.mean(axis=0).max())
    row = [float(said.max(axis=1).std()) + 1e-3 * peak, peak]
    return torch.tensor([row], dtype=torch.float64), torch.zeros(1, dtype=torch.long)


def _band(parts: list[tuple[Tensor, ...]], classes: int, level: float) -> Band:
    signals, kind, error, panel = (torch.cat(column) for column in zip(*parts, strict=True))
    if not bool(error.isfinite().all() & signals.isfinite().all()):
        raise DomainError("an error on the calibration panels is not finite; train the network better, or repair them")
    first = panel % 3 == 0
    scale = fit_error_scale(signals[first], kind[first], error[first], classes=classes, ridge=RIDGE)
    ratio = error / scale(signals, kind)
    rest = ratio[~first]
    factor = conformal_quantile(rest, level) if classes == 1 else group_quantile(rest, panel[~first], level)
    if not math.isfinite(factor):
        raise _too_few(len(parts), level)
    return Band(scale, factor)


_PANELS = SimpleNamespace(  # what MeshDomain asks of a task: no input fields, no tags, one state a mesh
    facts=SimpleNamespace(always=()),
    input_layout=SimpleNamespace(blocks=()),
    gather=lambda samples: [SimpleNamespace(sample=sample) for sample in samples],
)


def _too_few(count: int, level: float) -> DomainError:
    return DomainError(
        f"{count} calibration panels cannot support a {100 * level:g} % band; give at least "
        f"{2 * least_groups(level) + 2}, by a larger share of the split or more data"
    )
