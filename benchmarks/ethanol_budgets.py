"""How well MACE knows ethanol after equal CPU time, ours and mace-torch's, on the same frames.

    python benchmarks/ethanol_budgets.py --peer .venv-mace/bin/python --seeds 0 1 2 --folder ethanol_budgets

For each seed, GFN2-xTB walkers of their own (480 training frames at 500 K); then single models of 32x0e + 32x1o trained
for 60, 120 and 240 CPU s by us and for 120, 240 and 480 CPU s by mace-torch, a learning rate that falls to zero within
each budget. The two sides of a row, ours at t and the peer's at 2 t, start together, one on each core, so that a busy
machine slows both. Each finished row is appended to FOLDER/rows.jsonl and not repeated.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = {
    "train": {"temperature": 500, "samples": 480},
    "valid": {"temperature": 500, "samples": 120},
    "test": {"temperature": 500, "samples": 200},
    "probe": {"temperature": 1000, "samples": 200},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("ethanol_budgets"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0, 120.0, 240.0])
    parser.add_argument("--peer", help="python of an environment with mace-torch")
    parser.add_argument("--train", nargs=3, metavar=("DATA", "SECONDS", "SEED"), help="one training of ours")
    args = parser.parse_args()
    if args.train:
        print(json.dumps(trained(Path(args.train[0]), float(args.train[1]), int(args.train[2]))))
        return
    for seed in args.seeds:
        data = args.folder / f"data-{seed}"
        frames(data, seed)
        for seconds in args.seconds:
            once(args, data, seed, seconds)
    report(args.folder)


def frames(data: Path, seed: int) -> None:
    """The walkers of a seed, and the same as extxyz for the peer."""
    if (data / "probe.xyz").exists():
        return
    from ase.build import molecule
    from ethanol import export

    from surrogates.datasets.generators import generate

    generate(molecule("CH3CH2OH"), walkers=PARTS, seed=seed, directory=data)
    export(data, data)


def once(args: argparse.Namespace, data: Path, seed: int, seconds: float) -> None:
    """One row, unless it is there: our training and the peer's, started together."""
    if any(row["seed"] == seed and row["seconds"] == seconds for row in rows(args.folder)):
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    files = [str(data / f"{name}.xyz") for name in PARTS]
    ours = [sys.executable, str(Path(__file__).resolve()), "--train", str(data), str(seconds), str(seed)]
    peer = [
        args.peer,
        str(HERE / "peers" / "mace_ethanol.py"),
        *files,
        "--seconds",
        str(2 * seconds),
        "--seed",
        str(seed),
    ]
    sides = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for command in (ours, peer)
    ]
    found = [json.loads(side.communicate()[0].splitlines()[-1]) for side in sides]
    row = {"seed": seed, "seconds": seconds, "ours": found[0], "mace-torch, twice": found[1]}
    with (args.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**row, "date": time.strftime("%Y-%m-%d")}) + "\n")
    print(json.dumps(row), flush=True)


def trained(data: Path, seconds: float, seed: int) -> dict:
    """One model of ours: errors in meV/Å and meV/atom, steps made."""
    import torch

    from surrogates.datasets import Structures
    from surrogates.potentials.mace import MACE
    from surrogates.tasks.energy import EnergyForces
    from surrogates.training import Plan, fit

    torch.set_num_threads(1)
    parts = {name: Structures.open(data / f"{name}.h5") for name in PARTS}
    model = MACE(elements=parts["train"].elements, r_max=5.0, hidden="32x0e + 32x1o", edge_l_max=2, correlation=3)
    plan = Plan(minutes=seconds / 60, batch_size=5, lr=0.01)
    fitted = fit(EnergyForces(model), parts["train"], parts["valid"], plan=plan, seed=seed)
    found = {}
    for name in ("test", "probe"):
        scores = fitted.evaluate(parts[name])
        found[name] = {"force_mae": 1e3 * scores.force_mae, "energy_mae": 1e3 * scores.energy_mae}
    return found


def rows(folder: Path) -> list[dict]:
    """Finished rows of a folder."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def report(folder: Path) -> None:
    """Force errors of both sides, budget by budget."""
    found = rows(folder)
    for seconds in sorted({row["seconds"] for row in found}):
        own = [row for row in found if row["seconds"] == seconds]
        mine = [round(row["ours"]["test"]["force_mae"], 1) for row in own]
        theirs = [round(row["mace-torch, twice"]["test"]["force_mae"], 1) for row in own]
        print(f"force MAE, meV/Å: ours after {seconds:g} CPU s {mine}, mace-torch after {2 * seconds:g} CPU s {theirs}")


if __name__ == "__main__":
    main()
