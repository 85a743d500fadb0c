"""Constant pressure by the equations of Martyna, Tobias and Klein: cells that breathe and shear, without noise.

Papers: Martyna, Tobias and Klein, Constant pressure molecular dynamics algorithms (doi:10.1063/1.467468), for the
equations, isotropic and flexible; Tuckerman, Alejandre, López-Rendón, Jochim and Martyna, A Liouville-operator derived
measure-preserving integrator for molecular dynamics simulations in the isothermal-isobaric ensemble
(doi:10.1088/0305-4470/39/19/S18), for the splitting used here.

With v the strain rate of the cell, W the mass of it and N_f the freedoms of the atoms,

    dx/dt = p/m + v x,    dp/dt = f - v p - (Tr v / N_f) p,    d cell/dt = cell v,
    W dv/dt = V (P_int - P) + (2 K / N_f) 1,    V P_int = sum p p / m - V stress,

v being symmetric, so that the cell has no spin, and projected onto the strains that it may make. Projected
onto the unit matrix these are the isotropic equations, with p_eps^2 / 2 W_eps = W Tr(v^2) / 2 for W_eps = 3 W.

With the centre of mass at rest and N_f = 3 (N - 1) phase space spreads at the rate 2 Tr v, whence the invariant measure
det(cell)^-2 d(cell), nine components: for an ideal gas of N atoms V^(N-1) exp(-P V / kT) dV, times the measure of unit
shapes that no strain changes. Without forces the flow has constants: cell p / lambda of every atom, lambda being the
thermostat's factor, and, where the cell's shape costs no energy, three rates with which the cell turns against those,
times a factor of its thermostat. A cell that starts at rest keeps them at zero: v and sum p p / m share their axes for
ever, three of the six freedoms never move, and averages are wrong. So rates are drawn at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from surrogates.physics.atoms.strain import full_matrix


@dataclass(frozen=True)
class Piston:
    """What the cells of many structures are held by.

    Args:
        mass: W, eV times time squared. pressure: eV/Å^3. freedoms: N_f. allowed: projectors of flattened strain rates.
        structure: of each atom.
    """

    mass: Float[Tensor, "structures"]
    pressure: float
    freedoms: Float[Tensor, "structures"]
    allowed: Float[Tensor, "structures 9 9"]
    structure: Int[Tensor, "atoms"]

    def kinetic(self, rate: Float[Tensor, "structures 3 3"]) -> Float[Tensor, "structures"]:
        """W Tr(v^2) / 2, eV."""
        return self.mass * rate.square().sum((1, 2)) / 2

    def drawn(
        self, kt: Float[Tensor, "structures"], noise: Float[Tensor, "structures 6"]
    ) -> Float[Tensor, "structures 3 3"]:
        """Strain rates of Maxwell and Boltzmann: kT / 2 for each allowed strain; kT in eV, noise standard normal."""
        stretch, shear = noise[:, :3], noise[:, 3:] / 2**0.5
        along = torch.einsum("skl,sl->sk", self.allowed, full_matrix(torch.cat([stretch, shear], 1)).flatten(1))
        return (kt / self.mass).sqrt()[:, None, None] * along.unflatten(1, (3, 3))

    def pushed(
        self,
        rate: Float[Tensor, "structures 3 3"],
        kinetic: Float[Tensor, "structures 3 3"],
        stress: Float[Tensor, "structures 3 3"],
        volume: Float[Tensor, "structures"],
        dt: float,
    ) -> Float[Tensor, "structures 3 3"]:
        """Strain rates after `dt` under the difference of pressures; `kinetic` is sum p p / m, eV."""
        share = kinetic.diagonal(dim1=1, dim2=2).sum(1) / self.freedoms - self.pressure * volume
        push = kinetic - volume[:, None, None] * stress + share[:, None, None] * _eye(rate)
        along = torch.einsum("skl,sl->sk", self.allowed, push.flatten(1)).unflatten(1, (3, 3))
        return rate + dt * along / self.mass[:, None, None]

    def kicked(
        self,
        momenta: Float[Tensor, "atoms 3"],
        forces: Float[Tensor, "atoms 3"],
        rate: Float[Tensor, "structures 3 3"],
        dt: float,
    ) -> Float[Tensor, "atoms 3"]:
        """Exact solution of dp/dt = f - (v + Tr v / N_f) p over `dt`."""
        trace = rate.diagonal(dim1=1, dim2=2).sum(1) / self.freedoms
        decay, integral = _exponentials(-(rate + trace[:, None, None] * _eye(rate)) * dt)
        return self._turned(momenta, decay) + dt * self._turned(forces, integral)

    def drifted(
        self,
        positions: Float[Tensor, "atoms 3"],
        velocities: Float[Tensor, "atoms 3"],
        cell: Float[Tensor, "structures 3 3"],
        rate: Float[Tensor, "structures 3 3"],
        dt: float,
    ) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "structures 3 3"]]:
        """Exact solution of dx/dt = p/m + v x and d cell/dt = cell v over `dt`."""
        growth, integral = _exponentials(rate * dt)
        return self._turned(positions, growth) + dt * self._turned(velocities, integral), cell @ growth

    def _turned(self, rows: Tensor, matrices: Tensor) -> Tensor:
        return torch.einsum("ni,nij->nj", rows, matrices.index_select(0, self.structure))


def kinetic_tensor(
    momenta: Float[Tensor, "atoms 3"], masses: Float[Tensor, "atoms"], structure: Int[Tensor, "atoms"], structures: int
) -> Float[Tensor, "structures 3 3"]:
    """sum p p / m of each structure, eV; its trace is twice the kinetic energy."""
    each = momenta[:, :, None] * momenta[:, None, :] / masses[:, None, None]
    return momenta.new_zeros(structures, 3, 3).index_add(0, structure, each)


def _exponentials(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """exp(A) and (exp(A) - 1)/A of symmetric matrices; NaN for one that has run away, so that the others go on."""
    sane = symmetric.isfinite().flatten(1).all(1)[:, None, None]
    values, vectors = torch.linalg.eigh(symmetric.where(sane, 0.0))
    small = values.abs() < 1e-5
    ratio = torch.where(small, 1 + values / 2 + values**2 / 6, torch.expm1(values) / values.where(~small, 1.0))
    spread = [torch.einsum("sik,sk,sjk->sij", vectors, f, vectors) for f in (values.exp(), ratio)]
    return spread[0].where(sane, torch.nan), spread[1].where(sane, torch.nan)


def _eye(like: Tensor) -> Tensor:
    return torch.eye(3, dtype=like.dtype, device=like.device)
