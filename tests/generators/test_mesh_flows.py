"""Flows and moving heat on random shapes: their boundary values, balances and the benchmark's vortices."""

from itertools import pairwise

import numpy as np
import pytest

from surrogates.datasets.generators import channel, cylinder_flow, moving_heat
from surrogates.datasets.generators.channel_designs import channel_designs
from surrogates.datasets.generators.moving_heat import heat_designs
from surrogates.physics.errors import DomainError


def flux(sample, tag, velocity):
    """Of the flow through sides (straight, linear) whose nodes all have a tag, along x."""
    cells = sample.cells["triangle"]
    sides = np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]])
    sides = sides[sample.tags[tag][sides].all(1)]
    return (np.abs(np.diff(sample.points[sides, 1], axis=1)[:, 0]) * velocity[sides, 0].mean(1)).sum()


@pytest.mark.parametrize("creeping", [False, True])
def test_steady_channels(creeping):
    data = channel(samples=2, seed=2, creeping=creeping, size=0.07)
    assert data.provenance["residual"] < 1e-8
    assert set(data.tags) == {"inlet", "outlet", "wall", "cylinder"}
    for sample, design in zip(data, channel_designs(data.provenance["settings"], range(2)), strict=True):
        u, p, points = sample.fields["velocity"], sample.fields["pressure"], sample.points
        assert not u[sample.tags["wall"] & ~sample.tags["inlet"]].any()
        assert not u[sample.tags["cylinder"]].any()
        assert u[:, 0].max() > 1.5 * design.inflow  # the obstacle narrows the channel
        for tag in ("inlet", "outlet"):
            assert flux(sample, tag, u) == pytest.approx(design.inflow * 0.41, rel=0.05)
        assert p[sample.tags["inlet"]].mean() > p[sample.tags["outlet"]].mean()
        (hole,) = design.plate.holes
        np.testing.assert_allclose(hole.level(points[sample.tags["cylinder"]]), 1.0, atol=1e-12)
        height = 2 * hole.extent()[1]
        assert design.inflow * height / sample.parameters["viscosity"] == pytest.approx(sample.parameters["reynolds"])
        a, b = (points[sample.cells["triangle"][:, k]] - points[sample.cells["triangle"][:, 0]] for k in (1, 2))
        assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).min() > 0


def test_creeping_flow_is_linear_in_the_inflow():
    slow, fast = (channel(samples=1, seed=3, creeping=True, size=0.1, reynolds=r)[0].fields for r in (1.0, 2.0))
    np.testing.assert_allclose(fast["velocity"], 2 * slow["velocity"], atol=1e-12)


def test_flow_in_time_keeps_its_boundary_values():
    data = cylinder_flow(samples=1, seed=2, frames=3, spacing=0.02, settle=0.04, size=0.1, length=0.9)
    (sample,) = data
    assert sample.fields["velocity"].shape == (3, len(sample), 2)
    assert sample.fields["pressure"].shape == (3, len(sample))
    np.testing.assert_allclose(sample.times, [0, 0.02, 0.04])
    assert data.provenance["residual"] < 1e-10
    u, y = sample.fields["velocity"], sample.points[:, 1]
    (design,) = channel_designs(data.provenance["settings"], range(1))
    inlet = sample.tags["inlet"]
    np.testing.assert_allclose(u[:, inlet, 0], np.tile(6 * design.inflow * y * (0.41 - y) / 0.41**2, (3, 1))[:, inlet])
    assert not u[:, sample.tags["cylinder"]].any()
    assert np.abs(np.diff(u, axis=0)).max() > 0.01
    assert sample.fields["pressure"].any(axis=1).all()
    assert data.hash == cylinder_flow(**{**FEW_FRAMES, "samples": 2})[:1].hash


FEW_FRAMES = {"samples": 1, "seed": 2, "frames": 3, "spacing": 0.02, "settle": 0.04, "size": 0.1, "length": 0.9}


@pytest.mark.slow
def test_vortices_are_shed_at_the_known_rate():
    """The benchmark's Strouhal number is 0.3 at Reynolds number 100; other places change it a little."""
    (sample,) = cylinder_flow(samples=1, seed=5, frames=121, settle=2.0, reynolds=100.0)
    behind = np.abs(sample.points - [0.6, 0.2]).sum(1).argmin()
    across = sample.fields["velocity"][:, behind, 1]
    up = np.flatnonzero((across[:-1] < 0) & (across[1:] >= 0))
    assert len(up) >= 4
    period = np.diff(up - across[up] / (across[up + 1] - across[up])).mean() * 0.025
    (design,) = channel_designs(
        {"elliptic": False, "seed": 5, "reynolds": 100.0, "viscosity": 1e-3, "length": 1.6}, range(1)
    )
    diameter = 2 * design.plate.holes[0].axes[0]
    assert 0.26 < diameter / period / design.inflow < 0.36


def test_moving_heat_keeps_its_energy():
    """What the spot has put in is stored, less what left through the cold side: little, in this short time."""
    data = moving_heat(samples=2, seed=1, frames=6, duration=2.0, size=0.15)
    for sample, design in zip(data, heat_designs(data.provenance["settings"], range(2)), strict=True):
        heat, source = sample.fields["temperature"], sample.fields["source"]
        assert not heat[:, sample.tags["left"]].any()
        assert not heat[0].any()
        cells, p = sample.cells["triangle6"], sample.points
        a, b = (p[cells[:, k]] - p[cells[:, 0]] for k in (1, 2))
        area = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])

        def total(values, area=area, cells=cells):
            return (area * values[cells[:, 3:]].mean(1)).sum()

        stored, put_in = (
            total(heat[-1]),
            sum((total(s) + total(t)) / 2 * 0.4 for s, t in pairwise(source)),
        )
        assert 0.8 * put_in < stored < 1.02 * put_in
        hot = p[source[-1].argmax()]
        np.testing.assert_allclose(hot, design.ends[1], atol=0.1)


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (channel, {"reynolds": -1.0}),
        (channel, {"size": 0.5}),
        (cylinder_flow, {"frames": 0}),
        (cylinder_flow, {"settle": 0.0}),
        (cylinder_flow, {"length": 0.3}),
        (moving_heat, {"frames": 1}),
        (moving_heat, {"conductivity": 0.0}),
    ],
)
def test_bad_numbers_are_told(make, given):
    with pytest.raises(DomainError, match="give"):
        make(**{"samples": 1, **given})
