"""Gradients and tangents of expressions against numbers."""

import math

import pytest

from surrogates.kernels.expressions import Graph, statements


def run(results, **given):
    """The printed code, run as Python."""
    names = dict(given)
    for line in statements(results, ""):
        exec(line.strip().rstrip(";"), {}, names)
    return names


def test_gradient_and_its_tangent():
    """f = x y (x + z) + y x: df/dx = 2 x y + y z + y; d2f/dx along (dx, dy) = 2 y dx + (2 x + z + 1) dy."""
    g = Graph()
    x, y, z, dx, dy = (g.leaf(n) for n in ("x", "y", "z", "dx", "dy"))
    f = g.add(g.mul(g.mul(x, y), g.add(x, z)), g.mul(y, x))
    slope = g.gradient(f, [x, y, z])
    change = g.tangent(slope[x], {x: dx, y: dy})
    found = run({"f =": f, "fx =": slope[x], "fz =": slope[z], "c =": change}, x=2.0, y=3.0, z=5.0, dx=0.7, dy=-0.3)
    assert math.isclose(found["f"], 48)
    assert math.isclose(found["fx"], 30)
    assert math.isclose(found["fz"], 6)
    assert math.isclose(found["c"], 6 * 0.7 + 10 * -0.3)


def test_zero_is_none_and_makes_no_code():
    g = Graph()
    x, y = g.leaf("x"), g.leaf("y")
    f = g.mul(x, x)
    assert g.gradient(f, [y])[y] is None
    assert g.tangent(f, {y: x}) is None
    assert statements({"a =": None}, "") == []


def test_what_is_used_twice_is_computed_once():
    g = Graph()
    x, y = g.leaf("x"), g.leaf("y")
    shared = g.mul(x, y)
    lines = statements({"a =": g.add(shared, x), "b =": g.mul(shared, g.mul(y, x))}, "const real")
    assert sum("x * y" in line for line in lines) == 1


@pytest.mark.parametrize("terms", [3, 400])
def test_long_sums(terms):
    g = Graph()
    leaves = [g.leaf(f"x{k}") for k in range(terms)]
    f = g.total(g.mul(leaf, leaf) for leaf in leaves)
    slope = g.gradient(f, leaves)
    found = run({"s =": slope[leaves[-1]]}, **{f"x{k}": float(k) for k in range(terms)})
    assert found["s"] == 2 * (terms - 1)
