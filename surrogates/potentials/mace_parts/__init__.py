"""Parts of MACE: its trunk, and the layers of the trunk."""

from surrogates.potentials.mace_parts.layer import MACELayer
from surrogates.potentials.mace_parts.trunk import Trunk

__all__ = ["MACELayer", "Trunk"]
