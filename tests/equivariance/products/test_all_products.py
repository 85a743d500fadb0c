"""What every product owes: the signature, equivariance, derivatives, files, and clear refusals."""

import json

import pytest
import torch
from scipy.spatial.transform import Rotation

from surrogates.construct import construct, describe
from surrogates.equivariance.harmonics import SphericalHarmonics
from surrogates.equivariance.irreps import ChannelIrreps, channel_irreps
from surrogates.equivariance.products import SO2, ClebschGordan, CPDecomposed, Gaunt, SphericalGrid, rebound
from surrogates.equivariance.products.signature import Product
from surrogates.equivariance.wigner import wigner_d
from surrogates.physics.errors import DomainError

IMPROPER = -torch.as_tensor(Rotation.random(random_state=5).as_matrix())
TEMPLATES = {
    "clebsch-gordan": ClebschGordan(),
    "so2": SO2(),
    "so2, |m| <= 1": SO2(m_max=1),
    "gaunt": Gaunt(),
    "grid": SphericalGrid(),
    "cp, full rank": CPDecomposed(rank="full"),
}
NATURAL = ChannelIrreps(((0, 1), (1, -1), (2, 1)), 2)
DOUBLED = ChannelIrreps(((1, 1), (0, 1), (2, -1), (0, -1), (1, -1)), 2)  # any order, both parities
TARGETS = ((0, 1), (1, -1), (1, 1), (2, 1), (3, -1))


@pytest.fixture(params=TEMPLATES)
def template(request):
    return TEMPLATES[request.param]


@pytest.mark.parametrize("inputs", [NATURAL, DOUBLED], ids=["natural", "both parities"])
def test_turns_and_reflects_with_its_arguments(template, inputs, kit):
    product = rebound(template, inputs, 2, TARGETS).double()
    x, y, w = kit.arguments(product)
    unit = y[:, 1:4] / 3**0.5
    before = kit.merged(product, product(x, y, w))
    moved = torch.einsum("ij,ejc->eic", wigner_d(inputs.irreps, IMPROPER), x)
    after = kit.merged(product, product(moved, SphericalHarmonics(2)(unit @ IMPROPER.T), w))
    tolerance = 1e-6 if isinstance(product, CPDecomposed) else 1e-10  # factors are float32 parameters
    for irrep, rows in before.items():
        assert rows.abs().max() > 0.1
        expected = torch.einsum("ij,ejc->eic", wigner_d([irrep], IMPROPER), rows)
        torch.testing.assert_close(after[irrep], expected, rtol=tolerance, atol=tolerance)


def test_keeps_the_signature(template, kit):
    product = rebound(template, NATURAL, 2, TARGETS)
    assert isinstance(product, Product)
    x, y, w = (t.float() for t in kit.arguments(product))
    rows = product(x, y, w)
    assert rows.shape == (5, sum((2 * l + 1) * n for (l, _), n in product.outputs), 2)
    assert rows.dtype == torch.float32
    assert 0.3 < rows.detach().square().mean().sqrt() < 1.7
    assert product(x[:0], y[:0], w[:0]).shape == (0, *rows.shape[1:])  # a batch without edges
    strided = x.transpose(0, 1).contiguous().transpose(0, 1)  # as gathered from (components, atoms, channels)
    torch.testing.assert_close(product(strided, y, w), rows)


def test_channels_do_not_mix(template, kit):
    product = rebound(template, NATURAL, 2, TARGETS).double()
    x, y, w = kit.arguments(product)
    changed = x.clone()
    changed[..., 1] += 1
    difference = product(changed, y, w) - product(x, y, w)
    assert difference[..., 0].abs().max() < 1e-13
    assert difference[..., 1].abs().max() > 0.1


def test_derivatives_and_second_derivatives_by_directions_features_and_weights(template):
    """Central differences through the harmonics, at the poles of frames too: what forces and their training need."""
    product = rebound(template, ChannelIrreps(((0, 1), (1, -1)), 1), 2, ((0, 1), (1, -1), (2, 1))).double()
    harmonics = SphericalHarmonics(2)
    vectors = torch.tensor([[0.0, 1.3, 0.0], [0.0, -0.7, 0.0], [0.4, 0.3, -0.8]], dtype=torch.float64)
    x, w = (torch.randn(3, *shape).double() for shape in ((4, 1), (product.n_weights,)))

    def value(vectors, x, w):
        return product(x, harmonics(torch.nn.functional.normalize(vectors, dim=1)), w)

    inputs = [t.requires_grad_() for t in (vectors, x, w)]
    assert torch.autograd.gradcheck(value, inputs)
    assert torch.autograd.gradgradcheck(value, inputs, fast_mode=True)


def test_gradients_of_many_outputs_at_once(template, kit):
    """Hessians and spreads take vectorised gradients."""
    product = rebound(template, NATURAL, 2, ((0, 1), (1, -1))).double()
    x, y, w = kit.arguments(product, edges=3)
    y.requires_grad_()
    rows = product(x, y, w).sum(dim=(0, 2))
    seeds = torch.eye(len(rows), dtype=rows.dtype)
    together = torch.autograd.grad(rows, y, seeds, is_grads_batched=True, retain_graph=True)[0]
    for seed, batched in zip(seeds, together, strict=True):
        torch.testing.assert_close(torch.autograd.grad(rows, y, seed, retain_graph=True)[0], batched)


def test_a_file_can_hold_it(template):
    product = rebound(template, DOUBLED, 3, TARGETS)
    spec = json.loads(json.dumps(describe(product)))
    again = construct(spec)
    assert type(again) is type(product)
    assert (again.inputs, again.outputs, again.n_weights) == (product.inputs, product.outputs, product.n_weights)
    assert describe(again) == spec


def test_options_follow_to_other_irreps():
    assert rebound(SO2(m_max=1), NATURAL, 2, TARGETS).arguments["m_max"] == 1
    assert rebound(CPDecomposed(rank=9, frozen=True), NATURAL, 2, TARGETS).rank == 9
    with pytest.raises(DomainError, match="no product"):
        rebound(torch.nn.Linear(2, 2), NATURAL, 2, TARGETS)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (dict(inputs="vectors"), "cannot be read"),
        (dict(inputs="2x0e + 3x1o"), "same multiplicity"),
        (dict(inputs="2x1o + 2x1o"), "one block per irrep"),
        (dict(inputs=""), "empty"),
        (dict(outputs="0e + 0e"), "distinct"),
        (dict(outputs=[(1, 2)]), "distinct"),
        (dict(l_max=12), "from 0 to 11"),
        (dict(l_max=-1), "from 0 to 11"),
        (dict(outputs="0o + 1e"), "no path leads"),
    ],
)
def test_impossible_irreps_are_refused(template, wrong, match):
    with pytest.raises(DomainError, match=match):
        type(template)(**wrong)


def test_impossible_options_are_refused():
    with pytest.raises(DomainError, match="at least 1"):
        SO2(channel_irreps("2x0e"), 0, "0e")
    with pytest.raises(DomainError, match="at least 0"):
        SO2(m_max=-1)
    for rank in (0, -3, "cubic"):
        with pytest.raises(DomainError, match="rank"):
            CPDecomposed(rank=rank)
