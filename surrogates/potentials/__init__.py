"""Potentials: atoms -> atomic energies."""

from surrogates.potentials.pair import ZBL, LennardJones, Morse
from surrogates.potentials.sum import Sum

__all__ = ["ZBL", "LennardJones", "Morse", "Sum"]
