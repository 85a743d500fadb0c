"""The heat equation, u_t = kappa Lap(u); solved exactly, mode by mode."""

from __future__ import annotations

from surrogates.physics.fields.equation import Equation, mean


def heat(dim: int = 1) -> Equation:
    """Temperature u, with the diffusivity kappa as its parameter. Its mean is conserved."""
    return Equation(
        "heat",
        dim=dim,
        fields=("u",),
        parameters=("kappa",),
        linear=lambda k, p: p["kappa"] * k.laplacian,
        conserved={"mean": mean()},
    )
