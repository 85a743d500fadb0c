"""Force errors after equal CPU time: the CP-decomposed product beside the exact Clebsch-Gordan product.

    python benchmarks/cp_product.py --folder cp_product --seeds 0 1 --seconds 60

For each seed, GFN2-xTB walkers of ethanol (480 training frames at 500 K); then MACE of 32x0e + 32x1o with each product
for the same CPU time, a learning rate that falls to zero within it: the exact product as one fused kernel and message
by message (what CP replaces), CP of rank 7 L^2 with factors that are trained and with factors that stay as fitted.
Trainings of a seed follow each other, from another first one for each seed. A finished row is appended to
FOLDER/rows.jsonl and not repeated. Rotations change the energies of a CP model: `turned` is by how much after training.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from ethanol_budgets import PARTS, rows
from scipy.spatial.transform import Rotation

from surrogates.datasets import Structures
from surrogates.datasets.adapters.ase import from_ase
from surrogates.equivariance.products import ClebschGordan, CPDecomposed
from surrogates.potentials.mace import MACE
from surrogates.tasks.energy import EnergyForces
from surrogates.training import Plan, fit

PRODUCTS = {
    "exact, fused kernel": lambda: None,
    "exact, message by message": ClebschGordan,
    "CP, rank 7 L^2": lambda: CPDecomposed(rank="quadratic"),
    "CP, rank 7 L^2, frozen": lambda: CPDecomposed(rank="quadratic", frozen=True),
}


def main() -> None:
    """Every training that is not in FOLDER/rows.jsonl yet, each in a process of its own; then a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("cp_product"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0])
    parser.add_argument("--degree", type=int, default=2, help="highest degree of the harmonics")
    parser.add_argument("--one", nargs=3, metavar=("SEED", "SECONDS", "PRODUCT"), help="one training")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.one:
        seed, seconds, name = int(args.one[0]), float(args.one[1]), args.one[2]
        found = trained(walkers(args.folder, seed), args.degree, seed, seconds, name)
        row = key(args.degree, seed, seconds, name) | found
        with (args.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "date": time.strftime("%Y-%m-%d")}) + "\n")
        return
    for seconds in args.seconds:
        for seed in args.seeds:
            names = list(PRODUCTS)
            for name in names[seed % len(names) :] + names[: seed % len(names)]:
                wanted = key(args.degree, seed, seconds, name)
                if any(wanted.items() <= row.items() for row in rows(args.folder)):
                    continue
                here = [sys.executable, str(Path(__file__).resolve()), "--folder", str(args.folder)]
                one = ["--degree", str(args.degree), "--one", str(seed), str(seconds), name]
                subprocess.run([*here, *one], check=True)
                print(json.dumps(rows(args.folder)[-1]), flush=True)
    report(rows(args.folder))


def key(degree: int, seed: int, seconds: float, name: str) -> dict:
    """What a row is known by."""
    return {"degree": degree, "seed": seed, "seconds": seconds, "product": name}


def walkers(folder: Path, seed: int) -> dict[str, Structures]:
    """The frames of a seed, made unless they are there."""
    from ase.build import molecule

    from surrogates.datasets.generators import generate

    data = folder / f"data-{seed}"
    if not (data / "probe.h5").exists():
        generate(molecule("CH3CH2OH"), walkers=PARTS, seed=seed, directory=data)
    return {name: Structures.open(data / f"{name}.h5") for name in PARTS}


def trained(data: dict[str, Structures], degree: int, seed: int, seconds: float, name: str) -> dict:
    """One model: errors in meV/Å and meV/atom, CPU s spent, steps, and what turning does to energies, meV/atom."""
    torch.set_num_threads(1)
    elements = data["train"].elements
    model = MACE(
        elements=elements, r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=degree, correlation=3, product=PRODUCTS[name]()
    )
    plan, before = Plan(minutes=seconds / 60, batch_size=5, lr=0.01), time.process_time()
    fitted = fit(EnergyForces(model), data["train"], data["valid"], plan=plan, seed=seed)
    found: dict[str, object] = {
        "cpu_s": time.process_time() - before,
        "steps": max(row["step"] for row in fitted.history),
    }
    for part in ("test", "probe"):
        scores = fitted.evaluate(data[part])
        found[part] = {"force_mae": 1e3 * scores.force_mae, "energy_mae": 1e3 * scores.energy_mae}
    found["turned"] = turned(fitted, data["test"])
    return found


def turned(fitted: object, data: Structures) -> float:
    """Root mean square change of energies under random rotations, meV/atom."""
    frames = list(data.atoms[:50])
    energies = []
    for matrices in (np.tile(np.eye(3), (len(frames), 1, 1)), Rotation.random(len(frames), random_state=0).as_matrix()):
        moved = [atoms.copy() for atoms in frames]
        for atoms, matrix in zip(moved, matrices, strict=True):
            atoms.positions = atoms.positions @ matrix.T
        batch = from_ase(moved).with_edges(5.0)
        energies.append(fitted.predict(batch).energy.double().numpy())  # type: ignore[attr-defined]
    return float(1e3 * np.sqrt(np.mean((energies[1] - energies[0]) ** 2)) / len(frames[0]))


def report(found: list[dict]) -> None:
    """Errors by degree, budget and product, a number a seed."""
    for degree, seconds in sorted({(row["degree"], row["seconds"]) for row in found}):
        print(f"L = {degree}, {seconds:g} CPU s: force MAE at 500 K, 1000 K (meV/Å); steps; turned (meV/atom)")
        for name in PRODUCTS:
            own = [r for r in found if (r["degree"], r["seconds"], r["product"]) == (degree, seconds, name)]
            near, far = ([round(r[part]["force_mae"], 1) for r in own] for part in ("test", "probe"))
            steps, moved = [r["steps"] for r in own], [float(f"{r['turned']:.1g}") for r in own]
            print(f"  {name:26s} {near} {far} {steps} {moved}")


if __name__ == "__main__":
    main()
