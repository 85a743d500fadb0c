"""Many relaxations as one batch against as many of ASE's: time, steps, and whether they find the same minima.

    python benchmarks/batched_relaxation.py ethanol.safetensors --count 64
    python benchmarks/batched_relaxation.py tensornet --minutes 1       # trains a small model on GFN2-xTB frames first

Both sides use the same model in the same precision, optimiser, skin and fmax, on one thread. Minima are compared after
alignment, atom by atom.
"""

import argparse
import json
import time

import ase.optimize
import numpy as np
import torch
from ase.build import minimize_rotation_and_translation, molecule

from surrogates import SurrogateCalculator, load
from surrogates.datasets.generators import GFN2, generate
from surrogates.potentials.mace import MACE
from surrogates.potentials.tensornet import TensorNet
from surrogates.simulation import relax
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit

MODELS = {
    "mace": lambda z: MACE(elements=z, r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=2, correlation=3),
    "tensornet": lambda z: TensorNet(elements=z, r_max=5.0, channels=32),
}
OPTIMIZERS = {"fire": "FIRE", "lbfgs": "LBFGS"}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    model = load(args.model) if args.model.endswith(".safetensors") else trained(args.model, args.minutes)
    starts = rattled(args.molecule, args.count, args.rattle)
    calculator = SurrogateCalculator(model, dtype=args.dtype, skin=args.skin)
    warm = [a.copy() for a in starts[:2]]
    relax(warm, calculator, steps=3)

    begin = time.process_time()
    together = relax(starts, calculator, fmax=args.fmax, steps=args.steps, optimizer=args.optimizer, skin=args.skin)
    batched = time.process_time() - begin
    begin = time.process_time()
    singles = [by_ase(a, calculator, args) for a in starts]
    alone = time.process_time() - begin

    both = [k for k in range(args.count) if together.converged[k] and singles[k][2]]
    apart = [distance(singles[k][0], together[k]) for k in both]
    result = {
        "model": args.model,
        "dtype": args.dtype,
        "optimizer": args.optimizer,
        "batch, CPU s": round(batched, 2),
        "ASE one by one, CPU s": round(alone, 2),
        "times faster": round(alone / batched, 2),
        "converged": [int(together.converged.sum()), sum(s[2] for s in singles), args.count],
        "steps, mean": [float(together.steps.mean()), float(np.mean([s[1] for s in singles]))],
        "same minimum to 1e-3 Å": f"{sum(d < 1e-3 for d in apart)} of {len(apart)}",
        "largest distance of an atom, Å": max(apart, default=float("nan")),
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))


def by_ase(start, calculator, args):
    """The relaxed structure, its steps, and whether it converged."""
    atoms = start.copy()
    atoms.calc = calculator
    run = getattr(ase.optimize, OPTIMIZERS[args.optimizer])(atoms, logfile=None)
    converged = run.run(fmax=args.fmax, steps=args.steps)
    return atoms, run.nsteps, bool(converged)


def distance(a, b) -> float:
    """Largest distance between the same atoms of two structures after alignment, Å."""
    moved = b.copy()
    minimize_rotation_and_translation(a, moved)
    return float(np.linalg.norm(moved.positions - a.positions, axis=1).max())


def rattled(name: str, count: int, size: float):
    """`count` copies of a molecule, each displaced by `size` Å from a seed of its own."""
    frames = [molecule(name) for _ in range(count)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(size, seed=seed)
    return frames


def trained(name: str, minutes: float):
    """A model of ethanol from 240 GFN2-xTB frames at 500 K, in the given CPU minutes."""
    walkers = {"train": {"temperature": 500, "samples": 240}, "valid": {"temperature": 500, "samples": 60}}
    data = generate({"molecule": "CH3CH2OH"}, GFN2, walkers)
    task = EnergyForces(MODELS[name](data["train"].elements))
    plan = Plan(minutes=minutes, batch_size=5, lr=0.01 if name == "mace" else 0.002)
    return fit(task, data["train"], data["valid"], plan=plan, seed=0)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint, or mace or tensornet to train one")
    parser.add_argument("--molecule", default="CH3CH2OH")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rattle", type=float, default=0.1, help="Å")
    parser.add_argument("--fmax", type=float, default=0.001, help="eV/Å")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--skin", type=float, default=0.5, help="Å")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), default="fire")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--minutes", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
