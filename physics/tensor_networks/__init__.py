"""Matrix product states: truncation, canonical forms, operators, ground states."""

from surrogates.physics.tensor_networks.dmrg import GroundState, dmrg
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.truncate import Split, low_rank, split

__all__ = ["MPO", "MPS", "GroundState", "Split", "dmrg", "low_rank", "mpo", "split"]
