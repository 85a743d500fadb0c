"""Mesh graph transformer beside MeshGraphNet after equal CPU time: stress of plates, and flow past cylinders in time.

    python benchmarks/mesh_surrogates.py mesh_surrogates_data --minutes 15 --seeds 0 1 2

Plate: von Mises stress of plates with an elliptic hole (about 1050 nodes), in one go, from tags, places and loads; 240
meshes to train, 24 to validate, 60 to test. Cylinder: vortices in a channel (about 1000 nodes), the velocity one frame
of 25 ms after another, its Dirichlet values kept; 36 trajectories of 101 frames to train, 8 to test, made in a
quarter of an hour. Both models get the same inputs, batches, schedule and noise.

Errors: "RMSE" over nodes, components, frames and meshes, in the field's unit (MPa, m/s); "L2" relative, with the mass
matrix, mean over frames and meshes; "one step" from true frames, "50 steps" and "rollout" (100) from its own. Runs
alternate between models; each is a row of results.jsonl in the folder, is not repeated when it is there, and goes on
where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from surrogates.datasets import Meshes, MeshSample
from surrogates.datasets.generators import cylinder_flow, plate
from surrogates.meshes.mesh_graph_net import MeshGraphNet
from surrogates.meshes.transformer import MeshTransformer
from surrogates.simulation.mesh_rollout import rollout
from surrogates.simulation.rollout import LeftData
from surrogates.tasks.mesh_map import MeshMap
from surrogates.training import Fitted, Plan, fit

MODELS: dict[str, Callable[..., nn.Module]] = {
    "transformer": lambda **sizes: MeshTransformer(width=64, depth=10, heads=4, **sizes),
    "graph": lambda **sizes: MeshGraphNet(width=64, depth=10, **sizes),
}
RATES = {"plate": {"transformer": 2e-3, "graph": 2e-3}, "cylinder": {"transformer": 2e-3, "graph": 2e-3}}
TASKS: dict[str, dict[str, Any]] = {
    "plate": {
        "target": "von_mises",
        "tags": ["left", "right", "bottom", "top", "hole"],
        "parameters": ["poisson", "shear"],
        "coordinates": ["points", "distance:hole"],
    },
    "cylinder": {
        "input": "velocity[t]",
        "target": "velocity[t+1]",
        "tags": ["inlet", "outlet", "wall", "cylinder"],
        "prescribed": {"velocity": ["inlet", "wall", "cylinder"]},
    },
}
BATCH = {"plate": 4, "cylinder": 4}


def main() -> None:
    """Run what is missing in the folder, then print the table."""
    given = arguments()
    torch.set_num_threads(1)
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for problem in given.problems:
        parts = plates(folder) if problem == "plate" else cylinders(folder, given.trajectories, given.frames)
        for seed in given.seeds:
            for name in given.models:
                lr = given.lr or RATES[problem][name]
                wanted = {"problem": problem, "model": name, "minutes": given.minutes, "seed": seed, "lr": lr}
                wanted |= {"noise": given.noise} if problem == "cylinder" else {}
                if any(wanted.items() <= row.items() for row in rows):
                    continue
                rows.append(wanted | run(wanted, parts, folder))
                with results.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    summary([row for row in rows if row["minutes"] == given.minutes])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of data and results, made where it is missing")
    parser.add_argument("--minutes", type=float, default=15.0, help="CPU minutes of training a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--lr", type=float, help="in place of the chosen rates")
    parser.add_argument("--noise", type=float, default=0.01, help="of the velocity in training, m/s")
    parser.add_argument("--trajectories", type=int, nargs=3, default=[36, 4, 8], help="to train, validate and test")
    parser.add_argument("--frames", type=int, default=101, help="of each trajectory")
    return parser.parse_args()


def plates(folder: Path) -> dict[str, Meshes]:
    """Training, validation and test plates, made once."""
    path = folder / "plates.h5"
    if not path.exists():
        plate(samples=324, seed=0, size=0.1).save(path)
    data = Meshes.open(path)
    return dict(zip(("train", "valid", "test"), data.split(240, 24, 60, seed=0), strict=True))


def cylinders(folder: Path, sizes: list[int], frames: int) -> dict[str, Meshes]:
    """Training, validation and test histories, made once."""
    made = folder / f"cylinders_{sum(sizes)}_{frames}"
    data = cylinder_flow(samples=sum(sizes), seed=0, frames=frames, size=0.036, directory=made)
    parts = dict(zip(("train", "valid", "test"), data.split(*sizes, seed=0), strict=True))
    parts["valid"] = Meshes([beginning(sample, 11) for sample in parts["valid"]])  # or validation eats the budget
    return parts


def beginning(sample: MeshSample, frames: int) -> MeshSample:
    """The first frames of a history."""
    assert sample.times is not None
    return replace(sample, times=sample.times[:frames], fields={k: v[:frames] for k, v in sample.fields.items()})


def run(wanted: dict[str, Any], parts: dict[str, Meshes], folder: Path) -> dict[str, Any]:
    """Train one model and measure it."""
    problem, name, seed = wanted["problem"], wanted["model"], wanted["seed"]
    torch.manual_seed(seed)
    settings = TASKS[problem] | ({"noise": {"velocity": wanted["noise"]}} if "noise" in wanted else {})
    told = {k: v for k, v in settings.items() if k in ("input", "target", "tags", "parameters", "coordinates")}
    n_in, n_out = MeshMap.channels(parts["train"], **told)
    model = MODELS[name](dim=2, in_channels=n_in, out_channels=n_out)
    task = MeshMap(model, **settings)
    plan = Plan(minutes=wanted["minutes"], batch_size=BATCH[problem], lr=wanted["lr"], warmup=0.02, validations=10)
    state = folder / "_".join(map(str, wanted.values()))
    fitted = fit(task, parts["train"], parts["valid"], plan=plan, seed=seed, directory=state)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": fitted.provenance["steps"],
        "CPU s": round(fitted.timings["seconds"], 1),
        **(once(fitted, parts["test"]) if problem == "plate" else in_time(fitted, parts["test"])),
        "date": time.strftime("%Y-%m-%d"),
    }


def once(fitted: Fitted, test: Meshes) -> dict[str, float]:
    """Scores of a field from its mesh alone."""
    scores = fitted.evaluate(test)
    (field,) = scores.rmse
    return {"RMSE": scores.rmse[field], "L2": scores.relative_l2, "peak": scores.peak_error[field]}


def in_time(fitted: Fitted, test: Meshes) -> dict[str, float]:
    """Scores of one step, 50 steps and the whole rollout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftData)
        single, own = (rollout(fitted, test, mode=mode) for mode in ("teacher", "autoregressive"))
    found = {"RMSE one step": single.over()["velocity"], "L2 one step": float(single.relative_l2["velocity"].mean())}
    for name, steps in (("50 steps", 50), ("rollout", None)):
        found[f"RMSE {name}"] = own.over(steps)["velocity"]
        found[f"L2 {name}"] = float(own.relative_l2["velocity"][:, :steps].mean())
    return found | {"RMSE of no change, rollout": own.over(of=own.persistence)["velocity"]}


def summary(rows: list[dict[str, Any]]) -> None:
    """Mean and standard deviation of each error over seeds."""
    for problem, name in dict.fromkeys((row["problem"], row["model"]) for row in rows):
        own = [row for row in rows if (row["problem"], row["model"]) == (problem, name)]
        errors = {
            key: f"{np.mean(values):.4g} ({np.std(values):.2g})"
            for key in own[0]
            if key.startswith(("RMSE", "L2", "peak"))
            for values in [[row[key] for row in own]]
        }
        print(f"{problem:8s} {name:11s} {own[0]['parameters']:7d} numbers, {len(own)} seeds, mean (sd): {errors}")


if __name__ == "__main__":
    main()
