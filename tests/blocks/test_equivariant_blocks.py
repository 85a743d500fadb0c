"""Linear maps and edge convolution: equivariance, element dependence, and the sum written out."""

import math

import torch
from scipy.spatial.transform import Rotation

from surrogates.blocks.edge_convolution import EdgeConvolution
from surrogates.blocks.irreps_linear import ElementLinear, IrrepsLinear
from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.equivariance.irreps import channel_irreps
from surrogates.equivariance.wigner import wigner_d

HIDDEN = channel_irreps("3x0e + 3x1o + 3x1e + 3x2e")
TARGETS = ((0, 1), (1, -1), (1, 1), (2, 1))
IMPROPER = -torch.as_tensor(Rotation.random(random_state=5).as_matrix())


def turned(x: torch.Tensor, irreps) -> torch.Tensor:
    return torch.einsum("ij,jnc->inc", wigner_d(irreps, IMPROPER), x)


def setting(n_edges: int = 12):
    torch.manual_seed(0)
    block = EdgeConvolution(HIDDEN, 2, TARGETS).double()
    h = torch.randn(HIDDEN.dim, 5, 3, dtype=torch.float64)
    unit = torch.nn.functional.normalize(torch.randn(n_edges, 3, dtype=torch.float64), dim=1)
    weights = torch.randn(n_edges, block.n_weights, dtype=torch.float64)
    return block, h, unit, weights, torch.randint(5, (2, n_edges))


def test_convolution_turns_with_its_inputs():
    block, h, unit, weights, edges = setting()
    harmonics = SphericalHarmonics(2)
    before = block(h, harmonics(unit), weights, edges)
    after = block(turned(h, HIDDEN.irreps), harmonics(unit @ IMPROPER.T), weights, edges)
    assert before.abs().max() > 0.1
    torch.testing.assert_close(after, turned(before, block.outputs), rtol=1e-10, atol=1e-10)


def test_convolution_is_the_sum_of_its_tensor_products():
    block, h, unit, weights, edges = setting()
    harmonics = SphericalHarmonics(2)(unit)
    got = block(h, harmonics, weights, edges)
    ends_in = torch.tensor(HIDDEN.sizes).cumsum(0).tolist()
    column, row = 0, 0
    for n, (l3, p3) in enumerate(block.outputs):
        mix = (block.mix[n] / math.sqrt(len(block.mix[n]))).view(-1, 3, 3)
        expected = torch.zeros(2 * l3 + 1, 5, 3, dtype=torch.float64)
        path = 0
        for (l1, p1), end in zip(HIDDEN.irreps, ends_in, strict=True):
            for l2 in range(3):
                if not abs(l1 - l2) <= l3 <= l1 + l2 or p1 * (-1) ** l2 != p3:
                    continue
                w3j = torch.from_numpy(wigner_3j(l1, l2, l3)) * math.sqrt(2 * l3 + 1)
                w = weights[:, column : column + 3]
                x, y = h[end - 2 * l1 - 1 : end, edges[1]], harmonics[:, l2**2 : (l2 + 1) ** 2]
                message = torch.einsum("iec,ej,ijk,ec,cd->ked", x, y, w3j, w, mix[path])
                expected = expected.index_add(1, edges[0], message)
                column, path = column + 3, path + 1
        torch.testing.assert_close(got[row : row + 2 * l3 + 1], expected, rtol=1e-10, atol=1e-10)
        row += 2 * l3 + 1


def test_unreachable_outputs_are_left_out():
    block = EdgeConvolution(channel_irreps("2x0e"), 1, ((0, 1), (0, -1), (1, -1)))
    assert block.outputs == ((0, 1), (1, -1))


def test_linear_maps_turn_with_their_input():
    torch.manual_seed(0)
    x, element = torch.randn(HIDDEN.dim, 4, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    linear, by_element = IrrepsLinear(HIDDEN).double(), ElementLinear(HIDDEN, 2).double()
    moved = turned(x, HIDDEN.irreps)
    torch.testing.assert_close(linear(moved), turned(linear(x), HIDDEN.irreps))
    torch.testing.assert_close(by_element(moved, element), turned(by_element(x, element), HIDDEN.irreps))


def test_element_linear_uses_the_weights_of_each_element():
    torch.manual_seed(0)
    irreps = channel_irreps("3x0e")
    layer, x = ElementLinear(irreps, 2), torch.randn(1, 4, 3)
    element = torch.tensor([0, 1, 1, 0])
    for i, e in enumerate(element):
        expected = x[0, i] @ layer.weight[0, :, e] / math.sqrt(3)
        torch.testing.assert_close(layer(x, element)[0, i], expected)
