"""mace-torch's side of mace_loss_curve.py, run inside its own environment:

    python mace_loss_curve.py FRAMES MODEL --steps 60

Makes a model with random weights for the frames (extxyz with REF_energy and REF_forces), saves it as MODEL, prints
"ready", waits for a line, and prints loss and CPU seconds of each step of Adam.
"""

import argparse
import os
import sys
import time

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 reads its own constants with slices in them

import numpy as np
import torch
from e3nn import o3
from mace import modules
from mace.tools import utils
from mace_ethanol import batches, configurations


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames")
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", type=int, default=128)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    configs = configurations(args.frames)
    table = utils.AtomicNumberTable(sorted({int(z) for c in configs for z in c.atomic_numbers}))
    loader = batches(configs, table, args.batch, False)
    energies = np.array([c.properties["energy"] / len(c.atomic_numbers) for c in configs])
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=5.0, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block, interaction_cls_first=block,
        num_interactions=2, num_elements=len(table), MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu,
        hidden_irreps=o3.Irreps(f"{args.channels}x0e + {args.channels}x1o"), correlation=3, radial_MLP=[64, 64, 64],
        atomic_energies=np.full(len(table), energies.mean()), atomic_numbers=table.zs,
        avg_num_neighbors=modules.compute_avg_num_neighbors(loader), atomic_inter_scale=1.0, atomic_inter_shift=0.0,
    )  # fmt: skip
    torch.save(model, args.model)
    print("ready", flush=True)
    sys.stdin.readline()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    stack = list(loader)
    for step in range(args.steps):
        batch = stack[step % len(stack)]
        begin = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        out = model(batch.to_dict(), training=True)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        energy = ((out["energy"] - batch.energy) / atoms).square().mean()
        loss = energy + (out["forces"] - batch.forces).square().mean()
        loss.backward()
        optimizer.step()
        print("step", loss.item(), time.process_time() - begin, flush=True)


if __name__ == "__main__":
    main()
