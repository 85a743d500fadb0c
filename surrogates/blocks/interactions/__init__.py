"""Messages: from features of neighbours to the one-particle basis A of each atom."""

from surrogates.blocks.interactions.gated_sum import GatedSum
from surrogates.blocks.interactions.neighbour_sum import MeanNumber, NeighbourSum
from surrogates.blocks.interactions.surroundings import Surroundings

__all__ = ["GatedSum", "MeanNumber", "NeighbourSum", "Surroundings"]
