"""Model files of mace-torch 0.3 (pickled modules), read without mace, without e3nn 0.4 and without running anything."""

from surrogates.potentials.mace_torch.model import Head, ModelFile, read_mace_torch

__all__ = ["Head", "ModelFile", "read_mace_torch"]
