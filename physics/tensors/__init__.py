"""Tensors kept as factors: Tucker, canonical polyadic and tensor-train forms, shared by networks and states."""

from surrogates.physics.tensors.approximation import Approximation
from surrogates.physics.tensors.cp import CP, cp_als
from surrogates.physics.tensors.plan import contract, cost
from surrogates.physics.tensors.ranks import cp_rank, train_ranks, tucker_ranks
from surrogates.physics.tensors.tensor_train import TensorTrain, tt_svd
from surrogates.physics.tensors.tucker import Tucker, hooi

__all__ = [
    "CP",
    "Approximation",
    "TensorTrain",
    "Tucker",
    "contract",
    "cost",
    "cp_als",
    "cp_rank",
    "hooi",
    "train_ranks",
    "tt_svd",
    "tucker_ranks",
]
