"""Matrix product states: truncation, canonical forms, operators, ground states, evolution in time."""

from surrogates.physics.tensor_networks.apply import apply
from surrogates.physics.tensor_networks.dmrg import GroundState, Schedule, Sweep, dmrg
from surrogates.physics.tensor_networks.evolution import Evolution
from surrogates.physics.tensor_networks.files import load, save
from surrogates.physics.tensor_networks.global_expansion import expand
from surrogates.physics.tensor_networks.infinite_dmrg import InfiniteState, infinite_dmrg
from surrogates.physics.tensor_networks.measure import (
    correlations,
    energy_and_variance,
    expect,
    expect_operator,
    reduced_density_matrix,
)
from surrogates.physics.tensor_networks.mpo import MPO, mpo
from surrogates.physics.tensor_networks.mps import MPS
from surrogates.physics.tensor_networks.sampling import Samples, log_amplitudes, sample
from surrogates.physics.tensor_networks.tdvp import tdvp
from surrogates.physics.tensor_networks.tebd import tebd
from surrogates.physics.tensor_networks.thermal import Cooling, cool, infinite_temperature, with_partners
from surrogates.physics.tensor_networks.transfer import TransferMatrix
from surrogates.physics.tensor_networks.truncate import Split, low_rank, split

__all__ = [
    "MPO",
    "MPS",
    "Cooling",
    "Evolution",
    "GroundState",
    "InfiniteState",
    "Samples",
    "Schedule",
    "Split",
    "Sweep",
    "TransferMatrix",
    "apply",
    "cool",
    "correlations",
    "dmrg",
    "energy_and_variance",
    "expand",
    "expect",
    "expect_operator",
    "infinite_dmrg",
    "infinite_temperature",
    "load",
    "log_amplitudes",
    "low_rank",
    "mpo",
    "reduced_density_matrix",
    "sample",
    "save",
    "split",
    "tdvp",
    "tebd",
    "with_partners",
]
