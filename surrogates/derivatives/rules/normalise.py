"""Normalisations written in means and roots.

Torch's own derivatives of these fused operations are wrong from the second (forward mode) or third (reverse mode) order
on, because their saved statistics are taken as constants there; so they are never followed by nesting.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from surrogates.derivatives.jet import forms, plain, rule
from surrogates.derivatives.refused import refuse


def _standardised(x: Any, axes: tuple[int, ...], eps: float | int) -> Any:
    """(x - mean) / sqrt(variance + eps) over these axes."""
    centred = x - x.mean(axes, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(axes, keepdim=True) + eps)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _channels(x: Any, parameter: Any) -> Any:
    return None if parameter is None else parameter.reshape(1, -1, *[1] * (x.ndim - 2))


@rule(*forms("layer_norm"))
def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float | int = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """Over the last axes of one point (arXiv:1607.06450)."""
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return _affine(_standardised(input, axes, eps), weight, bias)


@rule(*forms("rms_norm"))
def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | int | None = None) -> Any:
    """x / sqrt(mean x^2 + eps) (arXiv:1910.07467)."""
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    return _affine(input * torch.rsqrt((input * input).mean(axes, keepdim=True) + eps), weight, None)


@rule(*forms("group_norm"))
def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float | int = 1e-5, *_: Any
) -> Any:
    """Over groups of channels and the grid of one point (arXiv:1803.08494)."""
    grouped = input.reshape(input.shape[0], num_groups, -1)
    y = _standardised(grouped, (2,), eps).reshape(input.shape)
    return _affine(y, _channels(input, weight), _channels(input, bias))


@rule(F.instance_norm)
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float | int = 0.1,
    eps: float | int = 1e-5,
    *_: Any,
) -> Any:
    """Over the grid of one point and channel (arXiv:1607.08022)."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None:
        refuse(F.instance_norm, "in training mode it changes its running statistics; call .eval() on the module first")
    y = _standardised(input, tuple(range(2, input.ndim)), eps)
    return _affine(y, _channels(input, weight), _channels(input, bias))


@rule(F.batch_norm)
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float | int = 0.1,
    eps: float | int = 1e-5,
    *_: Any,
) -> Any:
    """(x - running mean) / sqrt(running variance + eps) (arXiv:1502.03167): linear, with its statistics held."""
    if training or running_mean is None:
        refuse(
            F.batch_norm,
            "statistics of the batch make u at one point depend on all others, so it has no derivative in x alone;"
            " call .eval() on the module first, or use LayerNorm",
        )
    y = (input - _channels(input, running_mean)) * _channels(input, torch.rsqrt(running_var + eps))
    return _affine(y, _channels(input, weight), _channels(input, bias))


@rule(*forms("normalize"))
def normalize(input: Any, p: float | int = 2.0, dim: Any = 1, eps: float | int = 1e-12, out: Any = None) -> Any:
    """x / max(|x|_p, eps)."""
    return input / torch.linalg.vector_norm(input, p, dim, keepdim=True).clamp_min(eps)


@rule(*forms("cosine_similarity"))
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float | int = 1e-8) -> Any:
    """x y / (max(|x|, eps) max(|y|, eps))."""
    a = x1 / torch.linalg.vector_norm(x1, 2, dim, keepdim=True).clamp_min(eps)
    return (a * (x2 / torch.linalg.vector_norm(x2, 2, dim, keepdim=True).clamp_min(eps))).sum(dim)


def _drop(mask: Any) -> None:
    def follow(
        input: Any, p: float | int = 0.5, training: bool = True, inplace: bool = False, train: bool = True
    ) -> Any:
        return input * mask(torch.ones_like(plain(input)), p, True) if training and train and p else input

    rule(mask)(follow)


for _mask in (torch.dropout, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d):
    _drop(_mask)
