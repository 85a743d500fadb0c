"""How well FNO knows Burgers' equation and Darcy flow after a number of CPU minutes, on grids it has and has not seen.

    python benchmarks/fno_accuracy.py burgers --minutes 15 --nu 0.1 0.01 --seeds 0
    python benchmarks/fno_accuracy.py darcy --minutes 30 --seeds 0

Burgers: 1000 training and 200 test states as in the FNO paper (arXiv:2010.08895), trained on 256 of 1024 points.
Darcy: 1000 and 200 permeabilities on 64 x 64 cells. Each finished row is appended to FOLDER/rows.jsonl, not repeated.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from surrogates.datasets.generators import burgers, darcy
from surrogates.operators.fno import FNO
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", choices=["burgers", "darcy"])
    parser.add_argument("--minutes", type=float, default=15.0, help="CPU minutes of training")
    parser.add_argument("--nu", type=float, nargs="+", default=[0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folder", type=Path, default=Path("fno_accuracy"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        for nu in args.nu if args.problem == "burgers" else [0.0]:
            key = {"problem": args.problem, "nu": nu, "minutes": args.minutes, "seed": seed}
            if not any(row.items() >= key.items() for row in rows(args.folder)):
                found = trained_burgers(nu, args.minutes, seed) if nu else trained_darcy(args.minutes, seed)
                row = {**key, **found, "date": time.strftime("%Y-%m-%d")}
                with (args.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    for row in rows(args.folder):
        print(json.dumps(row))


def rows(folder: Path) -> list[dict]:
    """Rows that are there already."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def trained_burgers(nu: float, minutes: float, seed: int) -> dict:
    """Relative L2 at 256 (trained) and 1024 points (not), of the paper's network and without its coordinates."""
    data = burgers(samples=1300, points=1024, nu=nu, seed=seed)
    train, valid, test = data[:1000].every(4), data[1000:1100].every(4), data[1100:]
    torch.manual_seed(seed)
    model = FNO(dim=1, modes=16, width=64, in_channels=1, out_channels=1)
    plan = Plan(minutes=minutes, batch_size=20, lr=1e-3, optimizer="adamw", weight_decay=1e-4, clip=None)
    fitted = fit(OperatorMap(model, input="u[0]", target="u[-1]"), train, valid, plan=plan, seed=seed)
    seen, unseen = fitted.evaluate(test.every(4)), fitted.evaluate(test)
    return {"steps": fitted.timings["steps"], "256 points": seen.relative_l2, "1024 points": unseen.relative_l2}


def trained_darcy(minutes: float, seed: int) -> dict:
    """Relative L2 on 64 x 64 cells."""
    data = darcy(samples=1250, points=64, seed=seed)
    train, valid, test = data[:1000], data[1000:1050], data[1050:]
    torch.manual_seed(seed)
    model = FNO(dim=2, modes=12, width=32, in_channels=1, out_channels=1, padding=0.125)
    plan = Plan(minutes=minutes, batch_size=20, lr=2e-3, optimizer="adamw", weight_decay=1e-4, clip=None)
    fitted = fit(OperatorMap(model, input="a", target="u"), train, valid, plan=plan, seed=seed)
    return {"steps": fitted.timings["steps"], "64 x 64": fitted.evaluate(test).relative_l2}


if __name__ == "__main__":
    main()
