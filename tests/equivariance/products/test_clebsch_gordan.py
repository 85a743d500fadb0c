"""The full product: its sum written out, and e3nn's."""

import math

import pytest
import torch
from e3nn import o3

from surrogates.equivariance.couplings import wigner_3j
from surrogates.equivariance.irreps import ChannelIrreps
from surrogates.equivariance.products import ClebschGordan


def test_equals_the_sum_written_out(kit):
    product = ClebschGordan(ChannelIrreps(kit.both, 2), 2, kit.both)
    x, y, w = kit.arguments(product)
    starts = torch.tensor([0, *product.inputs.sizes]).cumsum(0).tolist()
    rows, path = [], 0
    for (l3, p3), n in product.outputs:
        parts = []
        for k, (l1, p1) in enumerate(kit.both):
            for l2 in range(3):
                if abs(l1 - l2) <= l3 <= l1 + l2 and p1 * (-1) ** l2 == p3:
                    w3j = torch.from_numpy(wigner_3j(l1, l2, l3)) * math.sqrt(2 * l3 + 1)
                    inside, harmonics = x[:, starts[k] : starts[k + 1]], y[:, l2 * l2 : (l2 + 1) ** 2]
                    weight = w[:, 2 * path : 2 * path + 2]
                    parts.append(torch.einsum("eic,ej,ijk,ec->ekc", inside, harmonics, w3j, weight))
                    path += 1
        assert len(parts) == n
        rows.append(torch.stack(parts, dim=2).flatten(1, 2))
    torch.testing.assert_close(product(x, y, w), torch.cat(rows, dim=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("l_max", [1, 2, 3])
def test_equals_e3nn(l_max, kit):
    """Channel-wise ('uvu') product of e3nn with component normalisation, paths matched one by one."""
    inputs, _, outputs = kit.natural(l_max, channels=3)
    product = ClebschGordan(inputs, l_max, outputs)
    x, y, w = kit.arguments(product)
    paths = [(k, l2, l3) for (l3, p) in outputs for k, l2 in product.paths[l3, p]]
    theirs = o3.TensorProduct(
        "+".join(f"3x{l}{'e' if p == 1 else 'o'}" for l, p in inputs.irreps),
        o3.Irreps.spherical_harmonics(l_max),
        "+".join(f"3x{l3}{'e' if l3 % 2 == 0 else 'o'}" for _, _, l3 in paths),
        [(k, l2, i, "uvu", True) for i, (k, l2, _) in enumerate(paths)],
        path_normalization="none",
        shared_weights=False,
        internal_weights=False,
    ).double()
    flat = torch.cat([part.transpose(1, 2).flatten(1) for part in x.split(inputs.sizes, dim=1)], dim=1)
    out = theirs(flat, y, w)
    found, first = {l3: [] for l3, _ in outputs}, 0
    for _, _, l3 in paths:
        width = 3 * (2 * l3 + 1)
        found[l3].append(out[:, first : first + width].unflatten(1, (3, -1)).transpose(1, 2))
        first += width
    rows = torch.cat([torch.stack(parts, dim=2).flatten(1, 2) for parts in found.values()], dim=1)
    ours = product(x, y, w)
    scale = (ours * rows).sum() / rows.square().sum()  # one factor for all, by e3nn's conventions
    torch.testing.assert_close(ours, rows * scale, rtol=1e-6, atol=1e-6)  # e3nn stores its numbers in float32
