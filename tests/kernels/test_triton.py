"""Triton programs against the eager twins: on a GPU where there is one, else by Triton's interpreter on the CPU."""

import math
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from surrogates.blocks import bilinear_sum
from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.low_rank import LowRank
from surrogates.equivariance.couplings import symmetric_couplings
from surrogates.equivariance.irreps import channel_irreps, natural_irreps
from surrogates.kernels import fused, native, triton_code, triton_edges
from surrogates.kernels.expressions import Graph
from surrogates.kernels.symmetric_contraction import Polynomials, symmetric_contraction, values

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed (it comes with CUDA)")
gpu = pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA here")
PRECISIONS = [(torch.float64, 1e-12), (torch.float32, 2e-4)]


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """Kernels of tensors on DEVICE are Triton programs; yields how many were launched."""
    launched = []
    own = triton_code.launch
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(triton_code, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(triton_code, "device", lambda like: True)
    monkeypatch.setattr(bilinear_sum, "usable", lambda *_: True)
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    for module in (triton_edges, sys.modules["surrogates.kernels.triton_polynomials"]):
        monkeypatch.setattr(
            module, "launch", lambda run, *rest, **fixed: (launched.append(run), own(run, *rest, **fixed))
        )
    return launched


def random(*shape: int, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(DEVICE, dtype)


def derivatives(function, leaves):
    """The value, its gradient, the gradient of a function of the gradient, and of a part of it as forces need."""
    value = function()
    first = torch.autograd.grad(value.square().sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum(x.pow(3).sum() for x in first), leaves, retain_graph=True)
    part = torch.autograd.grad(first[0].pow(3).sum(), leaves)
    return value, *first, *second, *part


def assert_same(ones, others, tolerance):
    for one, other in zip(ones, others, strict=True):
        assert other.abs().max() > 0
        assert ((one - other).abs().max() / other.abs().max()).item() < tolerance


@needs_triton
@pytest.mark.parametrize(
    ("l_max", "outputs", "correlation", "channels"),
    [(2, [(0, 1), (2, 1)], 2, 3), (1, [(0, 1), (1, -1)], 3, 7), (2, [(1, -1)], 1, 1)],
)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_contraction_equals_its_twin(l_max, outputs, correlation, channels, dtype, tolerance, programs):
    found = [[symmetric_couplings(natural_irreps(l_max), o, n) for n in range(1, correlation + 1)] for o in outputs]
    p = Polynomials([[c.coefficients for c in o] for o in found], [c.monomials for c in found[0]])
    a = random((l_max + 1) ** 2, 5, channels, dtype=dtype).requires_grad_()
    weight = random(2, p.n_paths, channels, 1, dtype=dtype)[..., 0].requires_grad_()
    element = torch.tensor([0, 1, 1, 0, 1], device=DEVICE)
    ones = derivatives(lambda: symmetric_contraction(a, p.table.like(a) @ weight, element, p), [a, weight])
    assert programs
    assert_same(ones, derivatives(lambda: values(p, a, weight[element]), [a, weight]), tolerance)


@needs_triton
@pytest.mark.parametrize("irreps", ["4x0e", "3x0e + 3x1o"])
@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_edge_sum_equals_its_twin(irreps, rank, dtype, tolerance, programs, monkeypatch):
    """Edges unsorted, atoms without neighbours, an atom that is its own."""
    convolution = EdgeConvolution(channel_irreps(irreps), 1, natural_irreps(1)).to(DEVICE, dtype)
    monkeypatch.setattr("surrogates.kernels.edge_sum._TILE", 4)  # several tiles
    shape = channel_irreps(irreps)
    edges = torch.randint(0, 6, (2, 8), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    edges[0, edges[0] == 4] = 5
    leaves = [random(shape.dim, 6, shape.channels, dtype=dtype), random(8, 4, dtype=dtype)]
    n = convolution.n_weights
    leaves += (
        [random(8, n, dtype=dtype)] if rank is None else [random(8, rank, dtype=dtype), random(rank, n, dtype=dtype)]
    )
    leaves = [x.clone().requires_grad_() for x in leaves]

    def value():
        return convolution(*leaves[:2], leaves[2] if rank is None else LowRank(*leaves[2:]), edges)

    ones = derivatives(value, leaves)
    assert programs
    monkeypatch.setattr(bilinear_sum, "usable", lambda *_: False)
    assert_same(ones, derivatives(value, leaves), tolerance)


@needs_triton
def test_many_rows_and_channels(programs, monkeypatch):
    """More rows than one walk over the edges holds, more channels than one warp."""
    monkeypatch.setattr(triton_edges, "_ROWS", 10)
    convolution = EdgeConvolution(channel_irreps("40x0e + 40x1o"), 1, natural_irreps(1)).double().to(DEVICE)
    assert len(triton_edges.groups(convolution.bilinear_sum.code, 5)) > 1
    edges = torch.tensor([[0, 0, 1], [1, 2, 0]], device=DEVICE)
    leaves = [x.requires_grad_() for x in (random(4, 3, 40), random(3, 4), random(3, convolution.n_weights))]
    value = lambda: convolution(*leaves, edges)  # noqa: E731
    ones = derivatives(value, leaves)
    monkeypatch.setattr(bilinear_sum, "usable", lambda *_: False)
    assert_same(ones, derivatives(value, leaves), 1e-12)


@needs_triton
def test_no_edges_give_zero(programs):
    convolution = EdgeConvolution(channel_irreps("4x0e + 4x1o"), 1, natural_irreps(1)).to(DEVICE)
    h = torch.randn(4, 3, 4, requires_grad=True, device=DEVICE)
    none = torch.zeros(2, 0, dtype=torch.long, device=DEVICE)
    out = convolution(h, h.new_zeros(0, 4), h.new_zeros(0, convolution.n_weights), none)
    assert torch.equal(out, torch.zeros_like(out))
    out.sum().backward()
    assert torch.equal(h.grad, torch.zeros_like(h))


def test_programs_are_flat():
    """A long sum makes no nested expression, of which Python takes 200 levels."""
    graph = Graph()
    root = graph.total(graph.leaf(f"a{k}") for k in range(500))
    lines = triton_code.statements({"o": root}, lambda k, v: [f"{k} = {v}"], lambda name: (name, []), "t")
    names = {f"a{k}": k for k in range(500)}
    exec("\n".join(lines), {}, names)
    assert names["o"] == math.comb(500, 2)
    assert max(line.count("+") for line in lines) == 1


def test_a_gpu_is_needed_and_can_be_declined(monkeypatch):
    assert not triton_code.usable(torch.zeros(1))
    monkeypatch.setattr(native, "works", lambda: False)
    assert not fused.usable(torch.zeros(1))


@pytest.mark.gpu
@gpu
@needs_triton
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_a_whole_potential_on_the_gpu_equals_the_cpu(dtype, tolerance):
    from ase.build import bulk

    from surrogates.datasets.adapters.ase import from_ase
    from surrogates.potentials.mace import MACE
    from surrogates.tasks.forces import energy_forces

    torch.manual_seed(0)
    model = MACE(elements=["Si", "C"], hidden="32x0e + 32x1o", edge_l_max=3).to(dtype)
    structure = bulk("Si", cubic=True)
    structure.numbers[0] = 6
    structure.rattle(0.1, seed=0)
    atoms = from_ase([structure], dtype=dtype).with_edges(5.0)

    def everything(device):
        own = model.to(device)
        own.zero_grad()
        out = energy_forces(own, replace(atoms.to(torch.device(device))), stress=True, create_graph=True)
        (out.forces.square().sum() + out.energy.sum()).backward()
        slopes = torch.cat([p.grad.flatten() for p in own.parameters() if p.grad is not None])
        return [x.detach().cpu() for x in (out.energy, out.forces, out.stress, slopes)]

    on_cpu = everything("cpu")
    assert fused.usable(torch.zeros(1, device="cuda", dtype=dtype))
    assert_same(everything("cuda"), on_cpu, tolerance)
