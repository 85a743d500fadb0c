"""CPU seconds of mace-torch's training steps and forces; run by mace_training_step.py, in an environment of its own.

Reads a file of frames, then one line "step N" or "forces N" after the other from the standard input and answers each
with the CPU seconds that N of them took.
"""

import os
import sys
import time

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 reads its own constants with slices in them

import numpy as np
import torch
from ase.io import read
from e3nn import o3
from mace import data, modules, tools
from mace.tools import torch_geometric

R_MAX = 5.0
ELEMENTS = [1, 6, 8]


def batch(path):
    """All frames of a file as one batch."""
    table = tools.AtomicNumberTable(ELEMENTS)
    keys = data.KeySpecification()
    frames = [data.config_from_atoms(a, key_specification=keys) for a in read(path, ":")]
    graphs = [data.AtomicData.from_config(f, z_table=table, cutoff=R_MAX) for f in frames]
    return next(iter(torch_geometric.dataloader.DataLoader(graphs, batch_size=len(graphs)))).to_dict()


def model(neighbours):
    """The model of the comparison."""
    residual = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return modules.ScaleShiftMACE(
        r_max=R_MAX, num_bessel=8, num_polynomial_cutoff=5, max_ell=2, interaction_cls=residual,
        interaction_cls_first=residual, num_interactions=2, num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps("32x0e + 32x1o"), MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(len(ELEMENTS)), avg_num_neighbors=neighbours, atomic_numbers=ELEMENTS,
        correlation=3, atomic_inter_scale=1.0, atomic_inter_shift=0.0,
    )  # fmt: skip


def main():
    torch.set_num_threads(1)
    atoms = batch(sys.argv[1])
    net = model(atoms["edge_index"].shape[1] / len(atoms["positions"]))
    labels = torch.zeros_like(atoms["positions"])

    def forces():
        net(atoms, training=False, compute_force=True)

    def step():
        out = net(atoms, training=True, compute_force=True)
        loss = (out["forces"] - labels).square().mean() + out["energy"].square().mean()
        net.zero_grad(set_to_none=True)
        loss.backward()

    for line in sys.stdin:
        what, n = line.split()
        start = time.process_time()
        for _ in range(int(n)):
            {"step": step, "forces": forces}[what]()
        print("seconds", time.process_time() - start, sum(p.numel() for p in net.parameters()), flush=True)


main()
