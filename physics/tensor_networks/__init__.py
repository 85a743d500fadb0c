"""Matrix product states: truncation, canonical forms, operators, ground states, evolution in time."""

from surrogates.physics.tensor_networks.dmrg import GroundState, dmrg
from surrogates.physics.tensor_networks.evolution import Evolution
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.tdvp import tdvp
from surrogates.physics.tensor_networks.tebd import tebd
from surrogates.physics.tensor_networks.truncate import Split, low_rank, split

__all__ = ["MPO", "MPS", "Evolution", "GroundState", "Split", "dmrg", "low_rank", "mpo", "split", "tdvp", "tebd"]
