"""Native kernels read memory by address: what they must refuse, hand on or survive."""

import os

import pytest
import torch

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.low_rank import LowRank
from surrogates.blocks.symmetric_product import SymmetricProduct
from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.equivariance.irreps import channel_irreps, natural_irreps
from surrogates.kernels import native, parallel
from surrogates.physics.errors import DomainError, SurrogatesError

IRREPS = channel_irreps("4x0e + 4x1o")
needs_compiler = pytest.mark.skipif(not native.usable(torch.zeros(1)), reason="no C compiler here")


def edge_sum(n_atoms: int = 4, n_edges: int = 7, missing: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(0)
    convolution = EdgeConvolution(IRREPS, 2, natural_irreps(2))
    edges = torch.randint(0, max(n_atoms, 1), (2, n_edges))
    weights = LowRank(torch.randn(n_edges, 3).to(dtype), torch.randn(3, convolution.n_weights - missing).to(dtype))
    return convolution(torch.randn(4, n_atoms, 4), torch.randn(n_edges, 9), weights, edges)


def contraction(n_atoms: int = 5) -> torch.Tensor:
    torch.manual_seed(0)
    product = SymmetricProduct(natural_irreps(2), IRREPS, 2, 2)
    return product(torch.randn(9, n_atoms, 4), torch.zeros(n_atoms, dtype=torch.long))


@pytest.mark.parametrize("calculate", [edge_sum, contraction])
def test_autocast_gives_rounded_numbers(calculate):
    """Training with dtype="bfloat16" does this; kernels would read bfloat16 as float32, beyond the array's end."""
    exact = calculate()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = calculate()
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()


def test_weights_of_another_precision():
    convolution = EdgeConvolution(IRREPS, 2, natural_irreps(2)).double()
    h, y, w = torch.randn(4, 4, 4).double(), torch.randn(7, 9).double(), torch.randn(7, convolution.n_weights)
    edges = torch.randint(0, 4, (2, 7))
    torch.testing.assert_close(convolution(h, y, w, edges), convolution(h, y, w.double(), edges))


@needs_compiler
def test_too_few_weights_are_refused():
    with pytest.raises(DomainError, match="weights"):
        edge_sum(missing=4)


@pytest.mark.parametrize("switch", [True, False])
def test_no_atoms(switch, monkeypatch):
    if not switch:
        monkeypatch.setattr("surrogates.blocks.bilinear_sum.usable", lambda *_: False)
        monkeypatch.setattr("surrogates.blocks.symmetric_product.usable", lambda *_: False)
    assert edge_sum(0, 0).shape == (9, 0, 4)
    assert contraction(0).shape == (4, 0, 4)


@pytest.mark.parametrize("switch", [True, False])
def test_training_after_inference_mode(switch, monkeypatch):
    """Tables that a first call without gradients has rounded serve later ones with gradients."""
    if not switch:
        monkeypatch.setattr("surrogates.blocks.symmetric_product.usable", lambda *_: False)
        monkeypatch.setattr("surrogates.equivariance.harmonics.usable", lambda *_: False)
    product, harmonics = SymmetricProduct(natural_irreps(1), IRREPS, 2, 2), SphericalHarmonics(7)
    a, unit, element = torch.randn(4, 5, 4), torch.randn(3, 3), torch.zeros(5, dtype=torch.long)
    with torch.inference_mode():
        before = product(a, element), harmonics(unit)
    after = product(a.requires_grad_(), element), harmonics(unit.requires_grad_())
    sum(x.sum() for x in after).backward()
    assert torch.equal(before[0], after[0])
    assert product.weight.grad.abs().max() > 0


def test_stored_couplings_in_inference_mode():
    with torch.inference_mode():
        product = SymmetricProduct(natural_irreps(1), channel_irreps("2x0e"), 2, 1, couplings=[[1, 1]])
        a, element = torch.randn(4, 3, 2), torch.zeros(3, dtype=torch.long)
        assert product(a, element).abs().max() == 0
        product.coefficients_0_1[0, 0, 0] = 1.0
        torch.testing.assert_close(product(a, element)[0], a[0] * product.weight[0, 0])


def blocks():
    """Three functions of positions, each with a kernel, and positions."""
    torch.manual_seed(0)
    harmonics, convolution = SphericalHarmonics(2), EdgeConvolution(IRREPS, 2, natural_irreps(2)).double()
    product = SymmetricProduct(natural_irreps(2), IRREPS, 2, 2).double()
    edges = torch.randint(0, 4, (2, 7))
    h, w = torch.randn(4, 4, 4).double(), torch.randn(7, convolution.n_weights).double()

    def convolved(x):
        return convolution(h, harmonics(x[edges[1]] - x[edges[0]]), w, edges)

    def contracted(x):
        return product(convolved(x), torch.zeros(4, dtype=torch.long))

    return (harmonics, convolved, contracted), torch.randn(4, 3).double()


@pytest.mark.parametrize("k", range(3))
def test_transforms_of_torch(k):
    """torch.func and forward mode: eager code runs, with the derivatives of kernels, and leaves nothing behind."""
    functions, x = blocks()
    energy = lambda x: functions[k](x).square().sum()  # noqa: E731
    hessian = torch.func.hessian(energy)(x)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(energy, x))
    plain = torch.autograd.functional.jacobian(functions[k], x)
    torch.testing.assert_close(torch.func.jacrev(functions[k])(x), plain)
    torch.testing.assert_close(torch.vmap(functions[k])(torch.stack([x, -x]))[1], functions[k](-x))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.unpack_dual(energy(torch.autograd.forward_ad.make_dual(x, x)))
    torch.testing.assert_close(dual.tangent, (torch.func.grad(energy)(x) * x).sum())


@needs_compiler
@pytest.mark.parametrize("k", range(3))
def test_a_transform_of_what_a_kernel_made_is_refused(k):
    functions, x = blocks()
    made = functions[k](x.requires_grad_())
    eye = torch.eye(made.numel(), dtype=made.dtype).view(-1, *made.shape)
    with pytest.raises(SurrogatesError, match="inside the transform"):
        torch.autograd.grad(made, x, eye, is_grads_batched=True, retain_graph=True)
    with pytest.raises(SurrogatesError, match="inside the transform"):
        torch.vmap(lambda v: torch.autograd.grad(made, x, v, retain_graph=True)[0])(eye)
    (slope,) = torch.autograd.grad(made.square().sum(), x, create_graph=True)
    with pytest.raises(SurrogatesError, match="inside the transform"):
        torch.autograd.grad(slope, x, torch.ones(2, *x.shape).double(), is_grads_batched=True)


@needs_compiler
def test_a_damaged_library_is_built_again(tmp_path, monkeypatch):
    source = "void run(void) { /* of this test */ }\n"
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path / "one")
    native._load(native.compiler(), source)
    (built,) = (tmp_path / "one").glob("*.so")
    damaged = tmp_path / "other" / built.name
    damaged.write_bytes(built.read_bytes()[:100])
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path / "other")
    native._load(native.compiler(), source)()
    assert damaged.stat().st_size == built.stat().st_size


def test_a_user_without_a_home(monkeypatch):
    def none() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SURROGATES_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(native.Path, "home", none)
    assert native.cache_folder.__wrapped__().is_dir()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_threads_start_again_after_a_fork():
    """A child has none of its parent's threads: it would wait for ever."""
    pool = parallel._pool(2)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"new" if parallel._pool(2) is not pool else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 3) == b"new"
    os.close(read)
    os.close(write)
