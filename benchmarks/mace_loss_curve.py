"""The same training by us and by mace-torch: equal weights at the start, equal batches, equal optimiser, step by step.

    python benchmarks/mace_loss_curve.py --peer .venv-mace/bin/python           (see requirements-mace.txt)

Silicon, 64 atoms, rattled and strained, labelled by GFN2-xTB (tblite, Gamma point only, as its periodic energies are).
mace-torch makes a model (128x0e + 128x1o, edge l <= 3, correlation 3, two layers, float64) and saves it; we load that
file. Both minimise the same loss of energies and forces with Adam; both run together, one on each core. Printed are
the losses, their largest relative difference, and the median CPU seconds of a step with their ratio.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk
from ase.io import read, write

from surrogates import load
from surrogates.datasets.adapters.ase import from_ase
from surrogates.tasks.energy import energy_forces

SIDE = Path(__file__).parent / "peers" / "mace_loss_curve.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of an environment with mace-torch")
    parser.add_argument("--frames", type=Path, default=Path("silicon_xtb.xyz"), help="made unless it is there")
    parser.add_argument("--n", type=int, default=8, help="frames to make")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--channels", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.frames.exists():
        make(given.frames, given.n)
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "start.model")
        command = [given.peer, str(SIDE), str(given.frames), model]
        for name in ("steps", "batch", "channels"):
            command += [f"--{name}", str(getattr(given, name))]
        peer = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        while peer.stdout.readline().split() != ["ready"]:
            if peer.poll() is not None:
                raise SystemExit("the peer stopped: is mace-torch installed in the environment of --peer?")
        task = load(model)
        print("go", file=peer.stdin, flush=True)
        ours = trained(getattr(task, "task", task), given)
        lines = [line.split() for line in peer.stdout if line.startswith("step")]
    theirs = [(float(loss), float(seconds)) for _, loss, seconds in lines]
    differences = [abs(a / b - 1) for (a, _), (b, _) in zip(ours, theirs, strict=True)]
    for k in sorted({0, 1, 2, 5, 10, 20, given.steps - 1} & set(range(given.steps))):
        print(f"step {k:3d}: loss ours {ours[k][0]:.10g}, mace-torch {theirs[k][0]:.10g}")
    mine, peers = (statistics.median(seconds for _, seconds in side) for side in (ours, theirs))
    print(f"largest relative difference of the loss over {given.steps} steps: {max(differences):.2g}")
    print(f"step, median: ours {mine:.3f} CPU s, mace-torch {peers:.3f} CPU s, ratio {peers / mine:.2f}")


def make(path: Path, n: int) -> None:
    """Rattled and strained silicon with labels, as extxyz."""
    from tblite.ase import TBLite

    rng = np.random.default_rng(0)
    for k in range(n):
        atoms = bulk("Si", cubic=True) * (2, 2, 2)
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.01, size=(3, 3))), scale_atoms=True)
        atoms.rattle(0.06, seed=k)
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = energy, forces
        write(path, atoms, format="extxyz", append=True)


def trained(task, given: argparse.Namespace) -> list[tuple[float, float]]:
    """Loss and CPU seconds of each step."""
    frames = read(given.frames, ":")
    chunks = [frames[k : k + given.batch] for k in range(0, len(frames), given.batch)]
    stack = []
    for chunk in chunks:
        atoms = from_ase(chunk, dtype=torch.float64).with_edges(task.r_max)
        energy = torch.tensor([a.info["REF_energy"] for a in chunk], dtype=torch.float64)
        forces = torch.tensor(np.concatenate([a.arrays["REF_forces"] for a in chunk]))
        count = torch.tensor([len(a) for a in chunk])
        stack.append((atoms, energy, forces, count))
    weights = [p.requires_grad_() for p in task.parameters()]
    optimizer = torch.optim.Adam(weights, lr=0.002)
    found = []
    for step in range(given.steps):
        atoms, energy, forces, count = stack[step % len(stack)]
        begin = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        out = energy_forces(task, atoms, create_graph=True)
        loss = ((out.energy - energy) / count).square().mean() + (out.forces - forces).square().mean()
        loss.backward()
        optimizer.step()
        found.append((loss.item(), time.process_time() - begin))
    return found


if __name__ == "__main__":
    main()
