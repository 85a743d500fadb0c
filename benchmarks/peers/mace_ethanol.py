"""Train mace-torch on given frames for a budget of CPU seconds and print its errors; run inside its own environment.

    python mace_ethanol.py TRAIN VALID TEST PROBE --seconds 240 --seed 0 --batch 5 --lr 0.01

Frames are extxyz with `REF_energy` and `REF_forces`. The loop is the package's own recipe (ScaleShiftMACE, weighted
energy and force loss, Adam with amsgrad, exponential moving average of the weights, gradient clipping at 10) with a
learning rate that falls to zero over the budget, so that a short run is not punished by a schedule made for a long one.
"""

import argparse
import json
import math
import os
import time

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # e3nn 0.4.4 reads its own constants with slices in them

import numpy as np
import torch
from ase.io import read
from e3nn import o3
from mace import data, modules
from mace.tools import torch_geometric, utils
from torch_ema import ExponentialMovingAverage

R_MAX = 5.0


def configurations(path):
    """Labelled frames of a file."""
    keys = data.KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
    return [data.config_from_atoms(atoms, key_specification=keys) for atoms in read(path, ":")]


def batches(configs, table, size, shuffle, generator=None):
    """A loader of them."""
    graphs = [data.AtomicData.from_config(c, z_table=table, cutoff=R_MAX) for c in configs]
    return torch_geometric.dataloader.DataLoader(
        dataset=graphs, batch_size=size, shuffle=shuffle, drop_last=shuffle, generator=generator
    )


def build(configs, table, loader, args):
    """The model of the comparison, scaled by its training frames."""
    energies = np.array([c.properties["energy"] for c in configs])
    counts = np.array([[np.sum(c.atomic_numbers == z) for z in table.zs] for c in configs], dtype=float)
    atomic = np.linalg.lstsq(counts, energies, rcond=None)[0]
    mean, std = modules.scaling_classes["rms_forces_scaling"](loader, atomic)
    hidden = o3.Irreps(args.hidden)
    return modules.ScaleShiftMACE(
        r_max=R_MAX,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(table),
        hidden_irreps=hidden,
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=atomic,
        avg_num_neighbors=modules.compute_avg_num_neighbors(loader),
        atomic_numbers=table.zs,
        correlation=3,
        radial_MLP=[64, 64, 64],
        atomic_inter_scale=std,
        atomic_inter_shift=mean,
    )


def errors(model, loader):
    """Mean absolute errors, meV/atom and meV/Å."""
    energy, forces = [], []
    for batch in loader:
        out = model(batch.to_dict(), training=False)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        energy.append(((out["energy"] - batch.energy) / atoms).detach())
        forces.append((out["forces"] - batch.forces).detach())
    energy, forces = torch.cat(energy), torch.cat(forces)
    return {
        "energy_mae": 1e3 * float(energy.abs().mean()),
        "energy_mae_without_offset": 1e3 * float((energy - energy.mean()).abs().mean()),
        "force_mae": 1e3 * float(forces.abs().mean()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("train", "valid", "test", "probe"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--hidden", default="32x0e + 32x1o")
    parser.add_argument("--forces", type=float, default=100.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    torch.set_default_dtype(torch.float32)
    sets = {name: configurations(getattr(args, name)) for name in ("train", "valid", "test", "probe")}
    table = utils.AtomicNumberTable(sorted({int(z) for c in sets["train"] for z in c.atomic_numbers}))
    generator = torch.Generator().manual_seed(args.seed)
    loader = batches(sets["train"], table, args.batch, True, generator)
    model = build(sets["train"], table, batches(sets["train"], table, 32, False), args)
    loss = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=args.forces)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, amsgrad=True)
    average = ExponentialMovingAverage(model.parameters(), decay=0.99)
    begin, steps, spent = time.process_time(), 0, 0.0
    while spent < args.seconds:
        for batch in loader:
            spent = time.process_time() - begin
            if spent >= args.seconds:
                break
            for group in optimizer.param_groups:
                group["lr"] = args.lr * 0.5 * (1 + math.cos(math.pi * spent / args.seconds))
            optimizer.zero_grad(set_to_none=True)
            loss(pred=model(batch.to_dict(), training=True), ref=batch).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            average.update()
            steps += 1
    with average.average_parameters():
        found = {name: errors(model, batches(sets[name], table, 50, False)) for name in ("test", "probe")}
    print(json.dumps({"peer": "mace-torch", **vars(args), "steps": steps, "cpu_seconds": spent, **found}))


if __name__ == "__main__":
    main()
