"""Networks trained in DeepXDE's own loop as our models, which have a checkpoint, and our models as DeepXDE's networks.

Weights go over as tensors by name; nothing is pickled. What DeepXDE attaches to a network as a function (feature and
output transforms) cannot stand in a file: name our part for it, `features=` or `boundary=`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surrogates.blocks.deepxde import ACTIVATIONS, deepxde
from surrogates.operators.deeponet import DeepONet
from surrogates.operators.deeponet_parts.nets import STRATEGIES
from surrogates.operators.mionet import MIONet, Product
from surrogates.operators.pod_deeponet import PODDeepONet
from surrogates.physics.errors import DomainError


def from_deepxde(
    net: nn.Module,
    *,
    dim: int,
    sensors: int | Sequence[Any],
    points: str | Sequence[str] = "ends",
    in_channels: int = 1,
    features: nn.Module | None = None,
    boundary: nn.Module | None = None,
) -> DeepONet | MIONet:
    """A DeepONet, DeepONetCartesianProd or MIONetCartesianProd of DeepXDE with its weights, as an operator on fields.

    Args:
        dim, sensors, points, in_channels, features, boundary: as in our DeepONet; what the branch reads beyond the
            sensors is taken as parameters. features, boundary: in place of the network's own transforms.
    Raises DomainError for another network, transforms without a part in their place, or numbers that do not fit.
    """
    theirs = deepxde().nn
    if net._input_transform is not None and features is None:
        raise DomainError(
            "the network has a feature transform, a function; give features=, our part that does the same"
        )
    if net._output_transform is not None and boundary is None:
        raise DomainError(
            "the network has an output transform, a function; give boundary=, our part that does the same"
        )
    common = {"dim": dim, "sensors": sensors, "points": points, "features": features, "boundary": boundary}
    if isinstance(net, theirs.DeepONet | theirs.DeepONetCartesianProd):
        return _deeponet(net, common, in_channels)
    if isinstance(net, theirs.MIONetCartesianProd):
        return _mionet(net, common, in_channels)
    raise DomainError(
        f"a {type(net).__name__} is none of DeepONet, DeepONetCartesianProd, MIONetCartesianProd; give one of "
        "these, or make our model and train it"
    )


def to_deepxde(model: DeepONet | MIONet | PODDeepONet) -> nn.Module:
    """A copy of the model's network for DeepXDE's loop, with our features, boundary and POD modes as its transforms.

    It takes what DeepXDE's takes: branch inputs and query points (a POD network's points are those of its grid).
    """
    reader, dim = model.reader, model.dim
    net: Any
    if isinstance(model, MIONet):
        if model.out_channels > 1:
            raise DomainError(f"{model.out_channels} outputs are networks of their own; take one of model.nets")
        net = copy.deepcopy(model.nets[0])
    else:
        net = copy.deepcopy(model.net)
    if isinstance(model, PODDeepONet):
        mean, count = model._stored().flatten().clone(), model.count
        net.pod_basis = model.modes.flatten(0, -2).clone()
        net.apply_output_transform(lambda _, output: output / count + mean)
        return net
    if reader.features is not None:
        features: Any = copy.deepcopy(reader.features)
        net.apply_feature_transform(lambda y: features(y, dim))
    if reader.boundary is not None:
        finisher = copy.deepcopy(reader)

        def pinned(inputs: Sequence[Tensor], output: Tensor) -> Tensor:
            output = output.movedim(2, 1) if output.ndim == 3 else output[:, None]
            found = finisher.finish(inputs[-1], output)
            return found.movedim(1, 2) if found.shape[1] > 1 else found[:, 0]

        net.apply_output_transform(pinned)
    return net


def _deeponet(net: Any, common: dict[str, Any], in_channels: int) -> DeepONet:
    count = int(net.num_outputs)
    strategy = _strategy(net)
    first = net.branch[0] if isinstance(net.branch, nn.ModuleList) else net.branch
    trunk = net.trunk[0] if isinstance(net.trunk, nn.ModuleList) else net.trunk
    if not hasattr(first, "linears"):
        raise DomainError("its branch is a network of your own; make our DeepONet(branch=that network) and train it")
    widths, layers = _widths(first), _widths(trunk)
    widths[-1] //= count if strategy in ("split_both", "split_branch") else 1
    layers[-1] //= count if strategy in ("split_both", "split_trunk") else 1
    model = DeepONet(
        **common,
        branch=widths[1:],
        trunk=layers[1:],
        activation=_activation([first.activation, trunk.activation, net.activation_trunk]),
        in_channels=in_channels,
        out_channels=count,
        n_parameters=_parameters(widths[0], common["sensors"], in_channels),
        outputs=strategy,
    )
    return _with_weights(model, model.net, net)


def _mionet(net: Any, common: dict[str, Any], in_channels: int) -> MIONet:
    standard = net.merger is None and net.output_merger is None and net.merge_operation == "mul"
    if not standard or net.trunk_last_activation or isinstance(net.branch2, Product):
        raise DomainError("this MIONet has a merger, another product, or an activation behind its trunk; ours has none")
    first, second, trunk = _widths(net.branch1), _widths(net.branch2), _widths(net.trunk)
    parameters = 0 if in_channels == 2 else second[0]
    model = MIONet(
        **common,
        branch=first[1:],
        parameter_branch=second[1:] if parameters else None,
        trunk=trunk[1:],
        activation=_activation([net.branch1.activation, net.branch2.activation, net.trunk.activation]),
        in_channels=in_channels,
        n_parameters=parameters,
    )
    return _with_weights(model, model.nets[0], net)


def _with_weights(model: Any, ours: nn.Module, theirs: nn.Module) -> Any:
    mine, given = ours.state_dict(), theirs.state_dict()
    if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in given.items()}:
        wrong = sorted(k for k in {*mine, *given} if k not in mine or k not in given or mine[k].shape != given[k].shape)
        raise DomainError(
            f"{wrong[0]} does not fit these sensors, channels and features; give those that it was trained with"
        )
    with torch.no_grad():
        model.to(next(theirs.parameters()).dtype)
        ours.load_state_dict(given)
    return model


def _widths(net: Any) -> list[int]:
    return [net.linears[0].in_features, *(linear.out_features for linear in net.linears)]


def _strategy(net: Any) -> str:
    names = {"IndependentStrategy": "independent", "SplitBothStrategy": "split_both"}
    names |= {"SplitBranchStrategy": "split_branch", "SplitTrunkStrategy": "split_trunk"}
    return names.get(type(net.multi_output_strategy).__name__, STRATEGIES[0])


def _activation(used: Sequence[Any]) -> str:
    """The name of the one activation that all parts use."""
    known = deepxde().nn.activations
    names = [name for name in ACTIVATIONS if all(f is known.get(name) for f in used)]
    if not names:
        raise DomainError(f"its activations are not one of {', '.join(ACTIVATIONS)} throughout; ours are")
    return names[0]


def _parameters(width: int, sensors: Any, in_channels: int) -> int:
    """Branch inputs behind the sensors."""
    rows = [sensors] if isinstance(sensors, int) else list(sensors)
    grid = all(isinstance(n, int) for n in rows)
    count = int(torch.tensor(rows).prod()) if grid else len(rows)
    if width < in_channels * count:
        raise DomainError(
            f"its branch reads {width} numbers, fewer than {in_channels} x {count} sensors; give those it has"
        )
    return width - in_channels * count
