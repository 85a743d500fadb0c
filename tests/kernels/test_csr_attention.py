"""Attention over a sparse pattern against dense attention with -inf off the pattern: values and derivatives."""

import math
from importlib.util import find_spec

import pytest
import torch

import surrogates.kernels.csr_attention as module
from surrogates.datasets.batch import Csr
from surrogates.kernels import csr_attention_code, native, triton_code
from surrogates.kernels.csr_attention import csr_attention, edge_attention
from surrogates.physics.errors import DomainError, SurrogatesError

needs_compiler = pytest.mark.skipif(not native.usable(torch.zeros(1)), reason="no C compiler here")
ROWS, COLUMNS = 23, 19


def pattern() -> Csr:
    """Rows of 1 to 12 entries, no symmetry."""
    generator = torch.Generator().manual_seed(0)
    receivers, senders = torch.randint(0, ROWS, (90,), generator=generator), torch.randint(0, COLUMNS, (90,))
    every = torch.arange(ROWS)
    return Csr.of_pairs(
        torch.cat([receivers, every]), torch.cat([senders, every % COLUMNS]), rows=ROWS, columns=COLUMNS
    )


def inputs(heads: int, channels: int, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    shapes = [(n, heads, channels) for n in (ROWS, COLUMNS, COLUMNS)]
    return [torch.randn(s, dtype=torch.float64, generator=generator).to(dtype).requires_grad_() for s in shapes]


def dense(q, k, v, pattern: Csr):
    """softmax(q k^T / sqrt(d) + log A) v."""
    mask = torch.full((pattern.rows, pattern.columns), -torch.inf, dtype=q.dtype)
    mask[pattern.receivers, pattern.senders] = 0
    scores = torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(q.shape[2]) + mask
    return torch.einsum("hij,jhd->ihd", scores.softmax(-1), v)


def derivatives(y, leaves):
    generator = torch.Generator().manual_seed(2)
    return y, *torch.autograd.grad(y, leaves, torch.randn(y.shape, dtype=torch.float64, generator=generator).to(y))


def assert_same(ones, others, tolerance):
    for one, other in zip(ones, others, strict=True):
        assert other.abs().max() > 0
        assert ((one - other).abs().max() / other.abs().max()).item() < tolerance


@needs_compiler
@pytest.mark.parametrize(("heads", "channels"), [(4, 32), (4, 8), (3, 5), (6, 12), (1, 1), (16, 64)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_equals_dense_attention(heads, channels, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(module, "edge_attention", None)  # it is native code that is tested
    at, leaves = pattern(), inputs(heads, channels, dtype)
    assert_same(derivatives(csr_attention(*leaves, at), leaves), derivatives(dense(*leaves, at), leaves), tolerance)


def test_the_twin_equals_dense_attention(monkeypatch):
    monkeypatch.setattr(module, "usable", lambda *_: False)
    at, leaves = pattern(), inputs(3, 5)
    assert_same(derivatives(csr_attention(*leaves, at), leaves), derivatives(dense(*leaves, at), leaves), 1e-13)


def test_rows_sum_to_one_and_empty_ones_to_zero():
    at = Csr(torch.tensor([0, 2, 1]), torch.tensor([0, 2, 2, 3]), 3)
    q, k, _ = (torch.randn(3, 4, 8, dtype=torch.float64) * 9 for _ in range(3))
    ones = torch.ones(3, 4, 8, dtype=torch.float64)
    sums = csr_attention(q, k, ones, at)
    torch.testing.assert_close(sums, ones * torch.tensor([1.0, 0, 1])[:, None, None], rtol=1e-14, atol=0)
    torch.testing.assert_close(edge_attention(q, k, ones, at, 0.3)[1], 0 * ones[1], rtol=0, atol=0)
    value = ones.clone().requires_grad_()
    csr_attention(q, k, value, at).sum().backward()
    torch.testing.assert_close(value.grad.sum(), torch.tensor(2 * 32.0, dtype=torch.float64))


def test_scores_of_any_size_and_numbers_that_are_none():
    at = Csr(torch.tensor([0, 1, 1]), torch.tensor([0, 2, 3]), 2)
    q, k = torch.full((2, 1, 2), 1e4, dtype=torch.float64), torch.tensor([[[1e4, 1e4]], [[-1e4, 1e4]]]).double()
    v = torch.tensor([[[1.0, 2]], [[3, 4]]]).double()
    torch.testing.assert_close(csr_attention(q, k, v, at), v, rtol=1e-14, atol=0)
    q[0, 0, 0] = torch.nan
    y = csr_attention(q, k, v, at)
    assert y[0].isnan().all()
    assert torch.equal(y[1], v[1])


@needs_compiler
def test_slices_threads_and_old_compilers_change_nothing(monkeypatch):
    """Slices of a joint projection need no copy; compilers without vector shuffles add lane by lane."""
    at = Csr.of_pairs(*torch.randint(0, 60, (2, 700), generator=torch.Generator().manual_seed(3)), rows=60)
    joint = torch.randn(60, 3 * 4 * 16, dtype=torch.float64).requires_grad_()

    def results():
        q, k, v = joint.view(60, 3, 4, 16).unbind(1)
        return derivatives(csr_attention(q, k, v, at), [joint])

    expected = derivatives(edge_attention(*joint.view(60, 3, 4, 16).unbind(1), at, 0.25), [joint])
    assert_same(results(), expected, 1e-13)
    monkeypatch.setattr("surrogates.kernels.parallel.torch.get_num_threads", lambda: 3)
    assert len(module._shares(at)) == 3
    assert_same(results(), expected, 1e-13)
    types = csr_attention_code._types
    monkeypatch.setattr(csr_attention_code, "_types", lambda *a: "#define NO_SHUFFLE\n" + types(*a))
    native.function.cache_clear()
    assert_same(results(), expected, 1e-13)
    native.function.cache_clear()


def test_second_derivatives_and_transforms():
    at = Csr(torch.tensor([1, 0, 1, 2, 0]), torch.tensor([0, 1, 4, 4, 5]), 3)
    leaves = [x[:n, :, :2].detach().requires_grad_() for n, x in zip((4, 3, 3), inputs(2, 4), strict=True)]
    assert torch.autograd.gradgradcheck(lambda *x: csr_attention(*x, at), leaves, nondet_tol=1e-12)
    same = torch.randn(4, 1, 2, dtype=torch.float64).requires_grad_()  # queries, keys and values in one
    full = Csr.of_pairs(*torch.cartesian_prod(torch.arange(4), torch.arange(4)).T, rows=4)
    assert torch.autograd.gradgradcheck(lambda x: csr_attention(x, x, x, full), same, nondet_tol=1e-12)
    q, k, v = (x.detach() for x in leaves)
    inside = torch.func.jacrev(lambda x: csr_attention(x, k, v, at))(q)
    outside = torch.autograd.functional.jacobian(lambda x: csr_attention(x, k, v, at), q)
    torch.testing.assert_close(inside, outside)
    y = csr_attention(*leaves, at)
    if native.usable(y):
        with pytest.raises(SurrogatesError, match="inside the transform"):
            torch.autograd.grad(y, leaves, torch.ones(2, *y.shape).double(), is_grads_batched=True)


def test_half_precision_and_autocast():
    at, leaves = pattern(), inputs(4, 8, torch.float32)
    y = csr_attention(*leaves, at)
    halves = csr_attention(*(x.bfloat16() for x in leaves), at)
    assert halves.dtype == torch.bfloat16
    assert_same([halves.float()], [y], 0.02)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([csr_attention(*leaves, at).float()], [y], 0.02)


@pytest.mark.parametrize("break_it", ["heads", "rows", "columns", "precision", "indices", "senders", "starts"])
def test_what_does_not_fit_is_refused(break_it):
    q, k, v = (x.detach() for x in inputs(2, 4))
    at = pattern()
    if break_it == "heads":
        k = k[:, :1]
    elif break_it == "rows":
        q = q[1:]
    elif break_it == "columns":
        k, v = k[1:], v[1:]
    elif break_it == "precision":
        v = v.float()
    elif break_it == "indices":
        at = Csr(at.senders.int(), at.starts.int(), at.columns)
    elif break_it == "senders":
        at = Csr(at.senders + 1, at.starts, at.columns)
    else:
        at = Csr(at.senders[1:], at.starts, at.columns)
    checks = (lambda: module._check(q, k, v, at), lambda: module._check_pattern(at))
    with pytest.raises(DomainError, match=r"give|must be int64|of_pairs"):
        all(check() is None for check in checks)


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed (it comes with CUDA)")
@pytest.mark.parametrize(("heads", "channels"), [(4, 8), (3, 5), (1, 1)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_triton_equals_its_twin(heads, channels, dtype, tolerance, monkeypatch, tmp_path):
    """On a GPU where there is one, else by Triton's interpreter."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    launched = []
    own = triton_code.launch
    monkeypatch.setattr(triton_code, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(triton_code, "device", lambda like: True)
    if device == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(
        module.csr_attention_triton, "launch", lambda *a, **fixed: (launched.append(a), own(*a, **fixed))
    )
    at = pattern().to(device)
    leaves = [x.detach().to(device).requires_grad_() for x in inputs(heads, channels, dtype)]
    found = derivatives(csr_attention(*leaves, at), leaves)
    assert len(launched) == 3
    assert_same(found, derivatives(edge_attention(*leaves, at, channels**-0.5), leaves), tolerance)
