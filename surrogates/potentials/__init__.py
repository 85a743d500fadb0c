"""Potentials: atoms -> atomic energies."""

from surrogates.potentials.dispersion import DFTD3, DFTD4
from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.potentials.point_charges import PME, Ewald, PointCharges
from surrogates.potentials.sum import Sum

__all__ = ["DFTD3", "DFTD4", "PME", "ZBL", "Ewald", "LennardJones", "Morse", "PointCharges", "Sum"]
