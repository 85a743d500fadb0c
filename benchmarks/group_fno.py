"""G-FNO beside an FNO of as many numbers after equal CPU time, on Navier-Stokes with a square's symmetry.

    python benchmarks/group_fno.py group_fno_data --minutes 15 --seeds 0 1 2

Vorticity on the unit torus, nu = 1e-4, forcing 0.1 (cos 4 pi x + cos 4 pi y), Gaussian random start, solved on 64 x 64
(0.5 % from 128 x 128 at the end) and kept at the centres of 32 x 32 cells: there turning an array is a symmetry of the
equation. Frames t = 1..10 in, 11..20 out: trained on single steps with true inputs, tested on the rollout of ten.
Errors are relative L2, mean over frames and trajectories, on the test set; on the same turned (mean over three turns);
and mirrored. A vorticity changes sign in a mirror and so does the forcing, which a shift by a quarter box undoes: both
sets are exact solutions of the same problem that the models have not seen. Runs alternate between models; each is a row
of results.jsonl in the folder, is not repeated when it is there, and goes on where it was stopped.

    fno         12 modes, width 20, coordinates as input
    p1          the layers of G-FNO without its group, width 20
    p4          G-FNO, width 10, squared distance to the centre as input
    p4-free     the same without a position: commutes with translations, too
    p4m-paper   G-FNO with mirror images, width 7, the vorticity taken for a scalar as the paper does
    p4m         the same, the vorticity a pseudoscalar, no position: shift and mirror together are a true symmetry
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from surrogates.datasets import Fields
from surrogates.operators.fno import FNO
from surrogates.operators.group_fno import GroupFNO
from surrogates.physics.fields.grid import Grid
from surrogates.physics.fields.navier_stokes import navier_stokes, symmetric_forcing
from surrogates.physics.fields.random_field import gaussian_random_field
from surrogates.physics.fields.solve import solve
from surrogates.tasks.operator_map import OperatorMap
from surrogates.training import Plan, fit

POINTS = 32
SIZES = {"train": 200, "valid": 40, "test": 100}
SHARED = {"dim": 2, "modes": 12, "in_channels": 10, "out_channels": 1}
MIRRORED = {"in_ranks": "pseudoscalar", "out_ranks": "pseudoscalar"}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "fno": lambda: FNO(width=20, **SHARED),
    "p1": lambda: GroupFNO(group="p1", width=20, position="distance", **SHARED),
    "p4": lambda: GroupFNO(group="p4", width=10, position="distance", **SHARED),
    "p4-free": lambda: GroupFNO(group="p4", width=10, **SHARED),
    "p4m-paper": lambda: GroupFNO(group="p4m", width=7, position="distance", **SHARED),
    "p4m": lambda: GroupFNO(group="p4m", width=7, **MIRRORED, **SHARED),
}


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: data(folder, name, seed) for seed, name in enumerate(SIZES)}
    results = folder / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for seed in given.seeds:
        for name in given.models:
            wanted = {"model": name, "minutes": given.minutes, "seed": seed}
            if any(wanted.items() <= row.items() for row in rows):
                continue
            rows.append(wanted | run(name, seed, given.minutes, parts, folder))
            with results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
    summary([row for row in rows if row["minutes"] == given.minutes])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of data and results, made where it is missing")
    parser.add_argument("--minutes", type=float, default=15.0, help="CPU minutes of training a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["fno", "p4", "p4m"])
    return parser.parse_args()


def data(folder: Path, name: str, seed: int) -> Fields:
    """Trajectories of 20 frames on POINTS x POINTS cell centres, from their file where it is there."""
    path = folder / f"{name}.h5"
    if path.exists():
        return Fields.open(path)
    fine = Grid((2 * POINTS,) * 2, (1.0, 1.0), (True, True))
    generator = torch.Generator().manual_seed(seed)
    start = gaussian_random_field(fine, SIZES[name], alpha=2.5, tau=7, generator=generator)[:, None] * 2**0.5
    found = solve(
        navier_stokes(),
        start,
        grid=fine,
        times=list(range(21)),
        parameters={"nu": 1e-4},
        forcing=symmetric_forcing(fine),
        tolerance=1e-5,
    )
    centres = (np.arange(POINTS) + 0.5) / POINTS  # every second point of the fine grid, from its second on
    fields = Fields.from_arrays(
        {"w": found.values[:, 1:, 0, 1::2, 1::2].float().numpy()},
        times=found.times[1:].numpy(),
        axes=(centres, centres),
        parameters={"nu": 1e-4},
    )
    fields.save(path)
    return Fields.open(path)


def run(name: str, seed: int, minutes: float, parts: dict[str, Fields], folder: Path) -> dict[str, object]:
    """Train one model and measure it."""
    torch.manual_seed(seed)
    model = MODELS[name]()
    task = OperatorMap(model, input="w[t-9:t+1]", target="w[t+1]")
    plan = Plan(minutes=minutes, batch_size=20, lr=1e-3)
    state = folder / f"{name}_{minutes:g}min_{seed}"
    fitted = fit(task, parts["train"], parts["valid"], plan=plan, seed=seed, directory=state)
    trained = {"steps": fitted.provenance["steps"], "CPU s": fitted.timings["seconds"]}
    w = parts["test"].stack("w")
    turns = [errors(task, turned(w, k)) for k in (1, 2, 3)]
    straight, mirrored = errors(task, w), errors(task, mirror(w))
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        **trained,
        "error": float(straight.mean()),
        "turned": float(np.mean(turns)),
        "mirrored": float(mirrored.mean()),
        "first frame": float(straight[0]),
        "last frame": float(straight[-1]),
        "last frame turned": float(np.mean([e[-1] for e in turns])),
    }


def turned(w: np.ndarray, k: int) -> np.ndarray:
    return np.rot90(w, k, axes=(2, 3)).copy()


def mirror(w: np.ndarray) -> np.ndarray:
    """-w(-x, y), moved by a quarter box along both axes so that its forcing is the old one."""
    return np.roll(-np.flip(w, axis=2), (POINTS // 4, POINTS // 4), axis=(2, 3))


@torch.no_grad()
def errors(task: OperatorMap, w: np.ndarray) -> np.ndarray:
    """Relative L2 error of each of ten frames, mean over trajectories, of the model fed with its own output."""
    found = []
    task.eval()
    for batch in task.rollout_batches(Fields.from_arrays({"w": w}), steps=10):
        values, frames = batch.values, []
        for truth in batch.truths:
            step = task.step(values, batch.parameters)
            frames.append((step - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1))
            values = task.advance(values, step)
        found.append(torch.stack(frames, dim=1))
    return torch.cat(found).mean(dim=0).numpy()


def summary(rows: list[dict]) -> None:
    """Mean and standard deviation over seeds, in percent."""
    for name in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == name]
        spread = {
            key: f"{100 * np.mean(values):.2f} ({100 * np.std(values):.2f})"
            for key in ("error", "turned", "mirrored", "last frame")
            for values in [[row[key] for row in own]]
        }
        print(f"{name:10} {own[0]['parameters']:8d} numbers, {len(own)} seeds, error % (sd): {spread}")


if __name__ == "__main__":
    main()
