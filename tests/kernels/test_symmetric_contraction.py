"""Contraction against the brute-force sum over all components, its derivatives, and native code against its twin."""

from itertools import product

import numpy as np
import pytest
import torch

from surrogates.equivariance.couplings import symmetric_couplings
from surrogates.equivariance.irreps import Irrep, natural_irreps
from surrogates.kernels.native import usable
from surrogates.kernels.symmetric_contraction import Polynomials, symmetric_contraction, values
from surrogates.physics.errors import SurrogatesError

needs_compiler = pytest.mark.skipif(not usable(torch.zeros(1)), reason="no C compiler here")


def polynomials(l_max: int, outputs: list[Irrep], correlation: int) -> Polynomials:
    found = [[symmetric_couplings(natural_irreps(l_max), o, n) for n in range(1, correlation + 1)] for o in outputs]
    return Polynomials([[c.coefficients for c in o] for o in found], [c.monomials for c in found[0]])


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("correlation", [1, 2, 3])
@pytest.mark.parametrize(("l_max", "output"), [(2, (0, 1)), (2, (1, -1)), (3, (2, 1)), (1, (0, 1))])
def test_equals_the_sum_over_all_components(l_max, output, correlation):
    """Couplings as full tensors: every order of the factors, zeros included."""
    p = polynomials(l_max, [output], correlation)
    dim, a = (l_max + 1) ** 2, random((l_max + 1) ** 2, 3, 2)
    weights = random(3, p.n_paths, 2)
    expected = np.zeros((p.n_out, 3, 2))
    path = 0
    for n in range(1, correlation + 1):
        found = symmetric_couplings(natural_irreps(l_max), output, n)
        index = {tuple(m): k for k, m in enumerate(found.monomials.tolist())}
        counts = np.zeros(len(index))
        for factors in product(range(dim), repeat=n):
            counts[index[tuple(sorted(factors))]] += 1
        for factors in product(range(dim), repeat=n):
            k = index[tuple(sorted(factors))]
            share = found.coefficients[:, :, k] / counts[k]
            w = weights[:, path : path + len(share)].numpy()
            expected += np.einsum("pm,npc,nc->mnc", share, w, np.prod(a[list(factors)].numpy(), axis=0))
        path += len(found.coefficients)
    np.testing.assert_allclose(values(p, a, weights).numpy(), expected, atol=1e-10)


@needs_compiler
@pytest.mark.parametrize(
    ("l_max", "outputs", "correlation", "channels"),
    [(3, [(0, 1), (1, -1)], 3, 8), (2, [(0, 1), (2, 1)], 2, 3), (1, [(0, 1), (0, -1)], 4, 2), (2, [(1, -1)], 1, 1)],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-4)])
def test_native_code_equals_its_twin_with_two_derivatives(l_max, outputs, correlation, channels, dtype, tolerance):
    if correlation > 3:
        stored = [np.random.default_rng(0).normal(size=(2, 1, len(m))) for m in _monomials(4, correlation)]
        p = Polynomials([stored, stored], _monomials(4, correlation))
    else:
        p = polynomials(l_max, outputs, correlation)
    a = random((l_max + 1) ** 2, 5, channels).to(dtype).requires_grad_()
    weight = random(2, p.n_paths, channels).to(dtype).requires_grad_()
    element = torch.tensor([0, 1, 1, 0, 1])

    def native():
        return symmetric_contraction(a, p.table.like(a) @ weight, element, p)

    def eager():
        return values(p, a, weight[element])

    for one, other in zip(derivatives(native, a, weight), derivatives(eager, a, weight), strict=True):
        scale = other.abs().max()
        assert scale > 0
        assert ((one - other).abs().max() / scale).item() < tolerance


def derivatives(function, a, weight):
    """The value, its gradient, and the gradient of a function of the gradient."""
    value = function()
    first = torch.autograd.grad(value.square().sum(), [a, weight], create_graph=True)
    second = torch.autograd.grad(sum(x.pow(3).sum() for x in first), [a, weight], retain_graph=True)
    forces_only = torch.autograd.grad(first[0].pow(3).sum(), [a, weight])
    return value, *first, *second, *forces_only


@needs_compiler
def test_arguments_in_any_memory_layout():
    """A copy made inside would be cut off from the graph, and second derivatives would lose terms."""
    p = polynomials(1, [(0, 1), (1, -1)], 2)
    a = random(3, 2, 4).requires_grad_()
    weight = random(1, 2, p.n_paths).requires_grad_()
    element = torch.zeros(3, dtype=torch.long)

    def native():
        return symmetric_contraction(a.permute(2, 0, 1), p.table.like(a) @ weight.mT, element, p)

    def eager():
        return values(p, a.permute(2, 0, 1), weight.mT.expand(3, -1, -1))

    for one, other in zip(derivatives(native, a, weight), derivatives(eager, a, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@needs_compiler
def test_a_third_derivative_is_refused_rather_than_wrong():
    p = polynomials(1, [(0, 1)], 2)
    a = random(4, 1, 2).requires_grad_()
    out = symmetric_contraction(a, p.table.like(a) @ random(1, p.n_paths, 2), torch.zeros(1, dtype=torch.long), p)
    [first] = torch.autograd.grad(out.pow(3).sum(), a, create_graph=True)
    [second] = torch.autograd.grad(first.pow(3).sum(), a, create_graph=True)
    with pytest.raises(SurrogatesError, match="know two derivatives"):
        torch.autograd.grad(second.sum(), a)


def test_two_derivatives_against_finite_differences():
    p = polynomials(1, [(1, -1)], 3)
    a = random(4, 2, 1).requires_grad_()
    weight = random(1, p.n_paths, 1)
    function = lambda x: values(p, x, weight.expand(2, -1, -1))  # noqa: E731
    assert torch.autograd.gradcheck(function, a)
    assert torch.autograd.gradgradcheck(function, a)


def test_only_terms_that_couple_are_there():
    assert len(polynomials(3, [(0, 1), (1, -1)], 3).terms) == 410  # of 4 (16 + 136 + 816)


def _monomials(dim: int, correlation: int) -> list[np.ndarray]:
    from itertools import combinations_with_replacement

    return [np.array(list(combinations_with_replacement(range(dim), n))) for n in range(1, correlation + 1)]
