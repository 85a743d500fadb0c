"""Morphs: every mesh of a kind of shape laid on one common mesh, and a check that no cell folds."""

from surrogates.meshes.morphing.correspondence import Correspondence
from surrogates.meshes.morphing.extension import Elasticity, RadialFunctions, folded
from surrogates.meshes.morphing.register import MORPHS, Morphing, Registration

__all__ = ["MORPHS", "Correspondence", "Elasticity", "Morphing", "RadialFunctions", "Registration", "folded"]
