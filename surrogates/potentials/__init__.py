"""Potentials: atoms -> atomic energies."""

from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.potentials.point_charges import PME, Ewald, PointCharges
from surrogates.potentials.sum import Sum

__all__ = ["PME", "ZBL", "Ewald", "LennardJones", "Morse", "PointCharges", "Sum"]
