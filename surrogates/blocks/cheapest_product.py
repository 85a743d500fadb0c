"""Which product of features and harmonics is cheapest for given irreps, measured on the machine that will run it.

Asymptotic costs do not tell (The Price of Freedom, arXiv:2506.13523, section 5), so nothing is modelled: each candidate
is timed once in the place where it is used, an `EdgeConvolution`, with its gradient. Times are kept while the process
lives. The fused kernel is compiled for it, once on a machine: seconds up to degree 3, minutes from degree 5 on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.equivariance.irreps import ChannelIrreps, Irrep
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid, rebound
from surrogates.equivariance.products.paths import Outputs, read_inputs, read_outputs
from surrogates.equivariance.products.rebound import OF_THE_LAYER
from surrogates.physics.errors import DomainError

_TURNS, _NEIGHBOURS = 5, 16
KERNEL = "fused Clebsch-Gordan"


@dataclass(frozen=True)
class Measured:
    """One candidate.

    Args:
        name: its class, with options where they are not the usual ones.
        product: what to pass as `product=`; None is the fused kernel that models use by themselves.
        time: of the convolution and its gradient by features, harmonics and weights, microseconds an edge.
        expressivity: dimension of the bilinear maps of one channel that the weights of an edge reach.
        equivariance_error: root mean square, relative; 0 for exact products.
    """

    name: str
    product: nn.Module | None
    time: float
    expressivity: int
    equivariance_error: float


@dataclass(frozen=True)
class Choice:
    """All candidates by time, and the first one that is good enough."""

    best: Measured
    measured: tuple[Measured, ...]

    def __str__(self) -> str:
        lines = [f"{'product':24s}{'µs/edge':>9s}{'expressivity':>14s}{'equivariance error':>20s}"]
        for m in self.measured:
            chosen = "  <-" if m is self.best else ""
            lines.append(f"{m.name:24s}{m.time:9.2f}{m.expressivity:14d}{m.equivariance_error:20.1e}{chosen}")
        return "\n".join(lines)


def cheapest(
    inputs: ChannelIrreps | str,
    l_max: int,
    outputs: Outputs,
    *,
    among: Sequence[nn.Module | None] = (),
    expressivity: int | None = None,
    max_error: float = 1e-6,
    edges: int = 512,
    like: Tensor | None = None,
) -> Choice:
    """Time candidates and choose the fastest whose expressivity and equivariance error are good enough.

    Args:
        inputs, l_max, outputs: irreps of a layer, as every product takes them.
        among: candidates, None for the fused kernel; unless given, that one and all products that take these irreps.
        expressivity: the least that will do; that of the full Clebsch-Gordan product unless given. Give 1 to let any
            product win: a faster one with less of it is another model, which may need more channels or layers.
        max_error: largest equivariance error, relative.
        edges: how many are timed together.
        like: a tensor whose dtype and device count, float32 on the CPU unless given.

    Raises DomainError when nothing is good enough, or a given candidate does not take these irreps.
    """
    if edges < 1:
        raise DomainError(f"edges={edges}; at least one edge has to be timed, 512 tell more")
    given, wanted = read_inputs(inputs), read_outputs(outputs)
    where = torch.empty(0) if like is None else like
    full = ClebschGordan(given, l_max, wanted)
    candidates = tuple(among) or tuple(c for c in _all() if _takes(c, given, l_max, wanted))
    found = []
    for candidate in candidates:
        bound = full if candidate is None else rebound(candidate, given, l_max, wanted)
        seconds = _time(candidate, given, l_max, wanted, (edges, where.dtype, where.device))
        error = float(getattr(bound, "equivariance_error", 0.0))
        found.append(Measured(_name(candidate), candidate, 1e6 * seconds / edges, int(bound.expressivity), error))  # type: ignore[arg-type]
    needed = full.expressivity if expressivity is None else expressivity
    ranked = tuple(sorted(found, key=lambda m: m.time))
    good = [m for m in ranked if m.expressivity >= needed and m.equivariance_error <= max_error]
    if not good:
        raise DomainError(
            f"no product reaches expressivity {needed} with an equivariance error of at most {max_error:g}: "
            + "; ".join(f"{m.name} has {m.expressivity} and {m.equivariance_error:.0e}" for m in ranked)
            + "; lower expressivity= or raise max_error="
        )
    return Choice(good[0], ranked)


@cache
def _all() -> tuple[nn.Module | None, ...]:
    return None, ClebschGordan(), SO2(), Gaunt(), SphericalGrid(), CPDecomposed()


def _takes(candidate: nn.Module | None, inputs: ChannelIrreps, l_max: int, outputs: tuple[Irrep, ...]) -> bool:
    """Whether a product can be made for these irreps; SO2, for one, asks for l_max from 1."""
    try:
        return candidate is None or rebound(candidate, inputs, l_max, outputs) is not None
    except DomainError:
        return False


@cache
def _time(
    candidate: nn.Module | None,
    inputs: ChannelIrreps,
    l_max: int,
    outputs: tuple[Irrep, ...],
    setting: tuple[int, torch.dtype, torch.device],
) -> float:
    """Smallest time of a few turns, after one to warm up: CPU seconds, or those of the device."""
    n, dtype, device = setting
    product = None if candidate is None else rebound(candidate, inputs, l_max, outputs)
    block = EdgeConvolution(inputs, l_max, outputs, product=product).to(device, dtype)
    generator, atoms = torch.Generator().manual_seed(0), max(1, n // _NEIGHBOURS)
    unit = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=1)
    harmonics = torch.randn(n, (l_max + 1) ** 2, generator=generator)
    if l_max:
        harmonics[:, 1:4] = unit * 3**0.5
    features = torch.randn(inputs.dim, atoms, inputs.channels, generator=generator)
    weights = torch.randn(n, block.n_weights, generator=generator)
    receiver = torch.arange(n) * atoms // n
    edges = torch.stack([receiver, torch.randint(atoms, (n,), generator=generator)]).to(device)
    leaves = [t.to(device, dtype).requires_grad_() for t in (features, harmonics, weights)]
    times = []
    for _ in range(_TURNS + 1):
        start = _now(device)
        out = block(leaves[0], leaves[1], leaves[2], edges)
        torch.autograd.grad(out, leaves, torch.ones_like(out))
        times.append(_now(device) - start)
    return min(times[1:])


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def _name(candidate: nn.Module | None) -> str:
    if candidate is None:
        return KERNEL
    options, usual = getattr(candidate, "arguments", {}), getattr(type(candidate)(), "arguments", {})
    other = {k: v for k, v in options.items() if v != usual.get(k) and k not in OF_THE_LAYER}
    return type(candidate).__name__ + (f"({', '.join(f'{k}={v!r}' for k, v in other.items())})" if other else "")
